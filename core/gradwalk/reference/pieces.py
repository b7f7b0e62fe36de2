"""Ops that pick, join, repeat or part elements: their VJP adds each piece's gradient where the piece came from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .registry import Array, register, unbroadcast

SELECTION = "a linear map of zeros and ones; its transpose adds up what each element was used for"


def along(dim: int, part: Any) -> tuple[Any, ...]:
    """The index that takes ``part`` of axis ``dim`` (not negative) and all of the others."""
    return (*[slice(None)] * dim, part)


def _scattered(shape: tuple[int, ...], index: Any, g: Array) -> Array:
    """Zeros of ``shape`` to which ``g`` is added at ``index``, as often as the index names a place."""
    dx = np.zeros(shape)
    np.add.at(dx, index, g)
    return dx


def positions(x: Array) -> Any:
    """The places 0, 1, ... of the flattened X, shaped as X: what an op that picks makes of them says where it picked."""
    return np.arange(np.size(x)).reshape(np.shape(x))


def added_up(x: Array, places: Any, g: Array) -> Array:
    """Zeros like X to which ``g`` is added at places of the flattened X; -1 is no place."""
    known = np.ravel(places) >= 0
    total = np.bincount(np.ravel(places)[known], np.ravel(g)[known], minlength=np.size(x))
    return total.reshape(np.shape(x)).astype(np.float64)


def _cat(*xs: Array, dim: int = 0, axis: int | None = None) -> Array:
    return np.concatenate([x for x in xs if x.shape != (0,)] or xs, axis=dim if axis is None else axis)


def _cat_vjp(g: Array, z: Array, *xs: Array, dim: int = 0, axis: int | None = None) -> list[Array]:
    joined = (dim if axis is None else axis) % g.ndim
    sizes = [0 if x.shape == (0,) else x.shape[joined] for x in xs]
    ends = np.cumsum(sizes)
    return [g[along(joined, slice(e - s, e))].reshape(x.shape) for x, s, e in zip(xs, sizes, ends, strict=True)]


def _stack(*xs: Array, dim: int = 0, axis: int | None = None) -> Array:
    return np.stack(xs, axis=dim if axis is None else axis)


def _stack_vjp(g: Array, z: Array, *xs: Array, dim: int = 0, axis: int | None = None) -> list[Array]:
    return list(np.moveaxis(g, dim if axis is None else axis, 0))


def _split(
    x: Array, split_size: Any = 1, dim: int = 0, *, split_sizes: Any = None, split_size_or_sections: Any = None
) -> tuple[Array, ...]:
    """The sizes have another name in the method, in the function and in the operator."""
    sizes = next(named for named in (split_sizes, split_size_or_sections, split_size) if named is not None)
    length = x.shape[dim]
    if not isinstance(sizes, Sequence):
        return tuple(np.split(x, range(sizes, length, sizes), axis=dim)) if length else (x,)
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=dim))


def _chunk(x: Array, chunks: int, dim: int = 0) -> tuple[Array, ...]:
    return _split(x, max(-(-x.shape[dim] // chunks), 1), dim)


def _joined(g: Sequence[Array], z: Any, x: Array, *sizes: Any, dim: int = 0, **others: Any) -> Array:
    return np.concatenate(g, axis=sizes[1] if len(sizes) > 1 else dim)


def _unbind(x: Array, dim: int = 0) -> tuple[Array, ...]:
    return tuple(np.moveaxis(x, dim, 0))


def _unbind_vjp(g: Sequence[Array], z: Any, x: Array, dim: int = 0) -> Array:
    return np.stack(g, axis=dim) if len(g) else np.zeros(x.shape)


register("cat concat concatenate", "Z = cat(X)", _cat, {"X": ("dL/dX = split(dL/dZ)", _cat_vjp)}, inputs="X", source=SELECTION)
register("stack", "Z = stack(X)", _stack, {"X": ("dL/dX = unbind(dL/dZ)", _stack_vjp)}, inputs="X", source=SELECTION)
register("split split_with_sizes", "Z = split(X)", _split, {"X": ("dL/dX = cat(dL/dZ)", _joined)}, inputs="X", source=SELECTION)
register("chunk", "Z = chunk(X)", _chunk, {"X": ("dL/dX = cat(dL/dZ)", _joined)}, inputs="X", source=SELECTION)
register("unbind", "Z = unbind(X)", _unbind, {"X": ("dL/dX = stack(dL/dZ)", _unbind_vjp)}, inputs="X", source=SELECTION)


def _select(x: Array, dim: int, index: int) -> Array:
    return np.asarray(np.take(x, index, axis=dim))


def _select_vjp(g: Array, z: Array, x: Array, dim: int, index: int) -> Array:
    return _scattered(x.shape, along(dim % x.ndim, index), g)


def _narrow_index(x: Array, dim: int, start: int, length: int) -> tuple[Any, ...]:
    first = start % max(x.shape[dim], 1) if start < 0 else start
    return along(dim % x.ndim, slice(first, first + length))


def _narrow(x: Array, dim: int, start: int, length: int) -> Array:
    return np.asarray(x[_narrow_index(x, dim, start, length)])


def _narrow_vjp(g: Array, z: Array, x: Array, dim: int, start: int, length: int) -> Array:
    return _scattered(x.shape, _narrow_index(x, dim, start, length), g)


def _index_select(x: Array, index: Any, dim: int) -> Array:
    return np.asarray(np.take(x, index, axis=dim))


def _index_select_vjp(g: Array, z: Array, x: Array, index: Any, dim: int) -> Array:
    return _scattered(x.shape, along(dim % x.ndim, index), g)


PUT_BACK = "dL/dX = zeros; dL/dX[i] += dL/dZ"
register("select", "Z = X[i]", _select, {"X": (PUT_BACK, _select_vjp)}, inputs="X", source=SELECTION)
register("narrow", "Z = X[i]", _narrow, {"X": (PUT_BACK, _narrow_vjp)}, inputs="X", source=SELECTION)
register("index_select", "Z = X[i]", _index_select, {"X": (PUT_BACK, _index_select_vjp)}, inputs="X i", source=SELECTION)


def _expand(x: Array, size: Any) -> Array:
    kept = (*[1] * (len(size) - x.ndim), *x.shape)
    return np.broadcast_to(x, tuple(k if s == -1 else s for k, s in zip(kept, size, strict=True)))


def _summed(g: Array, z: Array, x: Array, *arguments: Any, **named: Any) -> Array:
    return unbroadcast(g, x.shape)


def _repeat_vjp(g: Array, z: Array, x: Array, repeats: Any) -> Array:
    padded = (*[1] * (len(repeats) - x.ndim), *x.shape)
    blocks = g.reshape(tuple(itertools.chain.from_iterable(zip(repeats, padded, strict=True))))
    return np.asarray(blocks.sum(axis=tuple(range(0, blocks.ndim, 2))).reshape(x.shape))


register("expand broadcast_to", "Z = expand(X)", _expand, {"X": ("dL/dX = sum(dL/dZ)", _summed)}, inputs="X", source=SELECTION)
register(
    "expand_as",
    "Z = expand(X)",
    lambda x, other: np.broadcast_to(x, other.shape),
    {"X": ("dL/dX = sum(dL/dZ)", _summed)},
    inputs="X Y",
    source=SELECTION,
)
register(
    "repeat",
    "Z = repeat(X)",
    lambda x, repeats: np.tile(x, repeats),
    {"X": ("dL/dX = sum(dL/dZ)", _repeat_vjp)},
    inputs="X",
    source=SELECTION,
)


def _embedding_vjp(
    g: Array,
    z: Array,
    t: Any,
    w: Array,
    padding_idx: int | None = None,
    scale_grad_by_freq: bool = False,
    norm_type: float = 2.0,
    sparse: bool = False,
) -> Array:
    """``padding_idx`` gets no gradient; ``scale_grad_by_freq`` divides a row's by how often it was taken."""
    dw = _scattered(w.shape, t, g)
    if scale_grad_by_freq:
        dw /= np.maximum(np.bincount(np.ravel(t), minlength=len(w)), 1)[:, None]
    if padding_idx is not None:
        dw[padding_idx] = 0
    return dw


register(
    "embedding",
    "Z = W[t]",
    lambda t, w, **arguments: w[t],
    {"W": ("dL/dW = zeros; dL/dW[t] += dL/dZ", _embedding_vjp)},
    inputs="t W",
    source=SELECTION,
)
