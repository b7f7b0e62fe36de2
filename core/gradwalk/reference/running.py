"""Products, sums that run along an axis, and the logarithm of a sum of exponentials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .reduce import axes_of, spread_out
from .registry import Array, register

PRODUCT = "the product rule: each factor's derivative is the product of the others"
LINEAR = "each sum is linear in the elements before it"


def _others(x: Array, axis: int) -> Array:
    """For each element the product of all the others along an axis; without a division, for a factor may be 0."""
    one = np.ones_like(np.take(x, [0], axis)) if x.shape[axis] else np.take(x, [], axis)
    before = np.cumprod(np.concatenate([one, x], axis), axis).take(range(x.shape[axis]), axis)
    turned = np.cumprod(np.concatenate([one, np.flip(x, axis)], axis), axis).take(range(x.shape[axis]), axis)
    return np.asarray(before * np.flip(turned, axis))


def _prod(x: Array, dim: int | None = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Array:
    return np.asarray(np.prod(x, axis=axes_of(dim, axis, x.ndim), keepdims=keepdim or keepdims))


def _prod_vjp(
    g: Array, z: Array, x: Array, dim: int | None = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False
) -> Array:
    axes = axes_of(dim, axis, x.ndim)
    moved = np.moveaxis(x, axes, range(x.ndim - len(axes), x.ndim))
    kept = moved.shape[: x.ndim - len(axes)]
    rows = _others(moved.reshape(*kept, math.prod(moved.shape[len(kept) :])), len(kept))
    others = np.moveaxis(rows.reshape(moved.shape), range(x.ndim - len(axes), x.ndim), axes)
    return np.asarray(spread_out(g, x, dim, axis) * others)


register("prod", "z = prod(X)", _prod, {"X": ("dL/dX = dL/dz * prod of the others", _prod_vjp)}, inputs="X", source=PRODUCT)


def _axis(dim: int | None, axis: int | None) -> int | None:
    return dim if dim is not None else axis


def _cumsum(x: Array, dim: int | None = None, *, axis: int | None = None) -> Array:
    return np.asarray(np.cumsum(x, _axis(dim, axis))) if x.ndim else np.array(x)


def _from_the_end(g: Array, axis: int) -> Array:
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


def _cumsum_vjp(g: Array, z: Array, x: Array, dim: int | None = None, *, axis: int | None = None) -> Array:
    along = _axis(dim, axis)
    if not x.ndim:
        return np.array(g)
    return _from_the_end(g, 0 if along is None else along).reshape(x.shape)


def _cumprod(x: Array, dim: int) -> Array:
    return np.asarray(np.cumprod(x, dim)) if x.ndim else np.array(x)


def _cumprod_vjp(g: Array, z: Array, x: Array, dim: int) -> Array:
    """Of element k: the sum over all later products of dL/dZ times the product without k."""
    if not x.ndim:
        return np.array(g)
    rows, incoming = np.moveaxis(x, dim, -1), np.moveaxis(g, dim, -1)
    dx = np.zeros(rows.shape)
    for k in range(rows.shape[-1]):
        without = rows.copy()
        without[..., k] = 1
        dx[..., k] = (incoming * np.cumprod(without, -1))[..., k:].sum(axis=-1)
    return np.moveaxis(dx, -1, dim)


register(
    "cumsum cumsum_",
    "Z[i] = sum(X[:i + 1])",
    _cumsum,
    {"X": ("dL/dX[i] = sum(dL/dZ[i:])", _cumsum_vjp)},
    inputs="X",
    source=LINEAR,
)
register(
    "cumprod cumprod_",
    "Z[i] = prod(X[:i + 1])",
    _cumprod,
    {"X": ("dL/dX[k] = sum over i >= k of dL/dZ[i] * prod of the others up to i", _cumprod_vjp)},
    inputs="X",
    source=PRODUCT,
)


def _logsumexp(x: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """The largest element taken out first against overflow."""
    axes = axes_of(dim, None, x.ndim)
    largest = x.max(axis=axes, keepdims=True)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    z = np.log(np.exp(x - shift).sum(axis=axes, keepdims=True)) + shift
    return np.asarray(z if keepdim else z.squeeze(axes))


def _logsumexp_vjp(g: Array, z: Array, x: Array, dim: Any = None, keepdim: bool = False) -> Array:
    return np.asarray(spread_out(g, x, dim, None) * np.exp(x - _logsumexp(x, dim, True)))


register(
    "logsumexp special_logsumexp",
    "z = log(sum(exp(X)))",
    _logsumexp,
    {"X": ("dL/dX = dL/dz * exp(X - z)", _logsumexp_vjp)},
    inputs="X",
    source="the chain rule; the slope of log(sum(exp(X))) is the softmax",
)
