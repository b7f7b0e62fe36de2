"""Lengths of vectors, distances between them, and what is divided by its length."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .reduce import axes_of, spread_out
from .registry import Array, register, unbroadcast

NORM = "Boyd and Vandenberghe, Convex Optimization, 2004, A.1.2 (p-norms); at 0 torch takes the slope 0"
Axes = tuple[int, ...]


def length(x: Array, p: float, axes: Axes) -> Array:
    """``sum(abs(X) ** p) ** (1 / p)`` over axes that stay, with size 1."""
    size = np.abs(x)
    if p == 0:
        return np.asarray((x != 0).sum(axis=axes, keepdims=True) * 1.0)
    if math.isinf(p):
        return np.asarray(size.max(axis=axes, keepdims=True) if p > 0 else size.min(axis=axes, keepdims=True))
    return np.asarray((size**p).sum(axis=axes, keepdims=True) ** (1 / p))


def length_slope(x: Array, p: float, axes: Axes) -> Array:
    """The derivative of ``length`` by each element: ``sign(X) * (abs(X) / z) ** (p - 1)``; the largest ones share theirs."""
    z, size = length(x, p, axes), np.abs(x)
    if p == 0:
        return np.zeros(x.shape)
    if math.isinf(p):
        reached = size == z
        return np.asarray(np.sign(x) * reached / reached.sum(axis=axes, keepdims=True))
    with np.errstate(all="ignore"):
        return np.asarray(np.where((x == 0) | (z == 0), 0.0, np.sign(x) * (size / z) ** (p - 1)))


def _degree(p: Any) -> float:
    """``fro`` is the length of all elements as one vector. Raises ValueError for a norm of a matrix that is none."""
    if p in (None, "fro"):
        return 2.0
    if isinstance(p, str):
        raise ValueError(f"there is no formula for the norm {p}")
    return float(p)


def _norm(x: Array, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Array:
    axes = axes_of(dim, None, x.ndim)
    z = length(x, _degree(p), axes)
    return np.asarray(z if keepdim else z.squeeze(axes))


def _norm_vjp(g: Array, z: Array, x: Array, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Array:
    return np.asarray(spread_out(g, x, dim, None) * length_slope(x, _degree(p), axes_of(dim, None, x.ndim)))


def _of_vector(ord: Any, dim: Any, ndim: int) -> None:  # noqa: A002 (torch's name)
    """``linalg.norm`` is the norm of a matrix where an ``ord`` is given with two axes: no formula but for the Frobenius norm."""
    axes = ndim if dim is None else len(dim) if isinstance(dim, tuple | list) else 1
    if ord not in (None, "fro") and axes == 2:
        raise ValueError(f"there is no formula for the norm {ord} of a matrix")


def _linalg_norm(x: Array, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Array:  # noqa: A002
    _of_vector(ord, dim, x.ndim)
    return _norm(x, ord, dim, keepdim)


def _linalg_norm_vjp(g: Array, z: Array, x: Array, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Array:  # noqa: A002
    return _norm_vjp(g, z, x, ord, dim, keepdim)


def _vector_norm(x: Array, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Array:  # noqa: A002
    return _norm(x, ord, dim, keepdim)


def _matrix_norm(x: Array, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Array:  # noqa: A002
    return _linalg_norm(x, ord, dim, keepdim)


def _vector_norm_vjp(g: Array, z: Array, x: Array, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Array:  # noqa: A002
    return _norm_vjp(g, z, x, ord, dim, keepdim)


def _matrix_norm_vjp(
    g: Array, z: Array, x: Array, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False  # noqa: A002
) -> Array:  # fmt: skip
    return _norm_vjp(g, z, x, ord, dim, keepdim)


LENGTH, SLOPE = "z = sum(abs(X) ** p) ** (1 / p)", "dL/dX = dL/dz * sign(X) * (abs(X) / z) ** (p - 1)"
register("norm", LENGTH, _norm, {"X": (SLOPE, _norm_vjp)}, inputs="X", source=NORM)
register("linalg_vector_norm", LENGTH, _vector_norm, {"X": (SLOPE, _vector_norm_vjp)}, inputs="X", source=NORM)
register("linalg_norm", LENGTH, _linalg_norm, {"X": (SLOPE, _linalg_norm_vjp)}, inputs="X", source=NORM)
register("linalg_matrix_norm", LENGTH, _matrix_norm, {"X": (SLOPE, _matrix_norm_vjp)}, inputs="X", source=NORM)


def _normalize(x: Array, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Array:
    return np.asarray(x / np.maximum(length(x, p, axes_of(dim, None, x.ndim)), eps))


def _normalize_vjp(g: Array, z: Array, x: Array, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Array:
    axes = axes_of(dim, None, x.ndim)
    size = length(x, p, axes)
    divisor = np.maximum(size, eps)
    through = (g * x).sum(axis=axes, keepdims=True) / divisor**2 * (size >= eps)
    return np.asarray(g / divisor - through * length_slope(x, p, axes))


register(
    "normalize",
    "Z = X / max(norm(X), eps)",
    _normalize,
    {"X": ("dL/dX = (dL/dZ - sum(dL/dZ * Z) * dnorm/dX) / norm(X)", _normalize_vjp)},
    inputs="X",
    source=f"the quotient rule; {NORM}",
)


def _cosine(x: Array, y: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    x, y = np.broadcast_arrays(x, y)
    sizes = [np.maximum(length(one, 2, (dim,)), eps) for one in (x, y)]
    return np.asarray((x / sizes[0] * y / sizes[1]).sum(axis=dim))


def _cosine_dx(g: Array, z: Array, x: Array, y: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    wide, other = np.broadcast_arrays(x, y)
    size, size_y = (np.maximum(length(one, 2, (dim,)), eps) for one in (wide, other))
    cosine = np.expand_dims(z, dim)
    made = np.expand_dims(g, dim) / size * (other / size_y - cosine * length_slope(wide, 2, (dim,)))
    return unbroadcast(made, x.shape)


register(
    "cosine_similarity",
    "z = sum(X * Y) / (norm(X) * norm(Y))",
    _cosine,
    {
        "X": ("dL/dX = dL/dz * (Y / norm(Y) - z * X / norm(X)) / norm(X)", _cosine_dx),
        "Y": (
            "dL/dY = dL/dz * (X / norm(X) - z * Y / norm(Y)) / norm(Y)",
            lambda g, z, x, y, dim=1, eps=1e-8: _cosine_dx(g, z, y, x, dim, eps),
        ),
    },
    inputs="X Y",
    source=f"the quotient rule; {NORM}",
)


def distance(x: Array, y: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Array:
    """Between the rows of X and Y: ``norm(X - Y + eps)`` along the last axis."""
    return _norm(x - y + eps, p, -1, keepdim)


def distance_dx(g: Array, z: Array, x: Array, y: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Array:
    """By X; that by Y is its negative."""
    return unbroadcast(_norm_vjp(g, z, np.asarray(x - y + eps), p, -1, keepdim), x.shape)


def _distance_dy(g: Array, z: Array, x: Array, y: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Array:
    return unbroadcast(-_norm_vjp(g, z, np.asarray(x - y + eps), p, -1, keepdim), y.shape)


register(
    "pairwise_distance",
    "z = norm(X - Y + eps)",
    distance,
    {
        "X": ("dL/dX = dL/dz * dnorm/dX", distance_dx),
        "Y": ("dL/dY = -dL/dz * dnorm/dX", _distance_dy),
    },
    inputs="X Y",
    source=NORM,
)


def _dist(x: Array, y: Array, p: float = 2.0) -> Array:
    return _norm(np.asarray(x - y), p)


def _dist_dx(g: Array, z: Array, x: Array, y: Array, p: float = 2.0) -> Array:
    return unbroadcast(_norm_vjp(g, z, np.asarray(x - y), p), np.shape(x))


register(
    "dist",
    "z = norm(X - Y)",
    _dist,
    {
        "X": ("dL/dX = dL/dz * dnorm/dX", _dist_dx),
        "Y": ("dL/dY = -dL/dz * dnorm/dX", lambda g, z, x, y, p=2.0: _dist_dx(g, z, y, x, p)),
    },
    inputs="X Y",
    source=NORM,
)


def _all_pairs(x: Array, y: Array) -> Array:
    return np.asarray(x[..., :, None, :] - y[..., None, :, :])


def _cdist(x: Array, y: Array, p: float = 2.0) -> Array:
    return _norm(_all_pairs(x, y), p, -1)


def _cdist_dx(g: Array, z: Array, x: Array, y: Array, p: float = 2.0) -> Array:
    return unbroadcast(_norm_vjp(g, z, _all_pairs(x, y), p, -1).sum(axis=-2), x.shape)


def _cdist_dy(g: Array, z: Array, x: Array, y: Array, p: float = 2.0) -> Array:
    return unbroadcast(-_norm_vjp(g, z, _all_pairs(x, y), p, -1).sum(axis=-3), y.shape)


register(
    "cdist",
    "Z[i, j] = norm(X[i] - Y[j])",
    _cdist,
    {
        "X": ("dL/dX[i] = sum over j of dL/dZ[i, j] * dnorm/dX[i]", _cdist_dx),
        "Y": ("dL/dY[j] = -sum over i of dL/dZ[i, j] * dnorm/dX[i]", _cdist_dy),
    },
    inputs="X Y",
    source=NORM,
)


def _but(v: Array, dim: int) -> Axes:
    """Every axis but one; all of them for -1."""
    return tuple(axis for axis in range(v.ndim) if dim == -1 or axis != dim % v.ndim)


def _weight_norm_dv(g: Array, z: Array, v: Array, s: Array, dim: int = 0) -> Array:
    axes = _but(v, dim)
    size = length(v, 2, axes)
    return np.asarray(s / size * (g - (g * v).sum(axis=axes, keepdims=True) * v / size**2))


register(
    "_weight_norm",
    "W = s * V / norm(V)",
    lambda v, s, dim=0: s * v / length(v, 2, _but(v, dim)),
    {
        "V": ("dL/dV = s * (dL/dW - sum(dL/dW * V) * V / norm(V) ** 2) / norm(V)", _weight_norm_dv),
        "s": (
            "dL/ds = sum(dL/dW * V) / norm(V)",
            lambda g, z, v, s, dim=0: (g * v).sum(axis=_but(v, dim), keepdims=True) / length(v, 2, _but(v, dim)),
        ),
    },
    inputs="V s",
    source="Salimans and Kingma, Weight Normalization, 2016, equation 3",
)
