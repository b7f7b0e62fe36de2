"""Products of matrices, with the VJPs of Giles (2008)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .registry import Array, register, unbroadcast

GILES = "Giles, Collected Matrix Derivative Results for Forward and Reverse Mode AD, 2008, 2.2.1"


def transposed(x: Array) -> Array:
    """The last two axes swapped; a vector stays as it is."""
    return x if x.ndim < 2 else np.swapaxes(x, -1, -2)


def _matmul_dx(g: Array, z: Array, x: Array, w: Array) -> Array:
    if x.ndim == 1 and w.ndim == 1:
        return np.asarray(g * w)
    columns = w[:, None] if w.ndim == 1 else w
    rows = g[..., None] if w.ndim == 1 else g
    product = (rows[..., None, :] if x.ndim == 1 else rows) @ transposed(columns)
    return unbroadcast(product[..., 0, :] if x.ndim == 1 else product, x.shape)


def _matmul_dw(g: Array, z: Array, x: Array, w: Array) -> Array:
    if x.ndim == 1 and w.ndim == 1:
        return np.asarray(g * x)
    rows = x[None, :] if x.ndim == 1 else x
    columns = g[..., None] if w.ndim == 1 else g
    product = transposed(rows) @ (columns[..., None, :] if x.ndim == 1 else columns)
    return unbroadcast(product[..., 0] if w.ndim == 1 else product, w.shape)


register(
    "mm matmul bmm mv __matmul__",
    "Z = X @ W",
    np.matmul,
    {"X": ("dL/dX = dL/dZ @ W.T", _matmul_dx), "W": ("dL/dW = X.T @ dL/dZ", _matmul_dw)},
    inputs="X W",
    source=GILES,
)


def _dot(x: Any, w: Any) -> Array:
    return np.asarray(np.dot(x, w))


def _dot_dx(g: Array, z: Array, x: Array, w: Array) -> Array:
    if not np.ndim(x) or not np.ndim(w):
        return unbroadcast(np.asarray(g * w), np.shape(x))
    if w.ndim == 1:
        return np.asarray(g[..., None] * w)
    others = tuple(axis for axis in range(w.ndim) if axis != w.ndim - 2)
    return np.tensordot(g, w, (tuple(range(x.ndim - 1, g.ndim)), others))


def _dot_dw(g: Array, z: Array, x: Array, w: Array) -> Array:
    if not np.ndim(x) or not np.ndim(w):
        return unbroadcast(np.asarray(g * x), np.shape(w))
    rows = tuple(range(x.ndim - 1))
    return np.asarray(np.moveaxis(np.tensordot(x, g, (rows, rows)), 0, max(w.ndim - 2, 0)))


register(
    "dot",
    "Z = X @ W",
    _dot,
    {"X": ("dL/dX = dL/dZ @ W.T", _dot_dx), "W": ("dL/dW = X.T @ dL/dZ", _dot_dw)},
    inputs="X W",
    source=f"{GILES}; numpy.dot for the axes: the last of X with the last but one of W",
)


def _addmm(b: Array, x: Array, w: Array, beta: float = 1, alpha: float = 1) -> Array:
    return np.asarray(beta * b + alpha * (x @ w))


register(
    "addmm",
    "Z = b + X @ W",
    _addmm,
    {
        "b": ("dL/db = sum_rows(dL/dZ)", lambda g, z, b, x, w, beta=1, alpha=1: unbroadcast(beta * g, b.shape)),
        "X": ("dL/dX = dL/dZ @ W.T", lambda g, z, b, x, w, beta=1, alpha=1: alpha * g @ w.T),
        "W": ("dL/dW = X.T @ dL/dZ", lambda g, z, b, x, w, beta=1, alpha=1: alpha * x.T @ g),
    },
    inputs="b X W",
    source=GILES,
)


def _linear(x: Array, w: Array, b: Array | float = 0.0) -> Array:
    return np.asarray(x @ w.T + b)


def _linear_dw(g: Array, z: Array, x: Array, w: Array, b: Any = 0.0) -> Array:
    return np.asarray(g.reshape(-1, w.shape[0]).T @ x.reshape(-1, w.shape[1]))


register(
    "linear",
    "Z = X @ W.T + b",
    _linear,
    {
        "X": ("dL/dX = dL/dZ @ W", lambda g, z, x, w, b=0.0: g @ w),
        "W": ("dL/dW = dL/dZ.T @ X", _linear_dw),
        "b": ("dL/db = sum_rows(dL/dZ)", lambda g, z, x, w, b: unbroadcast(g, np.shape(b))),
    },
    inputs="X W b",
    source=GILES,
)
