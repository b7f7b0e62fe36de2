"""Classes that look like NumPy's: the same name in ``type(x)``, in messages, and in ``x.__class__``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

C = TypeVar("C", bound=type)


class Lookalike(type):
    """The metaclass of a subclass that looks like the NumPy class ``looks_like``."""

    looks_like: type

    __name__ = property(lambda cls: cls.looks_like.__name__)

    def __repr__(cls) -> str:
        return repr(cls.looks_like)


class LookalikeClass(Lookalike):
    """The same for a class that the script is given instead of NumPy's: NumPy's own objects are instances of it too."""

    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(thing, cls.looks_like)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, cls.looks_like)


def looks_like(base: type) -> Callable[[C], C]:
    """Class decorator. The C name carries the module (``numpy.ndarray``), as that of NumPy's class does: messages show it."""

    def decorate(cls: C) -> C:
        cls.looks_like = base  # type: ignore[attr-defined]
        type.__dict__["__name__"].__set__(cls, f"{base.__module__}.{base.__name__}")
        cls.__module__ = base.__module__
        cls.__qualname__ = base.__qualname__
        cls.__doc__ = base.__doc__
        return cls

    return decorate
