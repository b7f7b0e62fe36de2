"""The scalars of a script that is on the tape: float64 and float32 whose arithmetic is noted, since the loss may come of it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import run_ufunc
from .dispatch import run
from .looks import Lookalike, looks_like

if TYPE_CHECKING:
    from .records import Slot

ARITHMETIC = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power"}
SHOWING = frozenset(("__str__", "__repr__", "__format__", "__float__", "item", "tolist"))
"""Methods by which a scalar is printed, or leaves NumPy to be kept."""
QUIET = ("__reduce__", "__reduce_ex__", "__round__", "__copy__", "__deepcopy__", "__array__", "__getitem__")
_NUMBERS = (int, float, np.floating, np.integer)


@looks_like(np.float64)
class TapeFloat64(np.float64, metaclass=Lookalike):
    """A float64 on the tape. NumPy finds its dtype by its first base class."""

    __class__ = property(lambda self: np.float64)


@looks_like(np.float32)
class TapeFloat32(np.float32, metaclass=Lookalike):
    """A float32 on the tape."""

    __class__ = property(lambda self: np.float32)


SCALARS: dict[type, Any] = {np.float64: TapeFloat64, np.float32: TapeFloat32}


def scalar(value: Any, slot: Slot) -> Any:
    """A float64 or float32 as a scalar on the tape."""
    made = SCALARS[type(value)](value)
    made.__dict__["_plain"] = value
    made.__dict__["_slot"] = slot
    return made


def _array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **named: Any) -> Any:
    return run_ufunc(ufunc, method, inputs, named)


def _set(self: Any, name: str, value: Any) -> None:
    setattr(self._plain, name, value)  # raises what NumPy's own raises


def _negative(self: Any) -> Any:
    return run("negative", operator.neg, (self,), {})


def _binary(base: type, name: str, *, reflected: bool) -> Callable[..., Any]:
    function, called = getattr(operator, name), ARITHMETIC[name]
    inherited = getattr(base, f"__{'r' if reflected else ''}{name}__")

    def method(self: Any, other: Any, *modulo: Any) -> Any:
        if modulo or not isinstance(other, _NUMBERS):
            return inherited(self, other, *modulo)
        return run(called, function, (other, self) if reflected else (self, other), {})

    return method


def _of_plain(name: str) -> Callable[..., Any]:
    shows = name in SHOWING

    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        self._slot.printed = self._slot.printed or shows
        return getattr(self._plain, name)(*arguments, **named)

    return method


def _equip(cls: Any, base: type) -> None:
    cls._on_tape = "scalar"
    cls.__array_ufunc__ = _array_ufunc
    cls.__neg__ = _negative
    for name in ARITHMETIC:
        setattr(cls, f"__{name}__", _binary(base, name, reflected=False))
        setattr(cls, f"__r{name}__", _binary(base, name, reflected=True))
    public = [name for name in dir(base) if not name.startswith("_") and callable(getattr(base, name))]
    for name in (*SHOWING, *QUIET, *public):
        if hasattr(base, name):
            setattr(cls, name, _of_plain(name))
    cls.__setattr__ = _set


for _base, _scalar in SCALARS.items():
    _equip(_scalar, _base)
