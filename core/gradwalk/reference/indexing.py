"""Ops that read or write at indices: X[i], gather, scatter and their kin. They are linear; where an index names a place twice,
the gradients of both add up there.

``X[i]`` follows torch: whole numbers take out their axis before index tensors are applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .arguments import HOLE
from .pieces import SELECTION, added_up, along, positions
from .registry import Array, register, unbroadcast


def _parts(index: Any, tensors: tuple[Any, ...], ndim: int) -> list[Any]:
    """The parts of an index, its tensors filled in and its ``...`` written out as slices."""
    left = iter(tensors)
    parts = [next(left) if part is HOLE else part for part in (index if isinstance(index, tuple) else (index,))]
    used = sum(np.ndim(part) if _is_mask(part) else part is not None and part is not Ellipsis for part in parts)
    here = next((at for at, part in enumerate(parts) if part is Ellipsis), len(parts))
    return [*parts[:here], *[slice(None)] * (ndim - used), *parts[here + 1 :]]


def _is_mask(part: Any) -> bool:
    return isinstance(part, np.ndarray | list | tuple) and np.asarray(part).dtype == bool


def _is_number(part: Any) -> bool:
    return not isinstance(part, bool | slice) and part is not None and np.ndim(part) == 0


def _read(x: Any, index: Any, tensors: tuple[Any, ...]) -> Any:
    """X at an index: slices, new axes and whole numbers first, then what is left of it, index tensors and masks."""
    first: list[Any] = []
    second: list[Any] = []
    for part in _parts(index, tensors, np.ndim(x)):
        if _is_number(part):
            first.append(int(part))
        elif part is None or isinstance(part, slice):
            first.append(part)
            second.append(slice(None))
        else:
            first += [slice(None)] * (np.ndim(part) if _is_mask(part) else 1)
            second.append(np.asarray(part, dtype=bool if _is_mask(part) else np.int64))
    return x[tuple(first)][tuple(second)]


def places_of(x: Array, index: Any, tensors: tuple[Any, ...]) -> Any:
    """For each element of ``X[i]`` the place in the flattened X that it was read from."""
    return _read(positions(x), index, tensors)


def _getitem(x: Array, *at: Any, index: Any = HOLE) -> Array:
    return np.array(_read(x, index, at))


def _getitem_vjp(g: Array, z: Array, x: Array, *at: Any, index: Any = HOLE) -> Array:
    return added_up(x, places_of(x, index, at), g)


def _one_x(tensors: int, arguments: Mapping[str, Any]) -> tuple[int, ...]:
    return (0, *[1] * (tensors - 1))


PUT_BACK = "dL/dX = zeros; dL/dX[i] += dL/dZ"
register(
    "getitem",
    "Z = X[i]",
    _getitem,
    {"X": (PUT_BACK, _getitem_vjp)},
    inputs="X i",
    source=SELECTION,
    places=_one_x,
)


def _split_value(rest: tuple[Any, ...], value: Any) -> tuple[tuple[Any, ...], Any]:
    """The index tensors, and what is written: a number among the arguments or the last tensor."""
    return (rest, value) if value is not None else (rest[:-1], rest[-1])


def _setitem(x: Array, *rest: Any, index: Any = HOLE, value: Any = None) -> Array:
    at, written = _split_value(rest, value)
    z = np.array(x, order="C")
    z.reshape(-1)[places_of(x, index, at)] = written
    return z


def _setitem_dx(g: Array, z: Array, x: Array, *rest: Any, index: Any = HOLE, value: Any = None) -> Array:
    return _setitem(g, *_split_value(rest, value)[0], index=index, value=0.0)


def _setitem_dv(g: Array, z: Array, x: Array, *rest: Any, index: Any = HOLE, value: Any = None) -> Array:
    at, written = _split_value(rest, value)
    places = places_of(x, index, at)
    return _before_broadcast(np.reshape(g, -1)[places], np.shape(written))


def _before_broadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """As ``unbroadcast``; what is written may have more axes of size 1 in front than its place has."""
    extra = max(len(shape) - g.ndim, 0)
    return unbroadcast(g, shape[extra:]).reshape(shape)


def _x_index_value(tensors: int, arguments: Mapping[str, Any]) -> tuple[int, ...]:
    last = (1,) if "value" in arguments else (2,)
    return (0, *[1] * (tensors - 2), *last) if tensors > 1 else (0,)


register(
    "setitem",
    "Z = X; Z[i] = V",
    _setitem,
    {"X": ("dL/dX = dL/dZ; dL/dX[i] = 0", _setitem_dx), "V": ("dL/dV = dL/dZ[i]", _setitem_dv)},
    inputs="X i V",
    source=SELECTION,
    places=_x_index_value,
)


def _line(index: Any, dim: int) -> Any:
    """The index of ``gather``: at each place of ``index`` its own number along ``dim``, and that place along the other axes."""
    index = np.asarray(index)
    grid = list(np.indices(index.shape, sparse=True))
    grid[dim % max(index.ndim, 1)] = index
    return tuple(grid)


def _gather(x: Array, index: Any, dim: int, sparse_grad: bool = False) -> Array:
    return np.asarray(x[_line(index, dim)])


def _gather_vjp(g: Array, z: Array, x: Array, index: Any, dim: int, sparse_grad: bool = False) -> Array:
    dx = np.zeros(x.shape)
    np.add.at(dx, _line(index, dim), g)
    return dx


register("gather", "Z = X[i]", _gather, {"X": (PUT_BACK, _gather_vjp)}, inputs="X i", source=SELECTION)


def _take_along(x: Array, index: Any, dim: int | None = None) -> Array:
    return np.take_along_axis(np.reshape(x, -1), np.reshape(index, -1), 0) if dim is None else np.take_along_axis(x, index, dim)


def _take_along_vjp(g: Array, z: Array, x: Array, index: Any, dim: int | None = None) -> Array:
    return added_up(x, _take_along(positions(x), index, dim), g)


register("take_along_dim", "Z = X[i]", _take_along, {"X": (PUT_BACK, _take_along_vjp)}, inputs="X i", source=SELECTION)
register(
    "take",
    "Z = X[i]",
    lambda x, index: np.asarray(np.reshape(x, -1)[index]),
    {"X": (PUT_BACK, lambda g, z, x, index: added_up(x, np.where(np.less(index, 0), np.add(index, x.size), index), g))},
    inputs="X i",
    source=SELECTION,
)


def _written(index: Any, dim: int, v: Any) -> Any:
    """The part of V that ``scatter`` writes: as large as the index."""
    return v if np.ndim(v) == 0 else np.asarray(v)[tuple(slice(size) for size in np.shape(index))]


def _scatter(x: Array, index: Any, value: Any, dim: int) -> Array:
    z = np.array(x)
    z[_line(index, dim)] = _written(index, dim, value)
    return z


def _scatter_dx(g: Array, z: Array, x: Array, index: Any, value: Any, dim: int) -> Array:
    return _scatter(g, index, 0.0, dim)


def _scatter_dv(g: Array, z: Array, x: Array, index: Any, value: Any, dim: int) -> Array:
    dv = np.zeros(np.shape(value))
    dv[tuple(slice(size) for size in np.shape(index))] = g[_line(index, dim)]
    return dv


def _scatter_add(x: Array, index: Any, v: Array, dim: int) -> Array:
    z = np.array(x)
    np.add.at(z, _line(index, dim), _written(index, dim, v))
    return z


def _scatter_add_dv(g: Array, z: Array, x: Array, index: Any, v: Array, dim: int) -> Array:
    return _scatter_dv(g, z, x, index, v, dim)


ZEROED, READ = "dL/dX = dL/dZ; dL/dX[i] = 0", "dL/dV = dL/dZ[i]"
register(
    "scatter scatter_",
    "Z = X; Z[i] = V",
    _scatter,
    {"X": (ZEROED, _scatter_dx), "V": (READ, _scatter_dv)},
    inputs="X i V",
    source=SELECTION,
)
register(
    "scatter_add scatter_add_",
    "Z = X; Z[i] += V",
    _scatter_add,
    {"X": ("dL/dX = dL/dZ", lambda g, z, x, index, v, dim: np.array(g)), "V": (READ, _scatter_add_dv)},
    inputs="X i V",
    source=SELECTION,
)


def _index_add(x: Array, index: Any, v: Array, dim: int, alpha: float = 1) -> Array:
    z = np.array(x)
    np.add.at(z, along(dim % x.ndim, index), np.multiply(alpha, v))
    return z


def _index_add_dv(g: Array, z: Array, x: Array, index: Any, v: Array, dim: int, alpha: float = 1) -> Array:
    return np.asarray(alpha * np.take(g, index, axis=dim))


register(
    "index_add index_add_",
    "Z = X; Z[i] += alpha * V",
    _index_add,
    {
        "X": ("dL/dX = dL/dZ", lambda g, z, x, index, v, dim, alpha=1: np.array(g)),
        "V": ("dL/dV = alpha * dL/dZ[i]", _index_add_dv),
    },
    inputs="X i V",
    source=SELECTION,
)


def _index_copy(x: Array, index: Any, value: Any, dim: int) -> Array:
    z = np.array(x)
    z[along(dim % x.ndim, index)] = value
    return z


def _index_copy_dx(g: Array, z: Array, x: Array, index: Any, value: Any, dim: int) -> Array:
    return _index_copy(g, index, 0.0, dim)


def _index_copy_dv(g: Array, z: Array, x: Array, index: Any, value: Any, dim: int) -> Array:
    return unbroadcast(np.take(g, index, axis=dim), np.shape(value))


register(
    "index_copy index_copy_ index_fill index_fill_",
    "Z = X; Z[i] = V",
    _index_copy,
    {"X": (ZEROED, _index_copy_dx), "V": (READ, _index_copy_dv)},
    inputs="X i V",
    source=SELECTION,
)


def _masked_select(x: Array, mask: Any) -> Array:
    shape = np.broadcast_shapes(np.shape(x), np.shape(mask))
    return np.asarray(np.broadcast_to(x, shape)[np.broadcast_to(mask, shape)])


def _masked_select_vjp(g: Array, z: Array, x: Array, mask: Any) -> Array:
    return added_up(x, _masked_select(positions(x), mask), g)


register("masked_select", "Z = X[m]", _masked_select, {"X": (PUT_BACK, _masked_select_vjp)}, inputs="X m", source=SELECTION)


def _masked_scatter(x: Array, mask: Any, v: Array) -> Array:
    """The first elements of V, in order, to where the mask is true."""
    shape = np.broadcast_shapes(np.shape(x), np.shape(mask))
    z = np.array(np.broadcast_to(x, shape))
    where = np.broadcast_to(mask, shape)
    z[where] = np.reshape(v, -1)[: int(where.sum())]
    return z


def _masked_scatter_dx(g: Array, z: Array, x: Array, mask: Any, v: Array) -> Array:
    return unbroadcast(np.where(mask, 0.0, g), np.shape(x))


def _masked_scatter_dv(g: Array, z: Array, x: Array, mask: Any, v: Array) -> Array:
    read = g[np.broadcast_to(mask, g.shape)]
    return np.concatenate([read, np.zeros(np.size(v) - read.size)]).reshape(np.shape(v))


register(
    "masked_scatter masked_scatter_",
    "Z = X; Z[m] = V",
    _masked_scatter,
    {"X": ("dL/dX = dL/dZ * (1 - m)", _masked_scatter_dx), "V": ("dL/dV = dL/dZ[m]", _masked_scatter_dv)},
    inputs="X m V",
    source=SELECTION,
)
