"""How many roundings the formulas really have: each is run in stochastic arithmetic, and how far its results spread is compared
with what the check grants it. A formula that cancels inside by more, without an entry in ``inner.py`` that says so, fails here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gradwalk.reference.calling import Call
from gradwalk.reference.kinds import kind_of
from gradwalk.reference.program import Step
from gradwalk.reference.registry import formula_of
from gradwalk.reference.rounding import FUNCTION, LAMBDA, growth
from gradwalk.reference.tolerance import CLOSED, INSIDE, WRITTEN, Tolerance
from gradwalk.trace import Graph, Op, Value

sys.path.insert(0, str(Path(__file__).parent))
from formula_case import Ran, case, outputs
from formula_cases import ALL
from formula_cases_nets import dropped, heads_dropped
from stochastic import UNIT, Rounded, Rounding, rounded, stochastic

RANDOM = np.random.default_rng(5)
DRAWS = 48
FEW = 2.3
"""Where the largest of the draws is below so many times their root mean square it is taken for certain: with up to five roundings
(5 ** 0.5 = 2.24) it is, since 48 draws all but surely have met all of their signs. Of many roundings one in three elements is
below as well; the others of its tensor speak for it.
"""
LEAST = 2.0**-126


def normal(*shape):
    return RANDOM.standard_normal(shape)


def heads(length, width, size):
    """The tensors of an attention of heads."""
    weights = [normal(3 * width, width) / width**0.5, normal(3 * width), normal(width, width) / width**0.5, normal(width)]
    return [*(size * normal(length, 2, width) for _ in range(3)), *weights]


LONG = [
    *[case("softmax", size * normal(4, n), dim=1) for n, size in ((16, 1), (64, 1), (512, 1), (512, 5))],
    *[case("softmax", 3 * normal(16, n), dim=1) for n in (2, 3)],
    *[case("log_softmax", size * normal(4, n), dim=1) for n, size in ((64, 1), (512, 5))],
    *[case("layer_norm", 3 + normal(8, n), normal(n), normal(n), normalized_shape=(n,)) for n in (16, 512)],
    case("batch_norm", 10 + normal(16, 4, 6, 6), None, None, normal(4), normal(4), training=True),
    case("cross_entropy", 6 * normal(64, 100), RANDOM.integers(0, 100, 64), label_smoothing=0.1),
    case("scaled_dot_product_attention", normal(2, 16, 8), normal(2, 16, 8), normal(2, 16, 8), normal(16, 16)),
    case("scaled_dot_product_attention", 3 * normal(2, 64, 32), 3 * normal(2, 64, 32), normal(2, 64, 32), is_causal=True),
    *[case("scaled_dot_product_attention", *(size * normal(2, 3, 4) for _ in range(3))) for size in (1, 4)],
    *[case("multi_head_attention_forward", *heads(8, 16, size), num_heads=2, need_weights=False) for size in (1, 4)],
    case("logsumexp", 200 + normal(4, 64), dim=1),
    case("binary_cross_entropy_with_logits", normal(64), RANDOM.uniform(0, 1, 64)),
    *[case(name, 3 * normal(512)) for name in ("gelu", "silu", "mish", "sigmoid", "softplus", "tanh", "selu", "erf")],
    case("gelu", 3 * normal(512), approximate="tanh"),
    *[
        case("scaled_dot_product_attention", *tensors, None, RANDOM.random((2, *shape)) > p, function=dropped, dropout_p=p)
        for *tensors, shape, p in (
            (normal(2, 16, 8), normal(2, 16, 8), normal(2, 16, 8), (16, 16), 0.1),
            (3 * normal(2, 64, 32), 3 * normal(2, 64, 32), normal(2, 64, 32), (64, 64), 0.5),
            (normal(2, 3, 4), normal(2, 3, 4), normal(2, 3, 4), (3, 3), 0.1),
        )
    ],
    *[
        case(
            "multi_head_attention_forward",
            *heads(8, 16, size),
            None,
            None,
            RANDOM.random((2, 2, 8, 8)) > 0.1,
            num_heads=2,
            need_weights=size == 1,
            dropout_p=0.1,
            function=heads_dropped,
        )
        for size in (1, 4)
    ],
]
"""Rows as long, and numbers as large, as models have."""


class Spread:
    """A case, how far its results move in stochastic arithmetic, in units of it, and what the check takes as its size."""

    def __init__(self, one):
        self.ran = ran = Ran(one)
        self.tolerance = tolerance = tolerance_of(ran)
        plain = [*outputs(ran.out), *ran.gradients()]
        with stochastic():
            made = [run(ran, Rounding(seed)) for seed in range(DRAWS)]
        self.operations = made[0][1]
        moves = [np.abs(np.array([results[i] for results, _ in made]) - z) / UNIT for i, z in enumerate(plain)]
        sizes = [*map(tolerance.size, tolerance.op.outputs), *map(tolerance.size_back, ran.wanted)]
        lengths = [*[tolerance.longest] * len(tolerance.op.outputs), *map(tolerance.length, ran.wanted)]
        labels = ["Z"] * len(tolerance.op.outputs) + [f"dL/d{ran.symbols[i]}" for i in ran.wanted]
        rows = zip(plain, moves, sizes, lengths, labels, strict=True)
        self.rows = [row for row in rows if np.asarray(row[0]).dtype == np.float64]

    def short(self):
        """Per result what is needed besides the first term, in a coarse dtype and in float32 with all but certainty: over its
        size, and over its largest element if ``INSIDE`` of its size is granted.
        """
        for z, moves, size, length, label in self.rows:
            rms, largest = np.sqrt(np.square(moves).mean(axis=0)), moves.max(axis=0)
            sure = LAMBDA / 3**0.5 * rms
            if kind_of(self.ran.formula) == "function":
                sure = np.minimum(sure, self.operations**0.5 * rms)
            certain = np.where(largest < FEW * rms, largest, sure)
            first, summed = FUNCTION * np.maximum(np.abs(z), LEAST), growth(length, 1.0) * size
            needs = np.stack([largest - first, certain - first - summed])
            yield label, over(needs, size), over(needs - INSIDE * size, np.abs(z).max(initial=0.0))


def over(needs, size):
    """The largest of ``needs`` over ``size``: 0 where nothing is needed (beyond the rounding of this very arithmetic)."""
    with np.errstate(all="ignore"):
        return float(np.nanmax(np.where(needs > 1e-6, needs / size, 0.0), initial=0.0))


def tolerance_of(ran):
    """What the check grants a case, in float32."""
    outs = outputs(ran.out)
    places = tuple(place for place, x in enumerate(ran.inputs) if x is not None)
    values = [
        Value(number, "", "activation", np.shape(x), "float32" if np.asarray(x).dtype == np.float64 else "int64")
        for number, x in enumerate([*ran.inputs, *outs])
    ]
    count = len(ran.inputs)
    op = Op(0, ran.one.name, "forward", places, tuple(range(count, count + len(outs))))
    symbols = tuple(ran.formula.inputs.index(symbol) for symbol in ran.symbols)
    any_number = ran.formula.places is not None or ran.one.name == "einsum"
    call = Call(ran.formula, symbols if any_number else places, (None,) * count, ran.arguments, any_number)
    tensors = {place: ran.inputs[place] for place in places}
    found = {**tensors, **dict(zip(op.outputs, outs, strict=True))}
    graph = Graph(0, "", tuple(values), (op,), (), (), ())
    gradients = dict(zip(ran.wanted, ran.gradients(), strict=True))
    seeds = dict(zip(op.outputs, ran.incoming, strict=True))
    return Tolerance(graph, op, [Step(op, call)], tensors, found, [ran.out], seeds, gradients=gradients)


def run(ran, rounding):
    """The outputs and gradients of a case with results rounded so, and in how many operations."""
    Rounded.rounding = rounding
    inputs = [x if x is None else rounded(x) for x in ran.inputs]
    incoming = tuple(map(rounded, ran.incoming))
    out = ran.formula.compute(*inputs, **ran.arguments)
    made = {}
    for symbol in dict.fromkeys(ran.symbols[i] for i in ran.wanted):
        found = ran.formula.vjps[symbol](incoming if isinstance(out, tuple) else incoming[0], out, *inputs, **ran.arguments)
        places = [i for i, s in enumerate(ran.symbols) if s == symbol]
        made.update(zip(places, found if isinstance(found, list) else [found], strict=True))
    return [np.asarray(x) for x in (*outputs(out), *(made[i] for i in ran.wanted))], rounding.count


@pytest.fixture(scope="module")
def needed():
    """What each result of each case needs, by whether it is in a table of what is rounded inside."""
    found = {True: [], False: []}
    with np.errstate(all="ignore"):
        for one in [*ALL, *LONG]:
            if one.smooth and kind_of(formula_of(one.name)) not in CLOSED:
                spread = Spread(one)
                told = [(*needs, one.name, label, np.shape(one.inputs[0])) for label, *needs in spread.short()]
                found[not spread.tolerance.unknown] += told
    return found


def test_no_formula_has_more_roundings_inside_than_it_is_granted(needed):
    assert len(needed[True]) > 150
    assert [row for row in needed[True] if row[0] > INSIDE] == []
    assert max(row[0] for row in needed[True]) > INSIDE - 1, "fewer would not do"


def test_a_formula_in_no_table_is_off_by_less_than_is_granted_of_its_largest_element(needed):
    assert len(needed[False]) > 200
    assert [row for row in needed[False] if row[1] > WRITTEN] == []
    assert max(row[1] for row in needed[False]) > 0.75 * WRITTEN, "much less would not do"


def test_a_formula_that_cancels_inside_is_found():
    one = case("expm1", RANDOM.uniform(1e-3, 1e-2, 8))
    plain = Spread(one)
    assert all(inside < INSIDE for _, inside, _ in plain.short())
    spread = Spread(one)
    spread.rows[0] = (*spread.rows[0][:1], cancelling(one.inputs[0]), *spread.rows[0][2:])
    assert next(spread.short())[1] > 50


def cancelling(x):
    """How far ``exp(x) - 1`` moves."""
    made = []
    for seed in range(DRAWS):
        Rounded.rounding = Rounding(seed)
        made.append(np.abs(np.asarray(np.exp(rounded(x)) - 1) - np.expm1(x)) / UNIT)
    return np.array(made)


def test_stochastic_arithmetic_rounds_what_is_inexact_and_nothing_else():
    x = rounded(np.array([1.5, 3.0, -0.1]))
    for exact in (lambda: x * 2, lambda: -x, lambda: np.maximum(x, 0), lambda: x + 0, lambda: np.where(x > 0, x, 1.0)):
        Rounded.rounding = Rounding(0)
        exact()
        assert Rounded.rounding.count == 0
    for inexact in (
        lambda: x * 3,
        lambda: x + x,
        lambda: np.exp(x),
        lambda: x.sum(),
        lambda: x @ x,
        lambda: np.einsum("i,i", x, x),
    ):
        Rounded.rounding = Rounding(0)
        made = inexact()
        assert isinstance(made, Rounded)
        assert Rounded.rounding.count == 1
        Rounded.rounding = Rounding(0)
        again = inexact()
        assert (np.asarray(made) == np.asarray(again)).all(), "the same draw"
