"""Losses, with ``reduction`` as in torch: mean (default), sum or none. Class targets are integers, shape ``[N]``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .nn import log_softmax, softmax
from .registry import Array, register

SQUARES = "Gauss, least squares; the derivative of the square"
LIKELIHOOD = "Bishop, Pattern Recognition and Machine Learning, 2006, 4.3.4 (negative log-likelihood of the classes)"


def _reduced(x: Array, reduction: str) -> Array:
    return np.asarray(x if reduction == "none" else x.sum() if reduction == "sum" else x.mean())


def _share(g: Array, count: int, reduction: str) -> Array:
    return np.asarray(g / count if reduction == "mean" else g)


def _mse(x: Array, y: Array, reduction: str = "mean") -> Array:
    return _reduced((x - y) ** 2, reduction)


def _mse_dx(g: Array, z: Array, x: Array, y: Array, reduction: str = "mean") -> Array:
    return np.asarray(_share(g, x.size, reduction) * 2 * (x - y))


register(
    "mse_loss",
    "l = mean((X - Y) ** 2)",
    _mse,
    {
        "X": ("dL/dX = dL/dl * 2 * (X - Y) / N", _mse_dx),
        "Y": ("dL/dY = -dL/dl * 2 * (X - Y) / N", lambda g, z, x, y, reduction="mean": -_mse_dx(g, z, x, y, reduction)),
    },
    inputs="X Y",
    source=SQUARES,
)


def _one_hot(target: NDArray[np.int64], classes: int) -> Array:
    return np.eye(classes)[np.asarray(target, dtype=np.int64)]


def _nll(x: Array, target: NDArray[np.int64], reduction: str = "mean") -> Array:
    return _reduced(-(x * _one_hot(target, x.shape[-1])).sum(axis=-1), reduction)


def _nll_vjp(g: Array, z: Array, x: Array, target: NDArray[np.int64], reduction: str = "mean") -> Array:
    per_row = np.broadcast_to(_share(g, x.shape[0], reduction), x.shape[:1])
    return np.asarray(-per_row[:, None] * _one_hot(target, x.shape[-1]))


def _cross_entropy(x: Array, target: NDArray[np.int64], reduction: str = "mean") -> Array:
    return _nll(log_softmax(x), target, reduction)


def _cross_entropy_vjp(g: Array, z: Array, x: Array, target: NDArray[np.int64], reduction: str = "mean") -> Array:
    per_row = np.broadcast_to(_share(g, x.shape[0], reduction), x.shape[:1])
    return np.asarray(per_row[:, None] * (softmax(x) - _one_hot(target, x.shape[-1])))


register(
    "nll_loss nll_loss_nd",
    "l = -mean(X[t])",
    _nll,
    {"X": ("dL/dX = -dL/dl * onehot(t) / N", _nll_vjp)},
    inputs="X t",
    source=LIKELIHOOD,
)
register(
    "cross_entropy cross_entropy_loss",
    "l = -mean(log_softmax(X)[t])",
    _cross_entropy,
    {"X": ("dL/dX = dL/dl * (softmax(X) - onehot(t)) / N", _cross_entropy_vjp)},
    inputs="X t",
    source=LIKELIHOOD,
)
