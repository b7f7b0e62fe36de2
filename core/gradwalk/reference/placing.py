"""Ops that place elements, order them or add them up on the way; that change the dtype; that make a tensor like another."""

from __future__ import annotations

from typing import Any

import numpy as np

from .reduce import _max, _max_vjp
from .registry import Array, register, unbroadcast

PLACED = "a linear map of zeros and ones; its transpose puts each gradient back where its element came from"
CONSTANT = "it is constant, so no gradient goes back"
ROUNDED = "the identity up to rounding; it is constant between whole numbers where it makes these"


def _pads(x: Array, pad: Any) -> list[tuple[int, int]]:
    """Per axis how much is added before and after; torch counts them from the last axis on."""
    pairs = [(int(before), int(after)) for before, after in zip(pad[::2], pad[1::2], strict=True)]
    return [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]


def _pad(x: Array, pad: Any, mode: str = "constant", value: float | None = None) -> Array:
    """A negative amount cuts elements off."""
    if mode != "constant":
        raise ValueError(f"pad has no formula for the mode {mode}")
    amounts = _pads(x, pad)
    wide = np.pad(x, [(max(before, 0), max(after, 0)) for before, after in amounts], constant_values=value or 0.0)
    return np.asarray(wide[tuple(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(amounts, wide.shape, strict=True))])


def _pad_vjp(g: Array, z: Array, x: Array, pad: Any, mode: str = "constant", value: float | None = None) -> Array:
    return _pad(g, [-amount for amount in pad])


register("pad", "Z = pad(X)", _pad, {"X": ("dL/dX = the inner part of dL/dZ", _pad_vjp)}, inputs="X", source=PLACED)


def _gather(x: Array, index: Any, dim: int = 0, sparse_grad: bool = False) -> Array:
    """``Z[i, j] = X[index[i, j], j]`` for ``dim`` 0; the index may be shorter than X along the other axes."""
    cut = tuple(slice(None) if axis == dim % x.ndim else slice(n) for axis, n in enumerate(np.shape(index)))
    return np.take_along_axis(x[cut], index, dim)


def _gather_vjp(g: Array, z: Array, x: Array, index: Any, dim: int = 0, sparse_grad: bool = False) -> Array:
    return _added(np.zeros(x.shape), index, g, dim)


def _added(x: Array, index: Any, src: Array, dim: int) -> Array:
    """``X[index[i, j], j] += src[i, j]`` for ``dim`` 0."""
    made, places = np.array(x, dtype=np.float64), list(np.indices(np.shape(index), sparse=True))
    places[dim % max(made.ndim, 1)] = index
    np.add.at(made, tuple(places), src[tuple(map(slice, np.shape(index)))])
    return made


register(
    "gather",
    "Z = X[i]",
    _gather,
    {"X": ("dL/dX = zeros; dL/dX[i] += dL/dZ", _gather_vjp)},
    inputs="X i",
    source=PLACED,
)
register(
    "scatter_add scatter_add_",
    "Z = X + scatter(Y, i)",
    lambda x, index, src, dim=0: _added(x, index, src, dim),
    {
        "X": ("dL/dX = dL/dZ", lambda g, z, x, index, src, dim=0: np.array(g)),
        "Y": ("dL/dY = dL/dZ[i]", lambda g, z, x, index, src, dim=0: _gather(g, index, dim)),
    },
    inputs="X i Y",
    source=PLACED,
)


def _ordered(x: Array, k: int, dim: int, largest: bool) -> tuple[Array, Any]:
    """The first ``k`` along ``dim`` in falling (or rising) order, and where they stand."""
    where = np.argsort(-x if largest else x, axis=dim, kind="stable")
    first = np.take(where, range(k), axis=dim)
    return np.take_along_axis(x, first, dim), first


def _topk(x: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Array, Any]:  # noqa: A002
    return _ordered(x, k, dim, largest)


