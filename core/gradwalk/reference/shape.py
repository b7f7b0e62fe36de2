"""Ops that only move elements: their VJP moves them back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .registry import Array, Function, register

PERMUTATION = "a permutation of the elements; its transpose is its inverse"


def _transpose(x: Array, dim0: int | None = None, dim1: int | None = None, *, axes: Any = None) -> Array:
    """Two axes swapped, as torch does it, or all permuted as NumPy does it (turned round by default)."""
    if dim0 is not None and dim1 is not None:
        return np.swapaxes(x, dim0, dim1)
    return np.transpose(x, axes)


def _transpose_vjp(g: Array, z: Array, x: Array, dim0: int | None = None, dim1: int | None = None, *, axes: Any = None) -> Array:
    return _transpose(g, dim0, dim1) if axes is None else _permute_vjp(g, z, x, axes)


def _permute(x: Array, dims: Any) -> Array:
    return np.transpose(x, dims)


def _permute_vjp(g: Array, z: Array, x: Array, dims: Any) -> Array:
    return np.transpose(g, np.argsort([dim % x.ndim for dim in dims]))


def _told(order: str) -> Any:
    """Row after row (C) or column after column (F); what hangs on the memory (A, K) is not recorded."""
    if order not in ("C", "F"):
        raise ValueError(f"what the order {order} was is not recorded")
    return order


def _reshape(x: Array, shape: Any = (-1,), *, size: Any = None, order: str = "C") -> Array:
    """``size`` is what ``view`` calls the shape; the ``order`` is NumPy's."""
    return np.asarray(x.reshape(shape if size is None else size, order=_told(order)))


def _flatten(x: Array, start_dim: int = 0, end_dim: int = -1, *, order: str = "C") -> Array:
    """The ``order`` is NumPy's, which flattens all axes."""
    if order != "C":
        return x.flatten(_told(order))
    dimensions = max(x.ndim, 1)
    start, end = start_dim % dimensions, end_dim % dimensions
    return np.asarray(x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


def _squeeze(x: Array, dim: Any = None, *, axis: Any = None) -> Array:
    """Drop axes of size 1; torch passes over a named axis of another size, NumPy refuses it."""
    if axis is not None or dim is None:
        return np.squeeze(x, axis)
    dims = dim if isinstance(dim, tuple | list) else (dim,)
    return np.squeeze(x, tuple(d % x.ndim for d in dims if x.shape[d] == 1))


def _unsqueeze(x: Array, dim: int = 0, *, axis: Any = None) -> Array:
    return np.expand_dims(x, dim if axis is None else axis)


def _unflatten(x: Array, dim: int, sizes: Any) -> Array:
    at = dim % x.ndim
    return np.asarray(x.reshape(*x.shape[:at], *sizes, *x.shape[at + 1 :]))


def _back(g: Array, z: Array, x: Array, *args: Any, order: str = "C", **arguments: Any) -> Array:
    return np.asarray(g.reshape(x.shape, order=_told(order)))


register("t transpose T", "Z = X.T", _transpose, {"X": ("dL/dX = dL/dZ.T", _transpose_vjp)}, inputs="X", source=PERMUTATION)
register("permute", "Z = permute(X)", _permute, {"X": ("dL/dX = permute(dL/dZ)", _permute_vjp)}, inputs="X", source=PERMUTATION)


def _moveaxis(x: Array, source: Any, destination: Any) -> Array:
    return np.moveaxis(x, source, destination)


register(
    "movedim moveaxis",
    "Z = permute(X)",
    _moveaxis,
    {"X": ("dL/dX = permute(dL/dZ)", lambda g, z, x, source, destination: np.moveaxis(g, destination, source))},
    inputs="X",
    source=PERMUTATION,
)
register(
    "swapaxes swapdims",
    "Z = permute(X)",
    lambda x, axis0=0, axis1=1, *, dim0=None, dim1=None: _swapped(x, axis0, axis1, dim0, dim1),
    {
        "X": (
            "dL/dX = permute(dL/dZ)",
            lambda g, z, x, axis0=0, axis1=1, *, dim0=None, dim1=None: _swapped(g, axis0, axis1, dim0, dim1),
        )
    },
    inputs="X",
    source=PERMUTATION,
)


def _swapped(x: Array, axis0: int, axis1: int, dim0: int | None, dim1: int | None) -> Array:
    return np.swapaxes(x, axis0 if dim0 is None else dim0, axis1 if dim1 is None else dim1)


register(
    "mT adjoint H mH",
    "Z = X.T",
    lambda x: np.swapaxes(x, -1, -2),
    {"X": ("dL/dX = dL/dZ.T", lambda g, z, x: np.swapaxes(g, -1, -2))},
    inputs="X",
    source=PERMUTATION,
)


def _reshaping(names: str, compute: Function, inputs: str = "X") -> None:
    register(names, "Z = reshape(X)", compute, {"X": ("dL/dX = reshape(dL/dZ)", _back)}, inputs=inputs, source=PERMUTATION)


_reshaping("view reshape", _reshape)
_reshaping("view_as reshape_as", lambda x, other: x.reshape(np.shape(other)), "X Y")
_reshaping("unflatten", _unflatten)
_reshaping("flatten", _flatten)
_reshaping("ravel", lambda x, order="C": x.ravel(_told(order)))
_reshaping("squeeze", _squeeze)
_reshaping("unsqueeze expand_dims", _unsqueeze)
register(
    "copy clone contiguous",
    "Z = X",
    lambda x, **arguments: np.array(x),
    {"X": ("dL/dX = dL/dZ", lambda g, z, x, **arguments: np.array(g))},
    inputs="X",
    source="the identity",
)


def _triangle(name: str, part: Function) -> None:
    register(
        name,
        f"Z = {name}(X)",
        lambda x, diagonal=0: part(x, diagonal),
        {"X": (f"dL/dX = {name}(dL/dZ)", lambda g, z, x, diagonal=0: part(g, diagonal))},
        inputs="X",
        source="a triangle of ones times X, element by element; linear",
    )


_triangle("tril", np.tril)
_triangle("triu", np.triu)
