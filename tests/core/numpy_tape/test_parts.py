"""Names of gradients and losses, words for arguments, statistics."""

from __future__ import annotations

import numpy as np
import pytest

from gradwalk.numpy_tape.names import base_name, gradient_bases, is_fixed, is_gradient_name, loss_rank
from gradwalk.numpy_tape.words import text_of
from gradwalk.statistics import row_of, row_of_number, statistics_of
from gradwalk.trace import STATISTICS


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("grad_h", "h"),
        ("dh", "h"),
        ("d_h", "h"),
        ("h_grad", "h"),
        ("grad_y_pred", "y_pred"),
        ("dW1", "W1"),
        ("self.dW1", "self.W1"),
        ("grads['W1']", "params['W1']"),
        ("grads['W1']", "W1"),
        ("self.grads['b']", "self.params['b']"),
        ("dL_dw", "w"),
        ("dLdw", "w"),
        ("gradient_w", "w"),
        ("w_gradient", "w"),
        ("params['dW1']", "params['W1']"),
    ],
)
def test_names_of_gradients(name, of):
    assert is_gradient_name(name, of)


@pytest.mark.parametrize(
    ("name", "of"), [("h", "h"), ("grad_h", "h_relu"), ("data", "x"), ("", "h"), ("grad_", ""), ("weights", "w")]
)
def test_names_of_others(name, of):
    assert not is_gradient_name(name, of)


def test_a_gradient_may_be_of_several_names_the_likeliest_first():
    assert gradient_bases("grad_dh")[0] == "dh"
    assert gradient_bases("d")[:1] == ()


@pytest.mark.parametrize(("name", "base"), [("w", "w"), ("self.w", "w"), ("p['w']", "w"), ("a.b['c']", "c"), ("w2.T", "T")])
def test_base_names(name, base):
    assert base_name(name) == base


@pytest.mark.parametrize(("name", "fixed"), [("w", True), ("p['w']", True), ("p[0]", True), ("p[k]", False), ("hs[t]", False)])
def test_fixed_names(name, fixed):
    assert is_fixed(name) is fixed


def test_ranks_of_losses():
    assert [loss_rank(name) for name in ("loss", "self.loss", "cost", "total_loss", "mse", "accuracy", "")] == [
        2,
        2,
        2,
        1,
        1,
        0,
        0,
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1e-6, "1e-06"),
        (np.float64(2.5), "2.5"),
        (slice(1, None, 2), "1::2"),
        (slice(None, 3), ":3"),
        ((0, slice(2)), "(0, :2)"),
        ([1, 2], "[1, 2]"),
        (np.float32, "float32"),
        (None, "None"),
        (..., "Ellipsis"),
        (object(), "<object>"),
        ("x" * 200, "x" * 79 + "…"),
    ],
)
def test_texts_of_arguments(value, text):
    assert text_of(value) == text


@pytest.mark.parametrize(
    "array",
    [
        np.linspace(-1, 1, 7).reshape(7, 1),
        np.random.default_rng(0).normal(size=(300, 200)),
        np.random.default_rng(0).normal(size=(30, 20)).T[::2],
        np.array([[0.0, 1], [2, 0]], dtype=np.float32),
        np.array([np.nan, np.inf, -np.inf, 0, 1]),
        np.array([1e200, 1e200]),
        np.array([1e308, 1e308, -1.0]),
        np.arange(5),
        np.array([True, False]),
        np.array([1 + 2j]),
        np.zeros(()),
        np.arange(6, dtype=">f8"),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_statistics_are_those_of_plain_counting(array):
    with np.errstate(all="raise"):
        row = dict(zip(STATISTICS, row_of(array), strict=True))
    data = np.real(array).astype(np.float64).ravel()
    with np.errstate(all="ignore"):
        expected = {
            "count": data.size,
            "min": data.min(),
            "max": data.max(),
            "sum": data.sum(),
            "sumsq": np.square(data).sum(),
            "nan": np.isnan(data).sum(),
            "inf": np.isinf(data).sum(),
            "zero": (data == 0).sum(),
        }
    for name, value in expected.items():
        if not (name == "zero" and np.isnan(data).any()):
            np.testing.assert_allclose(row[name], value, rtol=1e-12)


def test_statistics_of_nothing_and_of_no_numbers():
    assert statistics_of(np.zeros((0, 3)))[0] == 0
    assert row_of(np.array(["a"]))[0] == -1


@pytest.mark.parametrize("number", [0.0, -2.5, np.nan, np.inf, -np.inf, 1e200])
def test_a_number_counts_like_an_array_of_one(number):
    np.testing.assert_allclose(row_of_number(number), row_of(np.array(number)))
