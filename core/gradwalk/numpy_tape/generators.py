"""Random generators and opened ``.npz`` files whose arrays are on the tape."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from .dispatch import run
from .looks import LookalikeClass, looks_like

_QUIET = frozenset(("spawn", "seed", "get_state", "set_state", "bytes", "bit_generator"))


@looks_like(np.random.Generator)
class TapeGenerator(np.random.Generator, metaclass=LookalikeClass):
    """A Generator whose arrays are on the tape."""

    def __reduce__(self) -> Any:
        return np.random.Generator(self.bit_generator).__reduce__()


@looks_like(np.random.RandomState)
class TapeRandomState(np.random.RandomState, metaclass=LookalikeClass):
    """A RandomState whose arrays are on the tape."""

    def __reduce__(self) -> Any:
        constructor, _, state = super().__reduce__()
        return constructor, (self._bit_generator,), state


class TapeNpzFile(NpzFile):
    """An opened ``.npz`` file whose arrays are on the tape."""

    def __getitem__(self, key: str) -> Any:
        return run("load", NpzFile.__getitem__, (self, key), {})


for _attribute in ("__name__", "__qualname__", "__module__"):
    setattr(TapeNpzFile, _attribute, getattr(NpzFile, _attribute))

CLASSES: dict[type, Any] = {np.random.Generator: TapeGenerator, np.random.RandomState: TapeRandomState}
"""What the script gets for a class of NumPy's whose objects make arrays."""


def on_tape(made: Any) -> Any:
    """The same generator or file, with arrays on the tape."""
    if type(made) is np.random.Generator:
        return TapeGenerator(made.bit_generator)
    if type(made) is NpzFile:
        made.__class__ = TapeNpzFile
    return made


def _method(name: str, base: Any) -> Callable[..., Any]:
    function = getattr(base, name)
    target = 0 if name == "shuffle" else None

    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        return run(name, types.MethodType(function, self), arguments, named, target)

    method.__name__ = name
    method.__doc__ = function.__doc__
    return method


for _class, _base in ((TapeGenerator, np.random.Generator), (TapeRandomState, np.random.RandomState)):
    for _name in dir(_base):
        if not _name.startswith("_") and _name not in _QUIET and callable(getattr(_base, _name)):
            setattr(_class, _name, _method(_name, _base))
