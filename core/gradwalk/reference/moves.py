"""Ops that pad, shift, turn, repeat and cut windows: every element of Z is an element of X, or a constant.

Their VJP asks the op itself where each element of Z came from, and adds up dL/dZ there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .conv import each
from .pieces import SELECTION, added_up, positions
from .registry import Array, Function, register

ADDED_UP = "dL/dX[i] += dL/dZ where Z = X[i]"


def _picking(names: str, text: str, compute: Function) -> None:
    """Register an op that only picks; ``compute`` works on whole numbers too, where -1 marks what is no element of X."""

    def vjp(g: Array, z: Array, x: Array, *args: Any, **named: Any) -> Array:
        return added_up(x, compute(positions(x), *args, **named), g)

    register(names, f"Z = {text}", compute, {"X": (ADDED_UP, vjp)}, inputs="X", source=SELECTION)


PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _padded(x: Array, pad: Any, mode: str, value: float) -> Array:
    """``pad`` is before and after for the last axis, then for the one before it; negative numbers cut off."""
    pairs = [(0, 0)] * (np.ndim(x) - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    cut = x[tuple(slice(max(-b, 0), size - max(-a, 0)) for (b, a), size in zip(pairs, np.shape(x), strict=True))]
    widths = [(max(b, 0), max(a, 0)) for b, a in pairs]
    if mode == "constant":
        return np.pad(cut, widths, constant_values=value)
    return np.pad(cut, widths, mode=PAD_MODES[mode])  # type: ignore[call-overload,no-any-return]


def _pad(x: Array, pad: Any, mode: str = "constant", value: float | None = None) -> Array:
    return _padded(x, pad, mode, value or 0.0)


def _pad_vjp(g: Array, z: Array, x: Array, pad: Any, mode: str = "constant", value: float | None = None) -> Array:
    return added_up(x, _padded(positions(x), pad, mode, -1), g)


register("pad constant_pad_nd", "Z = pad(X)", _pad, {"X": (ADDED_UP, _pad_vjp)}, inputs="X", source=SELECTION)


def _roll(x: Array, shifts: Any, dims: Any = None) -> Array:
    """Without ``dims`` the flattened X is turned round."""
    return np.roll(x, shifts, None if dims in (None, (), []) else dims)


def _repeat_interleave(x: Array, repeats: Any, dim: int | None = None, *, output_size: int | None = None) -> Array:
    return np.repeat(x, repeats, axis=dim)


def _repeat_interleave_vjp(
    g: Array, z: Array, x: Array, repeats: Any, dim: int | None = None, *, output_size: int | None = None
) -> Array:
    return added_up(x, _repeat_interleave(positions(x), repeats, dim), g)


def _windows(x: Array, dimension: int, size: int, step: int) -> Array:
    """Windows along an axis, each along a new last one."""
    cut = np.lib.stride_tricks.sliding_window_view(x, size, dimension)
    return np.moveaxis(np.moveaxis(cut, dimension if dimension >= 0 else dimension - 1, 0)[::step], 0, dimension % np.ndim(x))


def _columns(x: Array, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Array:
    """``[N, C, H, W]`` to ``[N, C * places in a window, windows]``; what is padded is -1."""
    (kh, kw), (dh, dw), (ph, pw), (sh, sw) = (each(value, 2) for value in (kernel_size, dilation, padding, stride))
    images = x if np.ndim(x) == 4 else x[None]
    wide = np.pad(images, [(0, 0), (0, 0), (ph, ph), (pw, pw)], constant_values=-1)
    cut = np.lib.stride_tricks.sliding_window_view(wide, (dh * (kh - 1) + 1, dw * (kw - 1) + 1), (2, 3))
    taken = cut[:, :, ::sh, ::sw, ::dh, ::dw].transpose(0, 1, 4, 5, 2, 3)
    made = taken.reshape(len(images), taken.shape[1] * kh * kw, taken.shape[4] * taken.shape[5])
    return np.asarray(made if np.ndim(x) == 4 else made[0])


def _unfold(
    x: Array, dimension: int = 0, size: int = 1, step: int = 1, *, kernel_size: Any = None, dilation: Any = 1, padding: Any = 0,
    stride: Any = 1,
) -> Array:  # fmt: skip
    """Of a tensor the windows along one axis; ``functional.unfold`` (with a ``kernel_size``): of images the columns."""
    if kernel_size is None:
        return _windows(x, dimension, size, step)
    places = _columns(positions(x), kernel_size, dilation, padding, stride)
    return np.where(places < 0, 0, np.append(np.reshape(x, -1), 0)[places])


def _unfold_vjp(
    g: Array, z: Array, x: Array, dimension: int = 0, size: int = 1, step: int = 1, *, kernel_size: Any = None, dilation: Any = 1,
    padding: Any = 0, stride: Any = 1,
) -> Array:  # fmt: skip
    where = positions(x)
    cut = (
        _windows(where, dimension, size, step) if kernel_size is None else _columns(where, kernel_size, dilation, padding, stride)
    )
    return added_up(x, cut, g)


def _fold(x: Array, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Array:
    """The transpose of ``functional.unfold``: columns added up where they stand in the image."""
    cells = np.prod(each(kernel_size, 2))
    image = np.zeros((*np.shape(x)[:-2], np.shape(x)[-2] // int(cells), *each(output_size, 2)))
    return _unfold_vjp(x, x, image, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)


def _fold_vjp(
    g: Array, z: Array, x: Array, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Array:
    return _unfold(g, kernel_size=kernel_size, dilation=dilation, padding=padding, stride=stride)


def _diagonal(x: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    return np.diagonal(x, offset, dim1, dim2)


def _shuffled(x: Array, upscale_factor: int) -> Array:
    """``[..., C * r * r, H, W]`` to ``[..., C, H * r, W * r]``."""
    r, (c, h, w) = upscale_factor, x.shape[-3:]
    parts = x.reshape(-1, c // r**2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3)
    return np.asarray(parts.reshape(*x.shape[:-3], c // r**2, h * r, w * r))


def _unshuffled(x: Array, downscale_factor: int) -> Array:
    """``[..., C, H * r, W * r]`` to ``[..., C * r * r, H, W]``."""
    r, (c, h, w) = downscale_factor, x.shape[-3:]
    parts = x.reshape(-1, c, h // r, r, w // r, r).transpose(0, 1, 3, 5, 2, 4)
    return np.asarray(parts.reshape(*x.shape[:-3], c * r**2, h // r, w // r))


def _rot90(x: Array, k: int = 1, dims: Any = (0, 1)) -> Array:
    return np.rot90(x, k, dims)


_picking("roll", "roll(X)", _roll)
_picking("flip", "flip(X)", lambda x, dims: np.flip(x, dims))
_picking("fliplr", "flip(X)", np.fliplr)
_picking("flipud", "flip(X)", np.flipud)
_picking("rot90", "rot90(X)", _rot90)
_picking("tile", "tile(X)", lambda x, dims: np.tile(x, dims))
_picking("diagonal", "diagonal(X)", _diagonal)
_picking("diag", "diag(X)", lambda x, diagonal=0: _diag(x, diagonal))
_picking("pixel_shuffle", "shuffle(X)", _shuffled)
_picking("pixel_unshuffle", "unshuffle(X)", _unshuffled)
register(
    "repeat_interleave",
    "Z = repeat(X)",
    _repeat_interleave,
    {"X": (ADDED_UP, _repeat_interleave_vjp)},
    inputs="X n",
    source=SELECTION,
)
register("unfold", "Z = windows of X", _unfold, {"X": (ADDED_UP, _unfold_vjp)}, inputs="X", source=SELECTION)
register("fold", "Z = zeros; Z[i] += X", _fold, {"X": ("dL/dX = dL/dZ[i]", _fold_vjp)}, inputs="X", source=SELECTION)


def _diag(x: Array, diagonal: int) -> Array:
    """Of a matrix its diagonal; of a vector the matrix, where -1 in a vector of places marks the rest."""
    if np.ndim(x) == 2:
        return np.diagonal(x, diagonal)
    z = np.diag(x, diagonal)
    return z if x.dtype.kind == "f" else np.where(np.diag(np.ones(len(x)), diagonal) == 1, z, -1)
