"""Ops that only move elements: their VJP moves them back."""

from __future__ import annotations

from typing import Any

import numpy as np

from .registry import Array, register

PERMUTATION = "a permutation of the elements; its transpose is its inverse"


def _transpose(x: Array, dim0: int = 0, dim1: int = 1) -> Array:
    return x if x.ndim < 2 else np.swapaxes(x, dim0, dim1)


def _transpose_vjp(g: Array, z: Array, x: Array, dim0: int = 0, dim1: int = 1) -> Array:
    return _transpose(g, dim0, dim1)


def _reshape(x: Array, shape: Any = (-1,)) -> Array:
    return np.asarray(x.reshape(shape))


def _reshape_vjp(g: Array, z: Array, x: Array, shape: Any = (-1,)) -> Array:
    return np.asarray(g.reshape(x.shape))


register("t transpose T", "Z = X.T", _transpose, {"X": ("dL/dX = dL/dZ.T", _transpose_vjp)}, inputs="X", source=PERMUTATION)
register(
    "view reshape flatten squeeze unsqueeze ravel",
    "Z = reshape(X)",
    _reshape,
    {"X": ("dL/dX = reshape(dL/dZ)", _reshape_vjp)},
    inputs="X",
    source=PERMUTATION,
)
register(
    "copy clone",
    "Z = X",
    lambda x: np.array(x),
    {"X": ("dL/dX = dL/dZ", lambda g, z, x: np.array(g))},
    inputs="X",
    source="the identity",
)
