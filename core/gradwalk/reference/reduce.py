"""Reductions. ``dim``, ``keepdim`` are torch's names and ``axis``, ``keepdims`` NumPy's; no axes at all means every axis."""

from __future__ import annotations

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
