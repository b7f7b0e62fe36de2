"""NumPy as the script's own modules see it: the same names, but what makes arrays makes them on the tape."""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from .dispatch import current, run
from .generators import CLASSES, on_tape

PACKAGES = frozenset(
    (
        "numpy",
        "numpy.random",
        "numpy.linalg",
        "numpy.fft",
        "numpy.lib",
        "numpy.lib.stride_tricks",
        "numpy.lib.scimath",
        "numpy.emath",
    )
)
TARGETS = {"copyto": 0, "put": 0, "place": 0, "putmask": 0, "fill_diagonal": 0, "put_along_axis": 0, "shuffle": 0}
"""Functions that write into an argument, and which."""
INDEXING = frozenset(("r_", "c_", "mgrid", "ogrid"))
_modules: dict[str, NumpyModule] = {}


class NumpyModule(types.ModuleType):
    """A NumPy module whose functions note what they do. What is set on it is set on the real one."""

    def __init__(self, real: types.ModuleType) -> None:
        self.__dict__.update(
            {name: value for name, value in vars(real).items() if name.startswith("__") and name != "__getattr__"}
        )
        self.__dict__["_real"] = real

    def __getattr__(self, name: str) -> Any:
        value = wrapped(getattr(self._real, name))
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        delattr(self._real, name)
        self.__dict__.pop(name, None)

    def __dir__(self) -> list[str]:
        return dir(self._real)


class Function:
    """A NumPy function whose call is noted; for the rest it is the function."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.__dict__["_function"] = function
        self.__dict__["_called"] = (name, TARGETS.get(name))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the function; the op is noted, and what it makes is on the tape."""
        name, target = self._called
        return run(name, self._function, arguments, named, target if arguments else None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._function, name, value)

    def __repr__(self) -> str:
        return repr(self._function)

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.itemgetter(0), ([self._function],)

    __module__ = property(lambda self: self._function.__module__)
    __doc__ = property(lambda self: self._function.__doc__)
    __class__ = property(lambda self: type(self._function))


class Indexing:
    """``np.c_[x, ones]`` and the like."""

    def __init__(self, real: Any, name: str) -> None:
        self._real, self._name = real, name

    def __getitem__(self, key: Any) -> Any:
        return run(
            self._name,
            lambda *parts: self._real[parts if type(key) is tuple else parts[0]],
            key if type(key) is tuple else (key,),
            {},
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __len__(self) -> int:
        return len(self._real)

    def __repr__(self) -> str:
        return repr(self._real)


def numpy_module(name: str) -> Any:
    """A NumPy module for the script: its stand-in, or the module itself where it makes no arrays."""
    real = sys.modules[name]
    if name not in PACKAGES:
        return real
    if name not in _modules:
        _modules[name] = NumpyModule(real)
    return _modules[name]


_functions: dict[int, tuple[Any, Any]] = {}


def wrapped(value: Any) -> Any:
    """What the script gets for something of NumPy's."""
    if isinstance(value, types.ModuleType):
        return numpy_module(value.__name__) if value.__name__ in PACKAGES else value
    if isinstance(value, type):
        return CLASSES.get(value, value)
    known = _functions.get(id(value))
    if known is None:
        known = _functions[id(value)] = (value, _wrap(value))
    return known[1]


def _wrap(value: Any) -> Any:
    if callable(value) and not isinstance(value, np.ufunc) and hasattr(value, "__name__"):
        name = value.__name__
        return MAKERS[name](value) if name in MAKERS else Function(value, name)
    name = _indexing_name(value)
    return Indexing(value, name) if name else value


def _indexing_name(value: Any) -> str:
    return next((name for name in INDEXING if getattr(np, name) is value), "")


class _Maker(Function):
    """A function whose result gets a wrapper that is no array: ``default_rng``, ``load``."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function, function.__name__)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        made = super().__call__(*arguments, **named)
        return on_tape(made) if current() is not None else made


MAKERS: dict[str, Callable[[Callable[..., Any]], Any]] = {"default_rng": _Maker, "load": _Maker}
