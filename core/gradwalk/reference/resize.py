"""``interpolate``: along each axis a matrix of weights, one axis after the other; its VJP applies the transposed matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .conv import each
from .registry import Array, register

KEYS = "Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981, I (linear interpolation; nearest element)"
LINEAR = ("linear", "bilinear", "trilinear")


def _weights(size: int, out: int, ratio: float, mode: str, align_corners: bool | None) -> Array:
    """``[out, size]``: what each output takes of each input. ``ratio`` is the step through the input from output to output."""
    place = np.arange(out)
    if mode == "nearest":
        return np.asarray(np.eye(size)[np.minimum(np.floor(place * ratio).astype(int), size - 1)])
    if mode == "nearest-exact":
        return np.asarray(np.eye(size)[np.minimum(np.floor((place + 0.5) * ratio).astype(int), size - 1)])
    spread = (size - 1) / (out - 1) if out > 1 else 0.0
    at = place * spread if align_corners else np.maximum((place + 0.5) * ratio - 0.5, 0)
    low = np.minimum(np.floor(at).astype(int), size - 1)
    part = (at - low)[:, None]
    return np.asarray((1 - part) * np.eye(size)[low] + part * np.eye(size)[np.minimum(low + 1, size - 1)])


def _matrices(
    x: Array, size: Any, scale_factor: Any, mode: str, align_corners: bool | None, recompute: bool | None, antialias: bool
) -> list[Array]:
    """One matrix for each axis after the first two. Raises ValueError for a mode that has no formula."""
    if mode not in (*LINEAR, "nearest", "nearest-exact") or antialias:
        raise ValueError(f"there is no formula for the mode {mode}{' with antialias' if antialias else ''}")
    sizes = x.shape[2:]
    factors = each(scale_factor, len(sizes)) if scale_factor is not None else (None,) * len(sizes)
    outs = each(size, len(sizes)) if size is not None else tuple(math.floor(n * f) for n, f in zip(sizes, factors, strict=True))
    ratios = [n / out if f is None or recompute else 1 / f for n, out, f in zip(sizes, outs, factors, strict=True)]
    return [_weights(n, out, r, mode, align_corners) for n, out, r in zip(sizes, outs, ratios, strict=True)]


def _applied(x: Array, matrices: list[Array]) -> Array:
    for axis, matrix in enumerate(matrices, start=2):
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


def _interpolate(
    x: Array, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Array:  # fmt: skip
    return _applied(x, _matrices(x, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias))


def _interpolate_vjp(
    g: Array, z: Array, x: Array, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Array:  # fmt: skip
    made = _matrices(x, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    return _applied(g, [matrix.T for matrix in made])


register(
    "interpolate upsample",
    "Z = A @ X @ B.T, the rows of A and B: weights",
    _interpolate,
    {"X": ("dL/dX = A.T @ dL/dZ @ B", _interpolate_vjp)},
    inputs="X",
    source=KEYS,
)
