"""What data holds at one moment, to be put back into the same objects later: numbers, generators' states, parts of containers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import CellType
from typing import Any

import numpy as np
import torch
from torch.autograd.grad_mode import _unsafe_preserve_version_counter

from .copies import is_plain

MOST_ELEMENTS = 1 << 25
"""Elements of all tensors and arrays held at a time."""
SMALL = 1 << 14
"""Elements, or parts of a container, up to which data is small."""
_DEEPEST = 3


class TooMuchError(Exception):
    """There is more data than is held."""


class Snapshot:
    """Some things as they are now. With ``small`` only small ones, and no tensor that is trained."""

    def __init__(self, *, small: bool) -> None:
        self._small = small
        self.parts: list[Callable[[], None]] = []
        """Each puts one of them back; what has not changed is not touched."""
        self._seen: dict[int, Any] = {}
        self._left = MOST_ELEMENTS

    def put_back(self) -> None:
        """All is as it was."""
        for back in self.parts:
            back()

    def take_variable(self, where: dict[str, Any] | CellType | type, name: str) -> None:
        """A global, an attribute of a class, or a variable that a function closes over: what it is, and what that holds."""
        held = _read(where, name)
        self.parts.append(lambda: None if _read(where, name) is held else _write(where, name, held))
        self.take(held)

    def take(self, thing: Any, depth: int = 0) -> None:
        """Data, and the data in it. Anything else is only told apart from other things, not looked into. Raises TooMuchError."""
        if id(thing) in self._seen or depth > _DEEPEST:
            return
        self._seen[id(thing)] = thing
        if isinstance(thing, torch.Tensor):
            self._take_tensor(thing)
        elif isinstance(thing, np.ndarray):
            self._take_array(thing)
        elif isinstance(thing, torch.Generator):
            self._take_state(thing.get_state, thing.set_state)
        elif isinstance(thing, random.Random):
            self._take_state(thing.getstate, thing.setstate)
        elif isinstance(thing, np.random.Generator):
            bits = thing.bit_generator
            self._take_state(lambda: bits.state, lambda state: setattr(bits, "state", state))
        elif isinstance(thing, np.random.RandomState):
            self._take_state(lambda: thing.get_state(legacy=False), thing.set_state)
        elif isinstance(thing, list | dict | set):
            self._take_container(thing, depth)
        elif is_plain(type(thing)):
            self._take_container(vars(thing), depth)

    def _take_state(self, get: Callable[[], Any], put: Callable[[Any], Any]) -> None:
        state = get()
        self.parts.append(lambda: put(state))

    def _take_container(self, thing: list[Any] | dict[Any, Any] | set[Any], depth: int) -> None:
        if len(thing) > SMALL and self._small:
            return
        parts: Any = type(thing)(thing) if type(thing) in (list, dict, set) else thing.copy()
        self.parts.append(lambda: None if _same_parts(thing, parts) else _refill(thing, parts))
        if len(thing) <= SMALL:
            for part in parts.values() if isinstance(parts, dict) else parts:
                self.take(part, depth + 1)

    def _take_tensor(self, tensor: torch.Tensor) -> None:
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.layout is not torch.strided or tensor.is_meta:
            return
        if self._small and (tensor.requires_grad or tensor.numel() > SMALL):
            return
        self._count(tensor.numel())
        copy, version = tensor.detach().clone(), tensor._version
        as_now = _unsafe_preserve_version_counter(tensor)

        def back() -> None:
            if tensor._version != version:
                with torch.no_grad(), as_now:
                    tensor.copy_(copy)

        self.parts.append(back)

    def _take_array(self, array: np.ndarray[Any, Any]) -> None:
        if self._small and array.size > SMALL:
            return
        self._count(array.size)
        copy = array.copy()
        self.parts.append(lambda: None if array.tobytes() == copy.tobytes() else np.copyto(array, copy))

    def _count(self, elements: int) -> None:
        self._left -= elements
        if self._left < 0:
            raise TooMuchError(f"more than {MOST_ELEMENTS:,} elements")


def _read(where: dict[str, Any] | CellType | type, name: str) -> Any:
    if isinstance(where, dict):
        return where.get(name)
    return where.cell_contents if isinstance(where, CellType) else vars(where).get(name)


def _write(where: dict[str, Any] | CellType | type, name: str, held: Any) -> None:
    if isinstance(where, dict):
        where[name] = held
    elif isinstance(where, CellType):
        where.cell_contents = held
    else:
        setattr(where, name, held)


def _parts(thing: Any) -> Iterator[Any]:
    if isinstance(thing, dict):
        for name, part in thing.items():
            yield name
            yield part
    else:
        yield from thing


def _same_parts(thing: Any, parts: Any) -> bool:
    if len(thing) != len(parts):
        return False
    if isinstance(thing, set):
        return bool(thing == parts)
    return all(one is other for one, other in zip(_parts(thing), _parts(parts), strict=True))


def _refill(thing: Any, parts: Any) -> None:
    if isinstance(thing, list):
        thing[:] = parts
        return
    thing.clear()
    thing.update(parts)
