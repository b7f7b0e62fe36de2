"""The arrays of a script that is on the tape: they look and behave like NumPy's, and every op on them is noted.

Each method hands over to :func:`~.dispatch.run` with the plain function that does the work. The computing is always done by NumPy
on plain arrays over the same memory: the bits are those of a program without a tape.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .dispatch import run
from .looks import Lookalike, looks_like
from .operands import plain, plain_tree

if TYPE_CHECKING:
    from .records import Slot

METHODS = (
    *("all", "any", "argmax", "argmin", "argpartition", "argsort", "astype", "choose", "clip", "compress", "conj", "conjugate"),
    *("copy", "cumprod", "cumsum", "diagonal", "dot", "flatten", "max", "mean", "min", "nonzero", "prod", "ravel", "repeat"),
    *("reshape", "round", "searchsorted", "squeeze", "std", "sum", "swapaxes", "take", "trace", "transpose", "var", "view"),
    *("__copy__", "__deepcopy__", "__getitem__"),
)
WRITING_METHODS = ("fill", "itemset", "partition", "put", "setfield", "sort", "__setitem__")
PLAIN_METHODS = (
    *("byteswap", "dump", "dumps", "getfield", "tobytes", "tofile", "tolist", "to_device"),
    *("__contains__", "__reduce__", "__reduce_ex__", "__repr__", "__str__", "__format__"),
)
NAMES = {"__copy__": "copy", "__deepcopy__": "copy", "__getitem__": "getitem", "__setitem__": "setitem"}


@looks_like(np.ndarray)
class TapeArray(np.ndarray[Any, np.dtype[Any]], metaclass=Lookalike):
    """An array on the tape. ``_slot`` is the value that it holds, ``_parent`` the array whose memory it looks into."""

    __slots__ = ("_parent", "_slot")

    _on_tape = "array"
    _parent: Any
    _slot: Slot | None

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **named: Any) -> Any:
        return run_ufunc(ufunc, method, inputs, named)

    def __array_function__(self, function: Callable[..., Any], types: Any, arguments: Any, named: Any) -> Any:
        return run(function.__name__, function, arguments, named)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return np.ndarray

    @property
    def T(self) -> Any:  # noqa: D102
        return run("transpose", operator.attrgetter("T"), (self,), {})

    @property
    def mT(self) -> Any:  # noqa: D102
        return run("matrix_transpose", operator.attrgetter("mT"), (self,), {})

    @property
    def real(self) -> Any:  # noqa: D102
        return run("real", operator.attrgetter("real"), (self,), {})

    @real.setter
    def real(self, value: Any) -> None:
        run("setitem", _set_real, (self, value), {}, 0)

    @property
    def imag(self) -> Any:  # noqa: D102
        return run("imag", operator.attrgetter("imag"), (self,), {})

    @imag.setter
    def imag(self, value: Any) -> None:
        run("setitem", _set_imag, (self, value), {}, 0)

    @property
    def base(self) -> Any:  # noqa: D102
        inner = super().base
        if not isinstance(inner, np.ndarray) or inner.dtype.kind == "V":
            return inner
        parent = getattr(self, "_parent", None)
        return parent if parent is not None else inner.base

    def item(self, *place: Any) -> Any:  # noqa: D102
        return plain(self).item(*place)

    def resize(self, *shape: Any, refcheck: bool = True) -> None:  # noqa: D102
        run("resize", _resized(self), (self, *shape), {}, 0)


def _set_real(array: Any, value: Any) -> None:
    array.real = value


def _set_imag(array: Any, value: Any) -> None:
    array.imag = value


def _resized(wrapped: TapeArray) -> Callable[..., None]:
    """What changes the size of an array in place: NumPy's own refuses, since the memory belongs to the plain array within."""

    def resize(array: Any, *shape: Any) -> None:
        if wrapped.base is not None:
            array.resize(*shape)  # raises: it looks into another array's memory
        owned = array.copy()
        owned.resize(*shape, refcheck=False)
        restore: Any = np.ndarray.__setstate__
        restore(wrapped, (1, owned.shape, owned.dtype, False, owned.tobytes()))

    return resize


def run_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """A ufunc, or one of its methods (``reduce``, ``at``), on arrays of which some are on the tape."""
    if method == "__call__":
        return run(ufunc.__name__, ufunc, inputs, named)
    name = f"{ufunc.__name__}.{method}"
    return run(name, getattr(ufunc, method), inputs, named, 0 if method == "at" else None)


def _method(name: str, target: int | None = None) -> Callable[..., Any]:
    function, called = getattr(np.ndarray, name), NAMES.get(name, name)

    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return run(called, function, (self, *arguments), named, target)

    return _named(method, name, function)


def _plain_method(name: str) -> Callable[..., Any]:
    function = getattr(np.ndarray, name)

    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return function(plain(self), *plain_tree(arguments), **named)

    return _named(method, name, function)


def _named(method: Any, name: str, function: Any) -> Callable[..., Any]:
    method.__name__ = name
    method.__qualname__ = f"ndarray.{name}"
    method.__doc__ = function.__doc__
    result: Callable[..., Any] = method
    return result


for _name in METHODS:
    if hasattr(np.ndarray, _name):
        setattr(TapeArray, _name, _method(_name))
for _name in WRITING_METHODS:
    if hasattr(np.ndarray, _name):
        setattr(TapeArray, _name, _method(_name, 0))
for _name in PLAIN_METHODS:
    if hasattr(np.ndarray, _name):
        setattr(TapeArray, _name, _plain_method(_name))
