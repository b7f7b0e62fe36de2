"""Reductions. ``dim``, ``keepdim`` are torch's names and ``axis``, ``keepdims`` NumPy's; no axes at all means every axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .registry import Array, register

LINEAR = "the sum is linear: every element has the derivative 1 (for the mean 1/N)"


def _axes(dim: Any, axis: Any, ndim: int) -> tuple[int, ...]:
    chosen = dim if dim is not None else axis
    if chosen is None or chosen in ((), []):
        return tuple(range(ndim))
    return tuple(a % ndim for a in (chosen if isinstance(chosen, tuple | list) else (chosen,)))


def _spread(g: Array, x: Array, dim: Any, axis: Any) -> Array:
    axes = _axes(dim, axis, x.ndim)
    kept = tuple(1 if a in axes else size for a, size in enumerate(x.shape))
    return np.broadcast_to(np.reshape(g, kept), x.shape)


def _sum(x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Array:
    return np.asarray(x.sum(axis=_axes(dim, axis, x.ndim), keepdims=keepdim or keepdims))


def _mean(x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Array:
    return np.asarray(x.mean(axis=_axes(dim, axis, x.ndim), keepdims=keepdim or keepdims))


def _sum_vjp(
    g: Array, z: Array, x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False
) -> Array:
    return _spread(g, x, dim, axis)


def _mean_vjp(
    g: Array, z: Array, x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False
) -> Array:
    return np.asarray(_spread(g, x, dim, axis) * (np.size(z) / x.size))


register("sum", "z = sum(X)", _sum, {"X": ("dL/dX = dL/dz * ones", _sum_vjp)}, inputs="X", source=LINEAR)
register("mean", "z = sum(X) / N", _mean, {"X": ("dL/dX = dL/dz * ones / N", _mean_vjp)}, inputs="X", source=LINEAR)

SQUARES = "the variance is a mean of squares; its derivative is twice the distance from the mean"


def _var(
    x: Array,
    dim: Any = None,
    keepdim: bool = False,
    *,
    axis: Any = None,
    keepdims: bool = False,
    correction: int = 1,
    unbiased: bool = True,
) -> Array:
    axes = _axes(dim, axis, x.ndim)
    return np.asarray(x.var(axis=axes, keepdims=keepdim or keepdims, ddof=correction if unbiased else 0))


def _var_vjp(
    g: Array,
    z: Array,
    x: Array,
    dim: Any = None,
    keepdim: bool = False,
    *,
    axis: Any = None,
    keepdims: bool = False,
    correction: int = 1,
    unbiased: bool = True,
) -> Array:
    axes = _axes(dim, axis, x.ndim)
    count = math.prod(x.shape[a] for a in axes) - (correction if unbiased else 0)
    return np.asarray(_spread(g, x, dim, axis) * 2 * (x - x.mean(axis=axes, keepdims=True)) / count)


def _amax(x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Array:
    return np.asarray(x.max(axis=_axes(dim, axis, x.ndim), keepdims=keepdim or keepdims))


def _amax_vjp(
    g: Array, z: Array, x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False
) -> Array:
    """Elements that are equally large share the gradient."""
    axes = _axes(dim, axis, x.ndim)
    largest = x == x.max(axis=axes, keepdims=True)
    return np.asarray(_spread(g, x, dim, axis) * largest / largest.sum(axis=axes, keepdims=True))


def _max(x: Array, dim: int | None = None, keepdim: bool = False, **numpy: Any) -> Any:
    """The largest of all or along NumPy's axes; with torch's ``dim`` the values and where they stand."""
    if dim is None:
        return _amax(x, **numpy)
    where = x.argmax(axis=dim, keepdims=True)
    values = np.take_along_axis(x, where, dim)
    return (values, where) if keepdim else (values.squeeze(dim), where.squeeze(dim))


def _max_vjp(g: Any, z: Any, x: Array, dim: int | None = None, keepdim: bool = False, **numpy: Any) -> Array:
    """With ``dim`` all of the gradient goes to the element that was picked."""
    if dim is None:
        return _amax_vjp(g, z, x, **numpy)
    dx = np.zeros(x.shape)
    values, where = (g[0], z[1]) if keepdim else (np.expand_dims(g[0], dim), np.expand_dims(z[1], dim))
    np.put_along_axis(dx, where, values, dim)
    return dx


LARGEST = "dL/dX = dL/dz * (X == z)"
register(
    "var",
    "z = sum((X - mean(X)) ** 2) / (N - 1)",
    _var,
    {"X": ("dL/dX = dL/dz * 2 * (X - mean(X)) / (N - 1)", _var_vjp)},
    inputs="X",
    source=SQUARES,
)
register(
    "amax", "z = max(X)", _amax, {"X": (LARGEST, _amax_vjp)}, inputs="X", source="the maximum has the derivative 1 at its place"
)
register(
    "max", "z = max(X)", _max, {"X": (LARGEST, _max_vjp)}, inputs="X", source="the maximum has the derivative 1 at its place"
)
