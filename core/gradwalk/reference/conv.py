"""Convolutions and pooling over one, two or three axes, as a sum over the taps of the window.

Images are ``[N, C, *size]`` or ``[C, *size]``. A tap is one place in the window: all outputs read, for this tap, a strided slice
of the padded input.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .registry import Array, Function, register

LECUN = "LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998 (convolution, subsampling)"
Sizes = tuple[int, ...]
Index = tuple[Any, ...]
_einsum: Function = np.einsum


def each(value: Any, axes: int) -> Sizes:
    """An argument per axis: one number stands for all of them."""
    numbers = tuple(value) if isinstance(value, tuple | list) else (value,)
    return numbers * axes if len(numbers) == 1 else numbers


def last(parts: Sequence[Any]) -> Index:
    """The index of ``parts`` along the last axes and of everything along the others."""
    return (Ellipsis, *parts)


def taps(window: Sizes, out: Sizes, stride: Sizes, dilation: Sizes) -> Iterator[tuple[Sizes, Index]]:
    """Per place in the window the index of what all outputs read there."""
    for place in itertools.product(*map(range, window)):
        starts = [p * d for p, d in zip(place, dilation, strict=True)]
        yield place, (..., *[slice(a, a + s * (n - 1) + 1, s) for a, s, n in zip(starts, stride, out, strict=True)])


def padded(x: Array, before: Sizes, after: Sizes, fill: float = 0.0) -> Array:
    """The input with ``before`` and ``after`` elements of ``fill`` at the ends of its last axes."""
    axes = len(before)
    return np.pad(x, [(0, 0)] * (x.ndim - axes) + list(zip(before, after, strict=True)), constant_values=fill)


def cropped(x: Array, before: Sizes, sizes: Sizes) -> Array:
    """The part of the last axes that starts at ``before`` and has ``sizes``: what padding is taken off again with."""
    cut = last([slice(b, b + s) for b, s in zip(before, sizes, strict=True)])
    return np.asarray(x[cut])


def _padding(padding: Any, window: Sizes, dilation: Sizes) -> tuple[Sizes, Sizes]:
    """What is added before and after each axis; ``same`` puts the odd one after."""
    if padding == "same":
        total = [d * (k - 1) for k, d in zip(window, dilation, strict=True)]
        return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    both = each(0 if padding == "valid" else padding, len(window))
    return both, both


def _conv(x: Array, w: Array, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1) -> Array:
    """``Z[n, o, p] = b[o] + sum(c, k) of W[o, c, k] * X[n, c, p * stride + k * dilation]``."""
    window = w.shape[2:]
    steps, gaps = each(stride, len(window)), each(dilation, len(window))
    xs = _grouped(padded(x, *_padding(padding, window, gaps)), groups, len(window))
    ws = w.reshape(groups, -1, *w.shape[1:])
    out = tuple(
        (size - g * (k - 1) - 1) // s + 1 for size, g, k, s in zip(xs.shape[-len(window) :], gaps, window, steps, strict=True)
    )
    z = np.zeros((*xs.shape[:2], ws.shape[1], *out))
    for place, taken in taps(window, out, steps, gaps):
        z += _einsum("goc,ngc...->ngo...", ws[last(place)], xs[taken])
    z = z.reshape(*x.shape[: x.ndim - len(window) - 1], w.shape[0], *out)
    return z if b is None else np.asarray(z + np.reshape(b, (-1, *[1] * len(window))))


def _grouped(x: Array, groups: int, axes: int) -> Array:
    """``[N, C, *size]`` or ``[C, *size]`` to ``[N, groups, C / groups, *size]``."""
    sizes = x.shape[x.ndim - axes :]
    channels = x.shape[x.ndim - axes - 1]
    batch = x.shape[0] if x.ndim > axes + 1 else 1
    return x.reshape(batch, groups, channels // groups, *sizes)


def _conv_dx(
    g: Array, z: Array, x: Array, w: Array, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Array:
    """Each tap sends ``W[:, :, k].T @ dL/dZ`` back to the slice that it read."""
    window = w.shape[2:]
    steps, gaps = each(stride, len(window)), each(dilation, len(window))
    before, after = _padding(padding, window, gaps)
    gs, ws = _grouped(g, groups, len(window)), w.reshape(groups, -1, *w.shape[1:])
    dx = np.zeros_like(_grouped(padded(x, before, after), groups, len(window)), dtype=np.float64)
    for place, taken in taps(window, gs.shape[3:], steps, gaps):
        dx[taken] += _einsum("goc,ngo...->ngc...", ws[last(place)], gs)
    return cropped(dx, before, x.shape[x.ndim - len(window) :]).reshape(x.shape)


def _conv_dw(
    g: Array, z: Array, x: Array, w: Array, b: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Array:
    """Each tap's weight gets ``dL/dZ @ X.T`` over the slice that it read, summed over batch and places."""
    window = w.shape[2:]
    steps, gaps = each(stride, len(window)), each(dilation, len(window))
    gs = _grouped(g, groups, len(window))
    xs = _grouped(padded(x, *_padding(padding, window, gaps)), groups, len(window))
    dw = np.zeros((groups, w.shape[0] // groups, *w.shape[1:]))
    flat = gs.reshape(*gs.shape[:3], math.prod(gs.shape[3:]))
    for place, taken in taps(window, gs.shape[3:], steps, gaps):
        read = xs[taken]
        dw[last(place)] = _einsum("ngop,ngcp->goc", flat, read.reshape(*read.shape[:3], math.prod(read.shape[3:])))
    return dw.reshape(w.shape)


def _conv_db(g: Array, z: Array, x: Array, w: Array, b: Any, **arguments: Any) -> Array:
    axes = w.ndim - 2
    return np.asarray(g.sum(axis=tuple(a for a in range(g.ndim) if a != g.ndim - axes - 1)))


register(
    "conv1d conv2d conv3d",
    "Z = conv(X, W) + b",
    _conv,
    {
        "X": ("dL/dX = conv_transpose(dL/dZ, W)", _conv_dx),
        "W": ("dL/dW = conv(X, dL/dZ)", _conv_dw),
        "b": ("dL/db = sum(dL/dZ)", _conv_db),
    },
    inputs="X W b",
    source=LECUN,
)


def _widened(x: Array, w: Array, stride: Any, padding: Any, output_padding: Any, groups: int, dilation: Any) -> tuple[Sizes, int]:
    """The shape that a transposed convolution makes, and its number of axes."""
    axes = w.ndim - 2
    per_axis = zip(
        x.shape[x.ndim - axes :], w.shape[2:], *(each(value, axes) for value in (stride, padding, output_padding, dilation)),
        strict=True,
    )  # fmt: skip
    sizes = tuple((n - 1) * s - 2 * p + d * (k - 1) + o + 1 for n, k, s, p, o, d in per_axis)
    return (*x.shape[: x.ndim - axes - 1], w.shape[1] * groups, *sizes), axes


def _conv_transpose(
    x: Array, w: Array, b: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1,
    dilation: Any = 1,
) -> Array:  # fmt: skip
    """What ``conv`` does to a gradient on its way back: W has the shape ``[C in, C out / groups, *window]``."""
    shape, axes = _widened(x, w, stride, padding, output_padding, groups, dilation)
    z = _conv_dx(x, x, np.zeros(shape), w, None, stride, padding, dilation, groups)
    return z if b is None else np.asarray(z + np.reshape(b, (-1, *[1] * axes)))


def _conv_transpose_dx(
    g: Array, z: Array, x: Array, w: Array, b: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Array:  # fmt: skip
    made = _conv(g, w, None, stride, padding, dilation, groups)
    return made[tuple(map(slice, x.shape))]


def _conv_transpose_dw(
    g: Array, z: Array, x: Array, w: Array, b: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Array:  # fmt: skip
    return _conv_dw(x, z, g, w, None, stride, padding, dilation, groups)


register(
    "conv_transpose1d conv_transpose2d conv_transpose3d",
    "Z = conv_transpose(X, W) + b",
    _conv_transpose,
    {
        "X": ("dL/dX = conv(dL/dZ, W)", _conv_transpose_dx),
        "W": ("dL/dW = conv(dL/dZ, X)", _conv_transpose_dw),
        "b": ("dL/db = sum(dL/dZ)", _conv_db),
    },
    inputs="X W b",
    source=f"{LECUN}; Dumoulin and Visin, A Guide to Convolution Arithmetic, 2016, 4",
)
