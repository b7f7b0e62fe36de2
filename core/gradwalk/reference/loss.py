"""Losses, with ``reduction`` as in torch: mean (default), sum or none.

Logits are float64 ``[N, C]``; class targets are integers ``[N]``, or probabilities ``[N, C]`` for the cross entropy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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


def _one_hot(target: Any, classes: int, ignore_index: int) -> Array:
    """Rows with a one at the class; a row of zeros where the target is ``ignore_index``. Probabilities stay as they are."""
    if np.ndim(target) > 1:
        return np.asarray(target, dtype=np.float64)
    wanted = np.asarray(target) != ignore_index
    return np.asarray(np.eye(classes)[np.where(wanted, target, 0)] * wanted[..., None])


def _rows(target: Any, ignore_index: int) -> float:
    """Over how many rows the mean is taken: those that are not ignored."""
    return float(np.shape(target)[0] if np.ndim(target) > 1 else np.sum(np.asarray(target) != ignore_index))


def _mean_over(x: Array, rows: float, reduction: str) -> Array:
    return np.asarray(x.sum() / rows if reduction == "mean" else _reduced(x, reduction))


def _nll(x: Array, target: Any, reduction: str = "mean", ignore_index: int = -100) -> Array:
    picked = -(x * _one_hot(target, x.shape[-1], ignore_index)).sum(axis=-1)
    return _mean_over(picked, _rows(target, ignore_index), reduction)


def _per_row(g: Array, x: Array, target: Any, reduction: str, ignore_index: int) -> Array:
    share = g / _rows(target, ignore_index) if reduction == "mean" else g
    return np.broadcast_to(share, x.shape[:1])[:, None]


def _nll_vjp(g: Array, z: Array, x: Array, target: Any, reduction: str = "mean", ignore_index: int = -100) -> Array:
    hot = _one_hot(target, x.shape[-1], ignore_index)
    return np.asarray(-_per_row(g, x, target, reduction, ignore_index) * hot)


def _cross_entropy(x: Array, target: Any, reduction: str = "mean", ignore_index: int = -100) -> Array:
    return _nll(log_softmax(x), target, reduction, ignore_index)


def _cross_entropy_vjp(g: Array, z: Array, x: Array, target: Any, reduction: str = "mean", ignore_index: int = -100) -> Array:
    hot = _one_hot(target, x.shape[-1], ignore_index)
    weights = hot.sum(axis=-1, keepdims=True)
    return np.asarray(_per_row(g, x, target, reduction, ignore_index) * (weights * softmax(x) - hot))


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