def _sort(x: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> tuple[Array, Any]:
    return _ordered(x, x.shape[dim], dim, descending)


def _topk_vjp(
    g: Any,
    z: Any,
    x: Array,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,  # noqa: A002
) -> Array:
    return _put_back(g[0], z[1], x, dim)


def _sort_vjp(g: Any, z: Any, x: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> Array:
    return _put_back(g[0], z[1], x, dim)


def _put_back(g: Array, where: Any, x: Array, dim: int) -> Array:
    dx = np.zeros(x.shape)
    np.put_along_axis(dx, where, g, dim)
    return dx


BY_PLACE = "dL/dX = zeros; dL/dX[i] = dL/dZ"
register("topk", "Z, i = largest(X)", _topk, {"X": (BY_PLACE, _topk_vjp)}, inputs="X", source=PLACED)
register("sort", "Z, i = sort(X)", _sort, {"X": (BY_PLACE, _sort_vjp)}, inputs="X", source=PLACED)


def _cumsum(x: Array, dim: int = 0) -> Array:
    return np.cumsum(x, axis=dim)


def _cumsum_vjp(g: Array, z: Array, x: Array, dim: int = 0) -> Array:
    """Each element is in all sums from its own on."""
    return np.flip(np.cumsum(np.flip(g, dim), axis=dim), dim)


register(
    "cumsum",
    "Z = sums of X up to each element",
    _cumsum,
    {"X": ("dL/dX = sums of dL/dZ from each element on", _cumsum_vjp)},
    inputs="X",
    source=PLACED,
)


def _cast(names: str, made: Any) -> None:
    register(
        names, "Z = X", made, {"X": ("dL/dX = dL/dZ", lambda g, z, x, *rest, **others: np.array(g))}, inputs="X", source=ROUNDED
    )


_cast("to type float double half bfloat16 cpu cuda", lambda x, *rest, **others: np.array(x))
register(
    "type_as",
    "Z = X",
    lambda x, other: np.array(x),
    {"X": ("dL/dX = dL/dZ", lambda g, z, x, other: np.array(g))},
    inputs="X Y",
    source=ROUNDED,
)
register(
    "int long short", "Z = X without what follows the point", lambda x, **others: np.trunc(x), {}, inputs="X", source=CONSTANT
)
register(
    "floor floor_", "Z = floor(X)", np.floor, {"X": ("dL/dX = 0", lambda g, z, x: np.zeros(x.shape))}, inputs="X", source=CONSTANT
)


def _like(names: str, text: str, value: float) -> None:
    register(names, f"Z = {text}", lambda x, **others: np.full(np.shape(x), value), {}, inputs="X", source=CONSTANT)


_like("zeros_like", "zeros", 0.0)
_like("ones_like", "ones", 1.0)
register(
    "zero_",
    "Z = zeros",
    lambda x: np.zeros(np.shape(x)),
    {"X": ("dL/dX = 0", lambda g, z, x: np.zeros(x.shape))},
    inputs="X",
    source=CONSTANT,
)
register(
    "fill_",
    "Z = v",
    lambda x, value: np.broadcast_to(value, np.shape(x)),
    {
        "X": ("dL/dX = 0", lambda g, z, x, value: np.zeros(x.shape)),
        "v": ("dL/dv = sum(dL/dZ)", lambda g, z, x, value: unbroadcast(g, np.shape(value))),
    },
    inputs="X v",
    source=CONSTANT,
)
register("full_like", "Z = v", lambda x, fill_value, **others: np.full(np.shape(x), fill_value), {}, inputs="X", source=CONSTANT)


def _sized(names: str, text: str, value: float) -> None:
    register(names, f"Z = {text}", lambda x, size, **others: np.full(size, value), {}, inputs="X", source=CONSTANT)


_sized("new_zeros", "zeros", 0.0)
_sized("new_ones", "ones", 1.0)


def _min(x: Array, *args: Any, **named: Any) -> Any:
    made = _max(-x, *args, **named)
    return (-made[0], made[1]) if isinstance(made, tuple) else -made


def _min_vjp(g: Any, z: Any, x: Array, *args: Any, **named: Any) -> Array:
    turned = (-z[0], z[1]) if isinstance(z, tuple | list) else -z
    return _max_vjp(g, turned, -x, *args, **named)


register("min", "z = min(X)", _min, {"X": ("dL/dX = dL/dz * (X == z)", _min_vjp)}, inputs="X", source="the minimum is -max(-X)")
