"""Reductions. ``dim``, ``keepdim`` are torch's names and ``axis``, ``keepdims`` NumPy's; no axes at all means every axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .registry import Array, Function, register

LINEAR = "the sum is linear: every element has the derivative 1 (for the mean 1/N)"


def axes_of(dim: Any, axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes that torch's ``dim`` or NumPy's ``axis`` means, none of them negative."""
    chosen = dim if dim is not None else axis
    if chosen is None or chosen in ((), []):
        return tuple(range(ndim))
    return tuple(a % ndim for a in (chosen if isinstance(chosen, tuple | list) else (chosen,)))


def spread_out(g: Array, x: Array, dim: Any, axis: Any) -> Array:
    """A gradient of a reduction along the axes that it has lost, as large as X."""
    axes = axes_of(dim, axis, x.ndim)
    kept = tuple(1 if a in axes else size for a, size in enumerate(x.shape))
    return np.broadcast_to(np.reshape(g, kept), x.shape)


def _sum(x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Array:
    return np.asarray(x.sum(axis=axes_of(dim, axis, x.ndim), keepdims=keepdim or keepdims))


def _mean(x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Array:
    axes, kept = axes_of(dim, axis, x.ndim), keepdim or keepdims
    return np.asarray(x.mean(axis=axes, keepdims=kept) if x.size else x.sum(axis=axes, keepdims=kept) * np.nan)


def _sum_vjp(
    g: Array, z: Array, x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False
) -> Array:
    return spread_out(g, x, dim, axis)


def _mean_vjp(
    g: Array, z: Array, x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False
) -> Array:
    return np.asarray(spread_out(g, x, dim, axis) * (np.size(z) / max(x.size, 1)))


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
    correction: float = 1,
    unbiased: bool = True,
    ddof: int | None = None,
) -> Array:
    """Torch divides by N - 1, NumPy (which says ``ddof``) by N."""
    axes = axes_of(dim, axis, x.ndim)
    return np.asarray(x.var(axis=axes, keepdims=keepdim or keepdims, ddof=_less(correction, unbiased, ddof)))


def _less(correction: float, unbiased: bool, ddof: int | None) -> float:
    return ddof if ddof is not None else correction if unbiased else 0


def _var_vjp(
    g: Array,
    z: Array,
    x: Array,
    dim: Any = None,
    keepdim: bool = False,
    *,
    axis: Any = None,
    keepdims: bool = False,
    correction: float = 1,
    unbiased: bool = True,
    ddof: int | None = None,
) -> Array:
    axes = axes_of(dim, axis, x.ndim)
    count = math.prod(x.shape[a] for a in axes) - _less(correction, unbiased, ddof)
    return np.asarray(spread_out(g, x, dim, axis) * 2 * (x - x.mean(axis=axes, keepdims=True)) / count)


register(
    "var",
    "z = sum((X - mean(X)) ** 2) / (N - 1)",
    _var,
    {"X": ("dL/dX = dL/dz * 2 * (X - mean(X)) / (N - 1)", _var_vjp)},
    inputs="X",
    source=SQUARES,
)


def _std(x: Array, *args: Any, **named: Any) -> Array:
    return np.sqrt(_var(x, *args, **named))


def _std_vjp(g: Array, z: Array, x: Array, *args: Any, **named: Any) -> Array:
    """Where all elements are equal there is no slope; torch takes 0."""
    return _var_vjp(np.divide(g, 2 * z, out=np.zeros(np.shape(z)), where=np.not_equal(z, 0)), z, x, *args, **named)


def _with_mean(compute: Function) -> Function:
    def both(x: Array, dim: Any = None, *, correction: float = 1, unbiased: bool = True, keepdim: bool = False) -> Any:
        return compute(x, dim, keepdim, correction=correction, unbiased=unbiased), _mean(x, dim, keepdim)

    return both


def _with_mean_vjp(vjp: Function) -> Function:
    def both(
        g: Any, z: Any, x: Array, dim: Any = None, *, correction: float = 1, unbiased: bool = True, keepdim: bool = False
    ) -> Array:
        spread = vjp(g[0], z[0], x, dim, keepdim, correction=correction, unbiased=unbiased)
        return np.asarray(spread + _mean_vjp(g[1], z[1], x, dim, keepdim))

    return both


register(
    "std",
    "z = sqrt(sum((X - mean(X)) ** 2) / (N - 1))",
    _std,
    {"X": ("dL/dX = dL/dz * (X - mean(X)) / (z * (N - 1))", _std_vjp)},
    inputs="X",
    source=f"{SQUARES} (of equal elements: 0)",
)
for _name, _compute, _vjp in (("var_mean", _var, _var_vjp), ("std_mean", _std, _std_vjp)):
    register(
        _name,
        f"z = {_name[:3]}(X), mean(X)",
        _with_mean(_compute),
        {"X": (f"dL/dX = that of {_name[:3]} + that of mean", _with_mean_vjp(_vjp))},
        inputs="X",
        source=SQUARES,
    )
