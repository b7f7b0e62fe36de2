"""One element written out: the terms add up to the VJP, found by the formula's text or by unit vectors."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from gradwalk.reference.arithmetic import Arithmetic, Term, arithmetic, jacobian_row, operands_at
from gradwalk.reference.bound import Bound, bind, value_of
from gradwalk.reference.registry import formula_of

sys.path.insert(0, str(Path(__file__).parent))
from test_formulas import CASES, NUMPY_CASES

FLOATS = [case for case in (*CASES, *NUMPY_CASES) if formula_of(case[0]).vjps]


def bound_of(name, inputs, arguments):
    formula = formula_of(name)
    out = np.asarray(formula.compute(*inputs, **arguments))
    return Bound(formula, tuple(inputs), arguments, np.random.default_rng(2).standard_normal(out.shape), out)


@pytest.mark.parametrize(("name", "function", "inputs", "arguments"), FLOATS)
def test_the_terms_add_up_to_the_vjp(name, function, inputs, arguments):
    bound = bound_of(name, inputs, arguments)
    for place, symbol in enumerate(bound.formula.inputs[: len(inputs)]):
        if symbol not in bound.formula.vjps:
            continue
        gradient, shape = bound.gradient(symbol, bound.g), np.shape(inputs[place])
        for element in {tuple(0 for _ in shape), tuple(size - 1 for size in shape)}:
            made = arithmetic(bound, symbol, element)
            assert made.total == pytest.approx(gradient[element], rel=1e-10, abs=1e-12)
            for term in made.terms:
                assert term.incoming == bound.g[term.place]
                if term.factor is not None:
                    assert term.local == bound.operand(term.factor[0])[term.factor[1]]


def test_an_element_of_a_product_names_its_factors():
    x, w = np.arange(12.0).reshape(4, 3), np.arange(6.0).reshape(3, 2)
    bound = bound_of("mm", [x, w], {})
    made = arithmetic(bound, "W", (2, 1))
    assert [(term.factor, term.place) for term in made.terms] == [(("X", (k, 2)), (k, 1)) for k in range(4)]
    assert made.total == pytest.approx((x.T @ bound.g)[2, 1])
    linear = arithmetic(bound_of("linear", [x, w.T, np.zeros(2)], {}), "W", (1, 2))
    assert [(term.factor, term.place) for term in linear.terms] == [(("X", (k, 2)), (k, 1)) for k in range(4)]


def test_only_the_elements_that_matter_are_terms():
    bound = bound_of("add", [np.ones((50, 40)), np.ones(40)], {})
    assert [term.place for term in arithmetic(bound, "X", (30, 7)).terms] == [(30, 7)]
    assert [term.place for term in arithmetic(bound, "Y", (7,)).terms] == [(row, 7) for row in range(50)]
    clamped = bound_of("clamp", [np.array([-1.0, 2.0])], {"min": 0})
    assert arithmetic(clamped, "X", (0,)).terms == ()
    assert arithmetic(clamped, "X", (0,)).total == 0


def test_a_few_probes_are_enough_where_few_elements_matter():
    asked = []

    def local(g):
        asked.append(g)
        return 3.0 * g[700, 11] - 2.0 * g[701, 11]

    assert dict(jacobian_row(local, (1024, 64))) == {(700, 11): 3.0, (701, 11): -2.0}
    assert len(asked) < 80


def test_the_operands_at_an_element():
    bound = bound_of("pow", [np.array([[1.0, 2.0], [3.0, 4.0]])], {"exponent": 2})
    assert operands_at(bound, "X", (1, 0)) == [("X", (1, 0), 3.0)]
    bias = bound_of("mul", [np.full((2, 3), 5.0), np.array([[7.0], [8.0]])], {})
    assert operands_at(bias, "X", (1, 2)) == [("Y", (1, 0), 8.0)]


def test_rounding_grows_with_the_terms_and_the_dtype():
    made = Arithmetic("X", (0,), tuple(Term((i,), 1.0, 2.0) for i in range(10)))
    assert made.rounding("float32") == 13 * 2.0**-24 * 20
    assert made.rounding("float16") > made.rounding("float32") > made.rounding("float64") > 0
    bad = Arithmetic("X", (0,), (Term((0,), math.inf, 1.0), Term((1,), 1.0, 1.0)))
    assert bad.total == math.inf


def test_what_cannot_be_written_out_says_why():
    bound = bound_of("mm", [np.ones((4, 3)), np.ones((3, 2))], {})
    for element in ((4, 0), (0,), (-1, 0)):
        with pytest.raises(ValueError, match="there is no element"):
            arithmetic(bound, "X", element)
    with pytest.raises(ValueError, match="too large"):
        arithmetic(bound_of("exp", [np.ones((2000, 1000))], {}), "X", (0, 0))


def test_a_formula_is_bound_to_recorded_arguments():
    x = np.array([1.0, -2.0])
    of = lambda name, arguments: bind(formula_of(name), arguments, [x], x, x)  # noqa: E731
    assert of("mul", [("other", "1e-06")]).inputs[1] == 1e-6
    assert of("multiply", [("x1", "2.0")]).inputs[0] == 2.0
    assert of("maximum", [("x2", "0")]).inputs[1] == 0
    assert of("clamp", [("min", "0"), ("max", "None")]).inputs[1:] == (0, None)
    assert of("relu", [("inplace", "False")]).arguments == {}
    assert [value_of(text) for text in ("mean", "(1, 2)", "-inf")] == ["mean", (1, 2), -math.inf]
    with pytest.raises(ValueError, match="not all of the argument"):
        value_of("(1, 2, …)")
