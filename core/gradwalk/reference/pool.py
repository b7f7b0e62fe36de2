"""Pooling: over each window the largest element or the mean. Images are ``[N, C, *size]`` or ``[C, *size]``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .conv import LECUN, Index, Sizes, cropped, each, last, padded, taps
from .registry import Array, register


def _out(sizes: Sizes, window: Sizes, steps: Sizes, pads: Sizes, gaps: Sizes, ceil_mode: bool) -> Sizes:
    """How many windows per axis; with ``ceil_mode`` also a last one that starts inside the input or its left padding."""
    made = []
    for size, k, s, p, d in zip(sizes, window, steps, pads, gaps, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        count = (-(-room // s) if ceil_mode else room // s) + 1
        made.append(count - (ceil_mode and (count - 1) * s >= size + p))
    return tuple(made)


def _layout(
    x: Array, axes: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Sizes, Sizes, list[tuple[Sizes, Index]], Sizes]:
    """The padding before and after, the taps, and how many windows there are per axis."""
    window, gaps, pads = each(kernel_size, axes), each(dilation, axes), each(padding, axes)
    steps = window if stride in (None, (), []) else each(stride, axes)
    sizes = x.shape[x.ndim - axes :]
    out = _out(sizes, window, steps, pads, gaps, ceil_mode)
    reach = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(out, steps, gaps, window, strict=True)]
    after = tuple(max(r - size - p, p) for r, size, p in zip(reach, sizes, pads, strict=True))
    return pads, after, list(taps(window, out, steps, gaps)), out


def _max_pool(
    axes: int, x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Array:
    before, after, read, _ = _layout(x, axes, kernel_size, stride, padding, dilation, ceil_mode)
    filled = padded(x, before, after, -np.inf)
    return np.asarray(np.max([filled[taken] for _, taken in read], axis=0))


def _max_pool_dx(
    axes: int, g: Array, z: Array, x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:  # fmt: skip
    """All of the gradient goes to the first of the largest elements."""
    before, after, read, _ = _layout(x, axes, kernel_size, stride, padding, dilation, ceil_mode)
    filled = padded(x, before, after, -np.inf)
    largest = np.argmax([filled[taken] for _, taken in read], axis=0)
    dx = np.zeros(filled.shape)
    for number, (_, taken) in enumerate(read):
        dx[taken] += g * (largest == number)
    return _inside(dx, before, x, axes)


def _inside(dx: Array, before: Sizes, x: Array, axes: int) -> Array:
    return cropped(dx, before, x.shape[x.ndim - axes :])


def _counted(x: Array, axes: int, read: list[tuple[Sizes, Index]], before: Sizes, after: Sizes, include: bool) -> Array:
    """Per window how many elements the mean is over: with the padding or without, never what lies past it."""
    ones = np.ones(x.shape[x.ndim - axes :])
    inner = padded(ones, before, before, float(include))
    cells = padded(inner, (0,) * axes, tuple(a - b for a, b in zip(after, before, strict=True)))
    return np.asarray(np.sum([cells[taken] for _, taken in read], axis=0))


def _avg_pool(
    axes: int, x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Array:  # fmt: skip
    before, after, read, _ = _layout(x, axes, kernel_size, stride, padding, 1, ceil_mode)
    filled = padded(x, before, after)
    total = np.sum([filled[taken] for _, taken in read], axis=0)
    return np.asarray(total / (divisor_override or _counted(x, axes, read, before, after, count_include_pad)))


def _avg_pool_dx(
    axes: int, g: Array, z: Array, x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Array:  # fmt: skip
    before, after, read, _ = _layout(x, axes, kernel_size, stride, padding, 1, ceil_mode)
    share = g / (divisor_override or _counted(x, axes, read, before, after, count_include_pad))
    dx = np.zeros(padded(x, before, after).shape)
    for _, taken in read:
        dx[taken] += share
    return _inside(dx, before, x, axes)


def _bins(sizes: Sizes, out: Sizes) -> Iterator[tuple[Index, Index]]:
    """Per output its place, and the part of the input from ``floor(i * size / out)`` to ``ceil((i + 1) * size / out)``."""
    for place in itertools.product(*map(range, out)):
        parts = [slice(i * s // n, -(-(i + 1) * s // n)) for i, s, n in zip(place, sizes, out, strict=True)]
        yield (..., *place), (..., *parts)


def _adaptive(axes: int, x: Array, output_size: Any) -> tuple[Sizes, Sizes]:
    sizes = x.shape[x.ndim - axes :]
    return sizes, tuple(s if n is None else n for s, n in zip(sizes, each(output_size, axes), strict=True))


def _adaptive_avg(axes: int, x: Array, output_size: Any) -> Array:
    sizes, out = _adaptive(axes, x, output_size)
    z = np.zeros((*x.shape[: x.ndim - axes], *out))
    for place, part in _bins(sizes, out):
        z[place] = x[part].mean(axis=tuple(range(-axes, 0)))
    return z


def _adaptive_avg_dx(axes: int, g: Array, z: Array, x: Array, output_size: Any) -> Array:
    dx = np.zeros(x.shape)
    for place, part in _bins(*_adaptive(axes, x, output_size)):
        dx[part] += g[place][last([None] * axes)] / np.prod(dx[part].shape[-axes:])
    return dx


def _adaptive_max(axes: int, x: Array, output_size: Any) -> Array:
    sizes, out = _adaptive(axes, x, output_size)
    z = np.zeros((*x.shape[: x.ndim - axes], *out))
    for place, part in _bins(sizes, out):
        z[place] = x[part].max(axis=tuple(range(-axes, 0)))
    return z


def _adaptive_max_dx(axes: int, g: Array, z: Array, x: Array, output_size: Any) -> Array:
    """All of the gradient goes to the first of the largest elements."""
    dx = np.zeros(x.shape)
    for place, part in _bins(*_adaptive(axes, x, output_size)):
        read = x[part]
        rows = read.reshape(*read.shape[:-axes], math.prod(read.shape[-axes:]))
        first = np.arange(rows.shape[-1]) == rows.argmax(axis=-1)[..., None]
        dx[part] += first.reshape(read.shape) * g[place][last([None] * axes)]
    return dx


def windows_of(op: str, x: Array, arguments: Mapping[str, Any]) -> tuple[int, int]:
    """Of a pooling of means: how many elements a window has, and in how many windows an element is, at most."""
    axes = int(op[-2])
    if op.startswith("adaptive"):
        sizes = zip(*_adaptive(axes, x, arguments["output_size"]), strict=True)
        longest, times = zip(*itertools.starmap(_bins_of_axis, sizes), strict=True)
        return math.prod(longest), math.prod(times)
    window, stride = each(arguments["kernel_size"], axes), arguments.get("stride")
    steps = window if stride in (None, (), []) else each(stride, axes)
    return math.prod(window), math.prod(-(-k // s) for k, s in zip(window, steps, strict=True))


def _bins_of_axis(size: int, out: int) -> tuple[int, int]:
    """The longest bin of an axis, and in how many bins an element is at most."""
    times, longest = np.zeros(size, np.int64), 0
    for _, (_, part) in _bins((size,), (out,)):
        times[part] += 1
        longest = max(longest, part.stop - part.start)
    return longest, int(times.max(initial=0))


def _register(axes: int) -> None:
    def maximum(
        x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    ) -> Array:  # fmt: skip
        return _max_pool(axes, x, kernel_size, stride, padding, dilation, ceil_mode)

    def maximum_dx(
        g: Array, z: Array, x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Array:  # fmt: skip
        return _max_pool_dx(axes, g, z, x, kernel_size, stride, padding, dilation, ceil_mode)

    def mean(
        x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Array:  # fmt: skip
        return _avg_pool(axes, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    def mean_dx(
        g: Array, z: Array, x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> Array:  # fmt: skip
        return _avg_pool_dx(axes, g, z, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    def adaptive(x: Array, output_size: Any) -> Array:
        return _adaptive_avg(axes, x, output_size)

    def adaptive_dx(g: Array, z: Array, x: Array, output_size: Any) -> Array:
        return _adaptive_avg_dx(axes, g, z, x, output_size)

    def adaptive_largest(x: Array, output_size: Any) -> Array:
        return _adaptive_max(axes, x, output_size)

    def adaptive_largest_dx(g: Array, z: Array, x: Array, output_size: Any) -> Array:
        return _adaptive_max_dx(axes, g, z, x, output_size)

    largest = {"X": ("dL/dX = dL/dZ where X is the largest of its window", maximum_dx)}
    largest_bins = {"X": ("dL/dX = dL/dZ where X is the largest of its window", adaptive_largest_dx)}
    shared = {"X": ("dL/dX = dL/dZ / N over each window", mean_dx)}
    shared_bins = {"X": ("dL/dX = dL/dZ / N over each window", adaptive_dx)}
    register(f"max_pool{axes}d", "Z = max over windows(X)", maximum, largest, inputs="X", source=LECUN)
    register(f"avg_pool{axes}d", "Z = mean over windows(X)", mean, shared, inputs="X", source=LECUN)
    register(f"adaptive_avg_pool{axes}d", "Z = mean over windows(X)", adaptive, shared_bins, inputs="X", source=LECUN)
    register(f"adaptive_max_pool{axes}d", "Z = max over windows(X)", adaptive_largest, largest_bins, inputs="X", source=LECUN)


for _axes in (1, 2, 3):
    _register(_axes)
