"""Largest, smallest and sorted elements: the gradient goes to the elements that were picked.

Of equal elements ``amax``, ``amin``, ``max()`` and ``min()`` over all share the gradient evenly; ``max(dim)``, ``min(dim)`` and
``sort`` give it to the one that they picked, the first. ``topk``, ``median`` and ``kthvalue`` do not say which one that is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .elementwise import to_input
from .reduce import axes_of, spread_out
from .registry import Array, Function, register, unbroadcast

PICKED = "the element that is picked has the derivative 1"
TIED = "two elements are equal, and which of them was picked is not told"


def _best(largest: bool) -> tuple[Function, Function]:
    """The largest (or smallest) element along axes, and its VJP."""
    pick: Callable[..., Any] = np.max if largest else np.min

    def compute(x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Array:
        return np.asarray(pick(x, axis=axes_of(dim, axis, x.ndim), keepdims=keepdim or keepdims))

    def vjp(
        g: Array, z: Array, x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False
    ) -> Array:
        axes = axes_of(dim, axis, x.ndim)
        best = x == pick(x, axis=axes, keepdims=True)
        return np.asarray(spread_out(g, x, dim, axis) * best / best.sum(axis=axes, keepdims=True))

    return compute, vjp


def _take(x: Array, where: Any, dim: int, keepdim: bool) -> tuple[Array, Any]:
    values = np.take_along_axis(x, where, dim)
    return (values, where) if keepdim else (values.squeeze(dim), where.squeeze(dim))


def _put(g: Any, z: Any, x: Array, dim: int, keepdim: bool) -> Array:
    """Zeros with dL/dz at the places that the second output names."""
    if not x.ndim:
        return np.array(g[0])
    dx = np.zeros(x.shape)
    values, where = (g[0], z[1]) if keepdim else (np.expand_dims(g[0], dim), np.expand_dims(z[1], dim))
    np.put_along_axis(dx, where, values, dim)
    return dx


def _register_best(name: str, largest: bool) -> None:
    """``max``: of all; along NumPy's axes; with torch's ``dim`` the values and where they stand; or of two tensors."""
    over_all, over_all_vjp = _best(largest)
    sign = ">" if largest else "<"
    pair, place = (np.maximum, np.argmax) if largest else (np.minimum, np.argmin)

    def compute(x: Array, other: Any = None, dim: int | None = None, keepdim: bool = False, **numpy: Any) -> Any:
        if other is not None:
            return pair(x, other)
        if dim is None:
            return over_all(x, **numpy)
        if not x.ndim:
            return np.array(x), np.array(0)
        return _take(x, place(x, axis=dim, keepdims=True), dim, keepdim)

    def half(first: Array, second: Array) -> Array:
        ahead = first > second if largest else first < second
        return np.asarray(ahead + 0.5 * (first == second))

    def vjp(g: Any, z: Any, x: Array, other: Any = None, dim: int | None = None, keepdim: bool = False, **numpy: Any) -> Array:
        if other is not None:
            return unbroadcast(np.asarray(g * half(x, other)), x.shape)
        return over_all_vjp(g, z, x, **numpy) if dim is None else _put(g, z, x, dim, keepdim)

    second = to_input(1, lambda out, x, other, dim=None, keepdim=False: half(other, x))
    texts = {"X": (f"dL/dX = dL/dz * (X == {name}(X))", vjp), "Y": (f"dL/dY = dL/dz * (Y {sign} X)", second)}
    register(name, f"z = {name}(X)", compute, texts, inputs="X Y", source=PICKED)
    gradient = {"X": ("dL/dX = dL/dz * (X == z)", over_all_vjp)}
    register(f"a{name}", f"z = {name}(X)", over_all, gradient, inputs="X", source=f"{PICKED}; equal ones share it")


_register_best("max", largest=True)
_register_best("min", largest=False)


def _sort(x: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> tuple[Array, Any]:
    if not x.ndim:
        return np.array(x), np.array(0)
    where = np.argsort(-x if descending else x, axis=dim, kind="stable")
    return np.take_along_axis(x, where, dim), where


def _sort_vjp(g: Any, z: Any, x: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> Array:
    return _put(g, z, x, dim, True)


register("sort msort", "Z = sort(X)", _sort, {"X": ("dL/dX[i] = dL/dZ, i: where Z stood", _sort_vjp)}, inputs="X", source=PICKED)


def _topk(x: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Array, Any]:  # noqa: A002
    """The k largest (or smallest), in order."""
    if not x.ndim:
        return np.array(x), np.array(0)
    values, where = _sort(x, dim, descending=largest)
    return values.take(range(k), dim), where.take(range(k), dim)


def _topk_vjp(g: Any, z: Any, x: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Array:  # noqa: A002
    if x.ndim:
        kept = min(k + 1, x.shape[dim])
        _refuse_equal(np.diff(_sort(x, dim, descending=largest)[0].take(range(kept), dim), axis=dim))
    return _put(g, z, x, dim, True)


def _refuse_equal(steps: Array) -> None:
    if (steps == 0).any():
        raise ValueError(TIED)


register("topk", "Z = the k largest of X", _topk, {"X": ("dL/dX[i] = dL/dZ, X[i] = Z", _topk_vjp)}, inputs="X", source=PICKED)


def _kth(x: Array, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Array, Any]:
    """The k-th smallest, counted from 1."""
    if not x.ndim:
        return np.array(x), np.array(0)
    return _take(x, _sort(x, dim)[1].take([k - 1], dim), dim, keepdim)


def _kth_vjp(g: Any, z: Any, x: Array, k: int, dim: int = -1, keepdim: bool = False) -> Array:
    if x.ndim:
        picked = z[0] if keepdim else np.expand_dims(z[0], dim)
        _refuse_equal(1 - 1.0 * ((x == picked).sum(axis=dim) > 1))
    return _put(g, z, x, dim, keepdim)


register("kthvalue", "z = the k-th of X", _kth, {"X": ("dL/dX[i] = dL/dz, X[i] = z", _kth_vjp)}, inputs="X", source=PICKED)


def _middle(x: Array, dim: int) -> int:
    """The lower one of two in the middle, as torch has it."""
    return (x.shape[dim] - 1) // 2 + 1 if x.ndim else 1


def _median(x: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    return _kth(x.reshape(-1), _middle(x.reshape(-1), 0))[0] if dim is None else _kth(x, _middle(x, dim), dim, keepdim)


def _median_vjp(g: Any, z: Any, x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    if dim is not None:
        return _kth_vjp(g, z, x, _middle(x, dim), dim, keepdim)
    _refuse_equal(1 - 1.0 * (np.sum(x == z) > 1))
    return np.asarray(g * (x == z))


register("median", "z = median(X)", _median, {"X": ("dL/dX[i] = dL/dz, X[i] = z", _median_vjp)}, inputs="X", source=PICKED)


def _running(names: str, accumulate: Function) -> None:
    """The largest (or smallest) so far; of equal ones torch names the last."""

    def compute(x: Array, dim: int) -> tuple[Array, Any]:
        if not x.ndim:
            return np.array(x), np.array(0)
        values = accumulate(x, axis=dim)
        shape = [1] * x.ndim
        shape[dim] = -1
        own = np.where(x == values, np.arange(x.shape[dim]).reshape(shape), 0)
        return values, np.maximum.accumulate(own, axis=dim)

    def vjp(g: Any, z: Any, x: Array, dim: int) -> Array:
        if not x.ndim:
            return np.array(g[0])
        dx = np.zeros(x.shape)
        places: list[Any] = list(np.indices(x.shape, sparse=True))
        places[dim] = z[1]
        np.add.at(dx, tuple(places), g[0])
        return dx

    register(
        names,
        f"Z[i] = {names[3:]}(X[:i + 1])",
        compute,
        {"X": ("dL/dX[j] += dL/dZ[i], X[j] = Z[i]", vjp)},
        inputs="X",
        source=PICKED,
    )


_running("cummax", np.maximum.accumulate)
_running("cummin", np.minimum.accumulate)
