"""``interpolate``: along each axis a matrix of weights, one axis after the other; its VJP applies the transposed matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .conv import each
from .registry import Array, register

KEYS = "Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981, I (nearest, linear), III (cubic, a = -0.75)"
LINEAR = ("linear", "bilinear", "trilinear")
SMOOTHED = ("bilinear", "bicubic")
"""Modes that may be called with ``antialias``."""
STEEPNESS, STEEPNESS_SMOOTHED = -0.75, -0.5
"""The ``a`` of Keys' cubic, as in torch; with ``antialias`` that of Pillow."""


def _weights(size: int, out: int, ratio: float, mode: str, align_corners: bool | None) -> Array:
    """``[out, size]``: what each output takes of each input. ``ratio`` is the step through the input from output to output."""
    place = np.arange(out)
    if mode == "area":
        bins = [slice(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]
        return np.asarray([np.eye(size)[part].mean(axis=0) for part in bins])
    if mode == "nearest":
        return np.asarray(np.eye(size)[np.minimum(np.floor(place * ratio).astype(int), size - 1)])
    if mode == "nearest-exact":
        return np.asarray(np.eye(size)[np.minimum(np.floor((place + 0.5) * ratio).astype(int), size - 1)])
    spread = (size - 1) / (out - 1) if out > 1 else 0.0
    if mode == "bicubic":
        return _cubic_weights(size, np.asarray(place * spread if align_corners else (place + 0.5) * ratio - 0.5, np.float64))
    at = place * spread if align_corners else np.maximum((place + 0.5) * ratio - 0.5, 0)
    low = np.minimum(np.floor(at).astype(int), size - 1)
    part = (at - low)[:, None]
    return np.asarray((1 - part) * np.eye(size)[low] + part * np.eye(size)[np.minimum(low + 1, size - 1)])


def _cubic(distance: Array, a: float) -> Array:
    """Keys' piecewise cubic, equation 15: 1 at 0, 0 at all other whole numbers and from 2 on."""
    d = np.abs(distance)
    near, far = ((a + 2) * d - (a + 3)) * d * d + 1, ((d - 5) * d + 8) * d * a - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def _cubic_weights(size: int, at: Array) -> Array:
    """Each output takes four inputs; one that is past the end is the last."""
    low, made = np.floor(at).astype(int), np.zeros((len(at), size))
    for tap in range(-1, 3):
        np.add.at(made, (np.arange(len(at)), np.clip(low + tap, 0, size - 1)), _cubic(at - low - tap, STEEPNESS))
    return made


def _smoothed_weights(size: int, out: int, ratio: float, mode: str, align_corners: bool | None) -> Array:
    """With ``antialias`` the kernel is as wide as a step is, where that is more than 1; its weights add up to 1."""
    step = (size - 1) / (out - 1) if align_corners and out > 1 else 0.0 if align_corners else ratio
    wide, made = max(step, 1.0), np.zeros((out, size))
    reach = (1 if mode == "bilinear" else 2) * wide
    for i, center in enumerate(step * (np.arange(out) + 0.5)):
        first, last = max(int(center - reach + 0.5), 0), min(int(center + reach + 0.5), size)
        apart = (np.arange(first, last) - center + 0.5) / wide
        weights = np.maximum(1 - np.abs(apart), 0) if mode == "bilinear" else _cubic(apart, STEEPNESS_SMOOTHED)
        made[i, first:last] = weights / weights.sum()
    return made


def _matrices(
    x: Array, size: Any, scale_factor: Any, mode: str, align_corners: bool | None, recompute: bool | None, antialias: bool
) -> list[Array]:
    """One matrix for each axis after the first two. Raises ValueError for a mode that has no formula."""
    if mode not in (SMOOTHED if antialias else (*LINEAR, "nearest", "nearest-exact", "bicubic", "area")):
        raise ValueError(f"there is no formula for the mode {mode}{' with antialias' if antialias else ''}")
    sizes = x.shape[2:]
    factors = each(scale_factor, len(sizes)) if scale_factor is not None else (None,) * len(sizes)
    outs = each(size, len(sizes)) if size is not None else tuple(math.floor(n * f) for n, f in zip(sizes, factors, strict=True))
    ratios = [n / out if f is None or recompute else 1 / f for n, out, f in zip(sizes, outs, factors, strict=True)]
    weights = _smoothed_weights if antialias else _weights
    return [weights(n, out, r, mode, align_corners) for n, out, r in zip(sizes, outs, ratios, strict=True)]


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
