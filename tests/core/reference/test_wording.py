"""The text of a loss is that of the call: its sum, all its elements, or smoothed labels instead of a plain mean."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gradwalk.reference.numpy_code import forward_code, gradient_code
from gradwalk.reference.registry import formula_of, formulas

sys.path.insert(0, str(Path(__file__).parent))
from test_numpy_code import call_of

LOSSES = sorted(name for name, formula in formulas().items() if formula.forward.startswith("l = "))
X, Y = np.array([[0.2, 0.7, 0.4], [0.9, 0.3, 0.6]]), np.array([[0.5, 0.1, 0.8], [0.4, 0.6, 0.2]])


def texts(name, **arguments):
    formula = formula_of(name, [(key, str(value)) for key, value in arguments.items()])
    return formula.forward, [text for _, text in formula.gradients]


@pytest.mark.parametrize("name", LOSSES)
def test_no_mean_is_left_where_a_call_takes_none(name):
    plain, gradients = texts(name)
    assert texts(name, reduction="mean") == (plain, gradients)
    for reduction, word in (("sum", "sum("), ("none", ""), ("2", "sum("), ("0", "")):
        forward, others = texts(name, reduction=reduction)
        assert "mean(" not in forward
        assert word in forward
        assert len(forward) <= len(plain)
        assert not [text for text in others if text.endswith(" / N")]
        assert len(others) == len(gradients)


@pytest.mark.parametrize(
    ("name", "arguments", "forward", "gradient"),
    [
        ("mse_loss", {"reduction": "sum"}, "l = sum((X - Y) ** 2)", "dL/dX = dL/dl * 2 * (X - Y)"),
        ("mse_loss", {"reduction": "none"}, "l = (X - Y) ** 2", "dL/dX = dL/dl * 2 * (X - Y)"),
        ("nll_loss", {"reduction": "none"}, "l = -X[t]", "dL/dX = -dL/dl * onehot(t)"),
        ("kl_div", {"reduction": "batchmean"}, "l = sum(Y * (log(Y) - X)) / B", "dL/dX = -dL/dl * Y / B"),
        (
            "gaussian_nll_loss", {"reduction": "none"},
            "l = (log(v) + (X - t) ** 2 / v) / 2", "dL/dX = dL/dl * (X - t) / v",
        ),
        (
            "cross_entropy", {"label_smoothing": 0.1, "reduction": "none"},
            "l = -sum(q * log_softmax(X)), q = (1 - label_smoothing) * onehot(t) + label_smoothing / C",
            "dL/dX = dL/dl * (softmax(X) - q)",
        ),
        (
            "cross_entropy", {"label_smoothing": 0.1},
            "l = -mean(sum(q * log_softmax(X))), q = (1 - label_smoothing) * onehot(t) + label_smoothing / C",
            "dL/dX = dL/dl * (softmax(X) - q) / N",
        ),
        (
            "cross_entropy", {"label_smoothing": 0.0},
            "l = -mean(log_softmax(X)[t])", "dL/dX = dL/dl * (softmax(X) - onehot(t)) / N",
        ),
    ],
)  # fmt: skip
def test_the_texts_of_a_call(name, arguments, forward, gradient):
    made, gradients = texts(name, **arguments)
    assert (made, gradients[0]) == (forward, gradient)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"])
def test_its_lines_of_numpy_compute_what_the_formula_does(name, reduction):
    out, call = call_of(name, [X, Y], {"reduction": reduction})
    rows = {"np": np, **{call.names[symbol]: x for symbol, x in zip(call.formula.inputs, (X, Y), strict=False)}}
    exec(forward_code(call), rows)
    np.testing.assert_allclose(rows["out"], out, rtol=1e-12)
    rows["grad_out"] = g = np.linspace(1.0, 2.0, np.size(out)).reshape(np.shape(out))
    for symbol in call.formula.vjps:
        exec(gradient_code(call, symbol), rows)
        wanted = call.formula.vjps[symbol](g, out, X, Y, reduction=reduction)
        np.testing.assert_allclose(rows[f"grad_{call.names[symbol]}"], wanted, rtol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_so_do_those_of_classes(name, reduction):
    classes = np.array([2, 0])
    out, call = call_of(name, [X, classes], {"reduction": reduction})
    rows = {"np": np, "x_in": X, "t_in": classes, "grad_out": 1.5}
    exec(forward_code(call), rows)
    exec(gradient_code(call, "X"), rows)
    np.testing.assert_allclose(rows["out"], out, rtol=1e-12)
    np.testing.assert_allclose(rows["grad_x_in"], call.formula.vjps["X"](np.asarray(1.5), out, X, classes, reduction=reduction))
    assert forward_code(call_of(name, [X, classes], {"reduction": "none"})[1]) is None
