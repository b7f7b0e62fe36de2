"""The lines of NumPy: each is run, and gives what the registry's own functions give."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gradwalk.reference.numpy_code import forward_code, gradient_code
from gradwalk.reference.numpy_words import ALIASES, Call
from gradwalk.reference.registry import formula_of

sys.path.insert(0, str(Path(__file__).parent))
from test_formulas import CASES, NUMPY_CASES

AT_TIES = {"maximum"}
"""Where two elements are equal the registry halves the gradient, as torch does; the text does not tell."""
RUN = [
    case
    for case in (*CASES, *NUMPY_CASES)
    if not any(x.dtype == np.float64 and np.size(x) and np.abs(x).max() > 99 for x in case[2])  # exp overflows as written
    and not any((np.asarray(x) == -100).any() for x in case[2])
    and not (case[0] == "pow" and (case[2][0] == 0).any())
]


def call_of(name, inputs, arguments):
    formula = formula_of(name, [(key, str(value)) for key, value in arguments.items()])
    out = formula.compute(*inputs, **arguments)
    named = zip(formula.inputs, inputs, strict=False)
    shapes = {symbol: np.shape(x) for symbol, x in named} | {formula.output: np.shape(out)}
    names = {symbol: f"{symbol.lower()}_in" for symbol in shapes} | {formula.output: "out"}
    aliases = ALIASES.get(name, {})
    return out, Call(formula, names, shapes, {aliases.get(key, key): value for key, value in arguments.items()})


@pytest.mark.parametrize(("name", "function", "inputs", "arguments"), RUN)
def test_a_line_computes_what_the_registry_computes(name, function, inputs, arguments):
    out, call = call_of(name, inputs, arguments)
    formula = call.formula
    incoming = np.random.default_rng(1).standard_normal(np.shape(out))
    names = {"np": np, "grad_out": incoming, "out": out}
    names |= {call.names[symbol]: x for symbol, x in zip(formula.inputs, inputs, strict=False)}
    line = forward_code(call)
    if line is not None:
        exec(line, names)
        assert np.shape(names["out"]) == np.shape(out)
        np.testing.assert_allclose(names["out"], out, rtol=1e-9, atol=1e-12)
    for symbol in formula.inputs[: len(inputs)]:
        line = gradient_code(call, symbol)
        if line is not None and name not in AT_TIES:
            exec(line, names)
            expected = formula.vjps[symbol](incoming, out, *inputs, **arguments)
            assert np.shape(names[f"grad_{call.names[symbol]}"]) == np.shape(expected), line
            np.testing.assert_allclose(names[f"grad_{call.names[symbol]}"], expected, rtol=1e-9, atol=1e-12, err_msg=line)


def test_most_ops_have_a_line_and_the_three_programs_all_of_theirs():
    with_line = {name for name, _, inputs, arguments in RUN if forward_code(call_of(name, inputs, arguments)[1]) is not None}
    assert {
        "mm",
        "clamp",
        "sub",
        "pow",
        "sum",
        "maximum",
        "square",
        "subtract",
        "linear",
        "addmm",
        "relu",
        "mul",
        "mean",
    } <= with_line
    assert len(with_line) > 40


@pytest.mark.parametrize(
    ("name", "inputs", "arguments", "forward", "gradients"),
    [
        ("mm", [np.ones((4, 3)), np.ones((3, 2))], {}, "x_in @ w_in", ["grad_out @ w_in.T", "x_in.T @ grad_out"]),
        ("clamp", [np.ones(3)], {"min": 0}, "np.maximum(x_in, 0)", ["grad_out * (0 <= x_in)"]),
        ("pow", [np.ones(3)], {"exponent": 2}, "x_in ** 2", ["grad_out * 2 * x_in"]),
        ("linear", [np.ones((4, 3)), np.ones((2, 3))], {}, "x_in @ w_in.T", ["grad_out @ w_in", "grad_out.T @ x_in"]),
        ("add", [np.ones((4, 3)), np.ones(3)], {}, "x_in + y_in", ["grad_out", "grad_out.sum(axis=0)"]),
    ],
)  # fmt: skip
def test_how_a_line_reads(name, inputs, arguments, forward, gradients):
    _, call = call_of(name, inputs, arguments)
    assert forward_code(call) == f"out = {forward}"
    symbols = [symbol for symbol in call.formula.inputs if symbol in call.shapes]
    assert [gradient_code(call, symbol).split(" = ", 1)[1] for symbol in symbols] == gradients


COLUMNS = np.random.default_rng(2).uniform(0.2, 0.8, (2, 5, 1))
LOSSES_OF_A_COLUMN = [
    ("mse_loss", "grad_out * 2 * (x_in - y_in) / 5"),
    ("l1_loss", "grad_out * np.sign(x_in - y_in) / 5"),
    ("binary_cross_entropy", "grad_out * (x_in - t_in) / (x_in * (1 - x_in)) / 5"),
    ("binary_cross_entropy_with_logits", "grad_out * (1 / (1 + np.exp(-x_in)) - t_in) / 5"),
    ("kl_div", "-grad_out * y_in / 5"),
]


@pytest.mark.parametrize(("name", "gradient"), LOSSES_OF_A_COLUMN)
def test_the_loss_of_a_column_has_lines_too(name, gradient):
    _, call = call_of(name, COLUMNS, {})
    assert gradient_code(call, "X") == f"grad_x_in = {gradient}"
    test_a_line_computes_what_the_registry_computes(name, None, COLUMNS, {})


def test_axes_that_a_maximum_has_lost_are_not_guessed():
    _, call = call_of("amax", [COLUMNS[0]], {})
    assert gradient_code(call, "X") is None


@pytest.mark.parametrize(
    ("name", "inputs", "arguments"),
    [
        ("add", [np.ones(3), np.ones(3)], {"alpha": 2}),
        ("addmm", [np.ones(2), np.ones((4, 3)), np.ones((3, 2))], {"beta": 0.5}),
        ("matmul", [np.ones((2, 4, 3)), np.ones((3, 5))], {}),
        ("gelu", [np.ones(3)], {}),
        ("kl_div", [np.ones((4, 3)), np.ones((4, 3))], {"reduction": "batchmean"}),
        ("binary_cross_entropy_with_logits", [np.ones((4, 3)), np.ones((4, 3)), np.ones(3)], {}),
        ("soft_margin_loss", [np.ones((4, 1)), np.ones((4, 1))], {}),
        ("poisson_nll_loss", [np.ones((4, 1)), np.ones((4, 1))], {}),
    ],
)
def test_no_line_rather_than_a_wrong_one(name, inputs, arguments):
    _, call = call_of(name, inputs, arguments)
    assert forward_code(call) is None
    assert all(gradient_code(call, symbol) is None for symbol in call.formula.inputs)


def test_a_name_that_is_no_python_gives_no_line():
    _, call = call_of("exp", [np.ones(3)], {})
    odd = Call(call.formula, {**call.names, "X": "x; import os"}, call.shapes, {})
    assert forward_code(odd) is None


@pytest.mark.parametrize(
    ("name", "inputs", "arguments", "line"),
    [
        ("zeros", [], {"size": (2, 3)}, "out = np.zeros((2, 3))"),
        ("ones", [], {"size": ()}, "out = np.ones(())"),
        ("full", [], {"size": (2,), "fill_value": -1.5}, "out = np.full((2,), -1.5)"),
        ("full", [], {"size": (2,), "fill_value": float("nan")}, None),
        ("eye", [], {"n": 2}, "out = np.eye(2)"),
        ("eye", [], {"n": 2, "m": 3}, "out = np.eye(2, 3)"),
        ("arange", [], {"end": 4}, "out = np.arange(4)"),
        ("arange", [], {"start": 4, "end": 0, "step": -2}, "out = np.arange(4, 0, -2)"),
        ("linspace", [], {"start": 0, "end": 1, "steps": 5}, "out = np.linspace(0, 1, 5)"),
        ("tensor", [], {"data": ((1.0, 2), (3, 4))}, "out = np.array(((1.0, 2), (3, 4)))"),
        ("scalar_tensor", [], {"s": 3.0}, "out = np.array(3.0)"),
        ("zeros_like", [np.ones((2, 2))], {}, "out = np.zeros_like(x_in)"),
        ("ones_like", [np.ones((2, 2))], {}, "out = np.ones_like(x_in)"),
        ("full_like", [np.ones(2)], {"fill_value": 7}, "out = np.full_like(x_in, 7)"),
        ("new_zeros", [np.ones(2)], {"size": (1, 3)}, "out = np.zeros((1, 3))"),
        ("reshape", [np.ones((2, 3))], {"shape": (3, 2), "order": "F"}, None),
    ],
)
def test_a_line_makes_what_is_made_of_numbers(name, inputs, arguments, line):
    out, call = call_of(name, inputs, arguments)
    assert forward_code(call) == line
    if line is not None:
        names = {"np": np, "x_in": inputs[0] if inputs else None}
        exec(line, names)
        np.testing.assert_array_equal(names["out"], out)
        assert np.shape(names["out"]) == np.shape(out)
