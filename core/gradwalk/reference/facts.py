"""Ops through which no gradient goes: what is true of elements, where they stand, constants, and changes of the dtype (where
a gradient does go).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .registry import Array, Function, register, unbroadcast

FACT = "truth values and whole numbers have no derivative"


def _fact(names: str, text: str, compute: Function, inputs: str = "X") -> None:
    register(names, f"Z = {text}", compute, {}, inputs=inputs, source=FACT)


_fact("eq equal", "X == Y", np.equal, "X Y")
_fact("ne not_equal", "X != Y", np.not_equal, "X Y")
_fact("lt less", "X < Y", np.less, "X Y")
_fact("le less_equal", "X <= Y", np.less_equal, "X Y")
_fact("gt greater", "X > Y", np.greater, "X Y")
_fact("ge greater_equal", "X >= Y", np.greater_equal, "X Y")
_fact("logical_and", "X and Y", np.logical_and, "X Y")
_fact("logical_or", "X or Y", np.logical_or, "X Y")
_fact("logical_xor", "X xor Y", np.logical_xor, "X Y")
_fact("logical_not", "not X", np.logical_not)
_fact("and bitwise_and __and__ and_ iand", "X & Y", np.bitwise_and, "X Y")
_fact("or bitwise_or __or__ or_ ior", "X | Y", np.bitwise_or, "X Y")
_fact("xor bitwise_xor __xor__ xor_ ixor", "X ^ Y", np.bitwise_xor, "X Y")
_fact("invert bitwise_not __invert__", "~X", np.invert)
_fact("isfinite", "isfinite(X)", np.isfinite)
_fact("isnan", "isnan(X)", np.isnan)
_fact("isinf", "isinf(X)", np.isinf)
_fact("floor_divide", "floor(X / Y)", np.floor_divide, "X Y")


def _along(function: Function) -> Function:
    def compute(x: Array, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: bool = False) -> Array:
        return np.asarray(function(x, axis=dim if dim is not None else axis, keepdims=keepdim or keepdims))

    return compute


_fact("all", "all(X)", _along(np.all))
_fact("any", "any(X)", _along(np.any))
_fact("argmax", "where X is largest", _along(np.argmax))
_fact("argmin", "where X is smallest", _along(np.argmin))
_fact("count_nonzero", "count(X != 0)", lambda x, dim=None: np.asarray(np.count_nonzero(x, axis=dim)))


def _argsort(x: Array, dim: int = -1, descending: bool = False, stable: bool = False) -> Array:
    return np.asarray(np.argsort(-x if descending else x, axis=dim, kind="stable"))


def _histc(x: Array, bins: int = 100, min: float = 0, max: float = 0) -> Array:  # noqa: A002 (torch's names)
    """How many elements are in each of ``bins`` equal parts between the bounds; of both 0, between the least and the largest."""
    bounds = (min, max) if min or max else (x.min(), x.max())
    return np.histogram(x, bins, bounds)[0].astype(np.float64)


def _one_hot(x: Array, num_classes: int = -1) -> Array:
    return np.asarray(np.eye(int(x.max()) + 1 if num_classes == -1 else num_classes, dtype=np.int64)[x])


_fact("argsort", "the places of X in order", _argsort)
_fact("histc", "how many X in each bin", _histc)
_fact("bincount", "how many X of each number", lambda x, minlength=0: np.bincount(x, minlength=minlength))
_fact("one_hot", "onehot(X)", _one_hot)
_fact("detach detach_", "X", lambda x: np.array(x))
_fact("zeros_like zero_", "zeros_like(X)", lambda x, **others: np.zeros(np.shape(x)))
_fact("ones_like", "ones_like(X)", lambda x, **others: np.ones(np.shape(x)))
_fact("full_like", "full_like(X, fill_value)", lambda x, fill_value, **others: np.full(np.shape(x), fill_value))
_fact("new_zeros", "zeros(size)", lambda x, size, **others: np.zeros(size))
_fact("new_ones", "ones(size)", lambda x, size, **others: np.ones(size))
_fact("new_full", "full(size, fill_value)", lambda x, size, fill_value, **others: np.full(size, fill_value))


def _cast(x: Any, dtype: Any = None, device: Any = None, **others: Any) -> Array:
    """The numbers stay but where whole numbers (cut off towards 0) or truth values are made; rounding is left to the check."""
    made = str(dtype if dtype is not None else device).removeprefix("torch.")
    if made == "bool":
        return np.asarray(np.not_equal(x, 0))
    whole = made in ("int", "long", "short", "char", "byte") or made.startswith(("int", "uint"))
    return np.trunc(x).astype(np.int64) if whole else np.array(x)


_fact("bool", "X != 0", lambda x, **others: np.not_equal(x, 0))
_fact("int long short char byte", "trunc(X)", lambda x, **others: _cast(x, "int64"))
register(
    "to float double half bfloat16 cpu cuda",
    "Z = X",
    _cast,
    {"X": ("dL/dX = dL/dZ", lambda g, z, x, dtype=None, device=None, **others: np.array(g))},
    inputs="X",
    source="the identity, in another dtype or at another place",
)
register(
    "type_as",
    "Z = X",
    lambda x, other: np.array(x) if np.asarray(other).dtype.kind == "f" else np.trunc(x),
    {"X": ("dL/dX = dL/dZ", lambda g, z, x, other: np.array(g))},
    inputs="X Y",
    source="the identity, in the dtype of Y",
)
register(
    "copy_",
    "Z = Y",
    lambda x, src, **others: np.broadcast_to(src, np.shape(x)).copy(),
    {
        "X": ("dL/dX = 0 * dL/dZ", lambda g, z, x, src, **others: np.zeros(np.shape(x))),
        "Y": ("dL/dY = dL/dZ", lambda g, z, x, src, **others: unbroadcast(g, np.shape(src))),
    },
    inputs="X Y",
    source="all of X is written over by Y",
)
register(
    "fill_ fill",
    "Z = v",
    lambda x, value: np.full(np.shape(x), value, dtype=np.float64),
    {
        "X": ("dL/dX = 0 * dL/dZ", lambda g, z, x, value: np.zeros(np.shape(x))),
        "v": ("dL/dv = sum(dL/dZ)", lambda g, z, x, value: np.asarray(np.sum(g))),
    },
    inputs="X v",
    source="all of X is written over by one number",
)
