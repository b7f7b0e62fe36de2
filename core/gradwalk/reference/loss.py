"""Losses over classes, with ``reduction`` as in torch: mean (default), sum or none.

Logits are float64 ``[N, C, ...]`` or ``[C]``; class targets are integers ``[N, ...]``, or probabilities shaped as the logits for
the cross entropy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .nn import log_softmax, softmax
from .registry import Array, register

LIKELIHOOD = "Bishop, Pattern Recognition and Machine Learning, 2006, 4.3.4 (negative log-likelihood of the classes)"


def _by_rows(x: Array, target: Any) -> tuple[Array, Any, bool]:
    """Logits as ``[rows, C]`` and their targets: the class axis is the second one (the only one of ``[C]``)."""
    probable = np.ndim(target) == x.ndim
    rows = np.moveaxis(np.atleast_2d(x), 1, -1).reshape(-1, x.shape[min(1, x.ndim - 1)])
    return rows, _by_rows(target, 0)[0] if probable else np.ravel(target), probable


def _as_logits(rows: Array, x: Array) -> Array:
    """``[rows, C]`` back to the shape of the logits."""
    if x.ndim < 2:
        return rows.reshape(x.shape)
    return np.moveaxis(rows.reshape(x.shape[0], *x.shape[2:], x.shape[1]), -1, 1)


def _aims(x: Array, target: Any, weight: Any, ignore_index: int, smoothing: float) -> tuple[Array, Array, float]:
    """The logits as rows; what their log-probabilities are multiplied with; and what the mean divides by.

    A class has its ``weight``; an ignored row is zeros. Smoothing takes that share of the aim and spreads it over the classes.
    """
    rows, classes, probable = _by_rows(x, target)
    count = rows.shape[1]
    kept = np.ones(len(rows)) if probable else (classes != ignore_index) * 1.0
    hot = classes if probable else np.eye(count)[np.where(kept > 0, classes, 0)]
    weights = np.ones(count) if weight is None else np.asarray(weight)
    aims = ((1 - smoothing) * hot + smoothing / count) * weights * kept[:, None]
    return rows, aims, float(len(rows) if probable else (hot * weights).sum(axis=1) @ kept)


def _lost(per_row: Array, mean_over: float, reduction: str, x: Array, target: Any) -> Array:
    if reduction != "none":
        return np.asarray(per_row.sum() / (mean_over if reduction == "mean" else 1))
    return per_row.reshape(np.shape(target) if np.ndim(target) < x.ndim else (*x.shape[:1], *x.shape[2:])[: x.ndim - 1])


def _incoming(g: Array, mean_over: float, reduction: str) -> Array:
    """``dL/dl`` per row, as a column (of one row where it is the same for all)."""
    return np.reshape(g / mean_over if reduction == "mean" else g, (-1, 1))


def _nll(x: Array, target: Any, weight: Any = None, *, reduction: str = "mean", ignore_index: int = -100) -> Array:
    rows, aims, mean_over = _aims(x, target, weight, ignore_index, 0.0)
    return _lost(-np.where(aims != 0, rows * aims, 0.0).sum(axis=1), mean_over, reduction, x, target)


def _nll_vjp(
    g: Array, z: Array, x: Array, target: Any, weight: Any = None, *, reduction: str = "mean", ignore_index: int = -100
) -> Array:
    _, aims, mean_over = _aims(x, target, weight, ignore_index, 0.0)
    return _as_logits(-_incoming(g, mean_over, reduction) * aims, x)


def _cross_entropy(
    x: Array, target: Any, weight: Any = None, *, reduction: str = "mean", ignore_index: int = -100, label_smoothing: float = 0.0
) -> Array:
    rows, aims, mean_over = _aims(x, target, weight, ignore_index, label_smoothing)
    return _lost(-(log_softmax(rows) * aims).sum(axis=1), mean_over, reduction, x, target)


def _cross_entropy_vjp(
    g: Array, z: Array, x: Array, target: Any, weight: Any = None, *, reduction: str = "mean", ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Array:  # fmt: skip
    rows, aims, mean_over = _aims(x, target, weight, ignore_index, label_smoothing)
    return _as_logits(_incoming(g, mean_over, reduction) * (aims.sum(axis=1, keepdims=True) * softmax(rows) - aims), x)


register(
    "nll_loss nll_loss_nd",
    "l = -mean(X[t])",
    _nll,
    {"X": ("dL/dX = -dL/dl * onehot(t) / N", _nll_vjp)},
    inputs="X t w",
    source=LIKELIHOOD,
)
register(
    "cross_entropy cross_entropy_loss",
    "l = -mean(log_softmax(X)[t])",
    _cross_entropy,
    {"X": ("dL/dX = dL/dl * (softmax(X) - onehot(t)) / N", _cross_entropy_vjp)},
    inputs="X t w",
    source=LIKELIHOOD,
)
