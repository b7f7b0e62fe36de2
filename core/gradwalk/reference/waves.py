"""Functions besides those of ``elementwise.py`` and ``linalg.py``: waves, lines that bend, truth values, norms of weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import TABLE
from .linalg import GILES, transposed
from .registry import Array, Function, register, unbroadcast


def _times(local: Function) -> Function:
    """The VJP ``g * local(...)``."""
    return lambda g, out, x, *rest, **arguments: np.asarray(g * local(out, x, *rest, **arguments))


register(
    "sin sin_",
    "Z = sin(X)",
    np.sin,
    {"X": ("dL/dX = dL/dZ * cos(X)", _times(lambda out, x: np.cos(x)))},
    inputs="X",
    source=TABLE,
)
register(
    "cos cos_",
    "Z = cos(X)",
    np.cos,
    {"X": ("dL/dX = -dL/dZ * sin(X)", _times(lambda out, x: -np.sin(x)))},
    inputs="X",
    source=TABLE,
)


def _softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """``log(1 + exp(beta X)) / beta``; above ``threshold`` the line itself."""
    return np.asarray(np.where(beta * x > threshold, x, np.logaddexp(0, beta * x) / beta))


def _softplus_local(out: Array, x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    return np.asarray(np.where(beta * x > threshold, 1.0, np.exp(-np.logaddexp(0, -beta * x))))


register(
    "softplus",
    "Z = log(1 + exp(b * X)) / b",
    _softplus,
    {"X": ("dL/dX = dL/dZ * sigmoid(b * X)", _times(_softplus_local))},
    inputs="X",
    source="Dugas et al., Incorporating Second-Order Functional Knowledge for Better Option Pricing, 2001, section 3",
)


def _hardtanh(x: Array, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Array:
    return np.asarray(np.clip(x, min_val, max_val))


def _hardtanh_local(out: Array, x: Array, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Array:
    return np.asarray((x > min_val) & (x < max_val))


register(
    "hardtanh hardtanh_",
    "Z = min(max(X, lo), hi)",
    _hardtanh,
    {"X": ("dL/dX = dL/dZ * (lo < X < hi)", _times(_hardtanh_local))},
    inputs="X",
    source=TABLE,
)


def _relu6(x: Array, inplace: bool = False) -> Array:
    return _hardtanh(x, 0.0, 6.0)


register(
    "relu6 relu6_",
    "Z = min(max(X, 0), 6)",
    _relu6,
    {"X": ("dL/dX = dL/dZ * (0 < X < 6)", _times(lambda out, x, inplace=False: _hardtanh_local(out, x, 0.0, 6.0)))},
    inputs="X",
    source="Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010",
)


def _together(names: str, text: str, compute: Any, inputs: str) -> None:
    """Truth values: constant almost everywhere, so no gradient goes back."""
    register(names, f"Z = {text}", compute, {}, inputs=inputs, source="truth values have no derivative")


_together("and __and__ logical_and bitwise_and", "X and Y", lambda x, y: x & y, "X Y")
_together("or __or__ logical_or bitwise_or", "X or Y", lambda x, y: x | y, "X Y")
_together("isfinite", "X is finite", np.isfinite, "X")
_together("all", "all(X)", lambda x, dim=None, keepdim=False: np.all(x, axis=dim, keepdims=keepdim), "X")
_together("any", "any(X)", lambda x, dim=None, keepdim=False: np.any(x, axis=dim, keepdims=keepdim), "X")


def _baddbmm(b: Array, x: Array, w: Array, beta: float = 1, alpha: float = 1) -> Array:
    return np.asarray(beta * b + alpha * (x @ w))


register(
    "baddbmm",
    "Z = b + X @ W",
    _baddbmm,
    {
        "b": ("dL/db = sum(dL/dZ)", lambda g, z, b, x, w, beta=1, alpha=1: unbroadcast(beta * g, b.shape)),
        "X": ("dL/dX = dL/dZ @ W.T", lambda g, z, b, x, w, beta=1, alpha=1: alpha * g @ transposed(w)),
        "W": ("dL/dW = X.T @ dL/dZ", lambda g, z, b, x, w, beta=1, alpha=1: alpha * transposed(x) @ g),
    },
    inputs="b X W",
    source=GILES,
)


def _length(v: Array, dim: int) -> Array:
    """The L2 norm over all axes but ``dim``; over all of them for -1."""
    return np.asarray(np.sqrt(np.square(v).sum(axis=_but(v, dim), keepdims=True)))


def _but(v: Array, dim: int) -> tuple[int, ...]:
    return tuple(axis for axis in range(v.ndim) if dim == -1 or axis != dim)


def _weight_norm(v: Array, s: Array, dim: int = 0) -> Array:
    return np.asarray(s * v / _length(v, dim))


def _weight_norm_dv(g: Array, z: Array, v: Array, s: Array, dim: int = 0) -> Array:
    length = _length(v, dim)
    u = v / length
    return np.asarray(s / length * (g - u * (g * u).sum(axis=_but(v, dim), keepdims=True)))


def _weight_norm_ds(g: Array, z: Array, v: Array, s: Array, dim: int = 0) -> Array:
    return np.asarray((g * v / _length(v, dim)).sum(axis=_but(v, dim), keepdims=True)).reshape(np.shape(s))


register(
    "_weight_norm",
    "Z = s * V / norm(V)",
    _weight_norm,
    {
        "V": ("dL/dV = s / norm(V) * (dL/dZ - U * sum(dL/dZ * U)), U = V / norm(V)", _weight_norm_dv),
        "s": ("dL/ds = sum(dL/dZ * V / norm(V))", _weight_norm_ds),
    },
    inputs="V s",
    source="Salimans and Kingma, Weight Normalization, 2016, equation 3",
)
