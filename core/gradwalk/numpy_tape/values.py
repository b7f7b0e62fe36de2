"""Which value an array holds: its slot, kept with the array, and looked up for arrays that the tape did not make."""

from __future__ import annotations

import weakref
from functools import lru_cache
from typing import Any

import numpy as np

from .arrays import TapeArray
from .operands import is_taped, plain
from .records import BEFORE, Slot, Storage
from .scalars import SCALARS, scalar

KINDS = "biufc"
"""Kinds of dtypes that go on the tape."""


class Values:
    """Slots of arrays and scalars."""

    def __init__(self) -> None:
        self._foreign: dict[int, tuple[weakref.ref[Any], Slot]] = {}

    def slot_of(self, thing: Any) -> Slot:
        """The value that an array or scalar holds now. An array written through another view of its memory holds a new one."""
        if not is_taped(thing):
            return self._slot_of_foreign(thing)
        if not isinstance(thing, np.ndarray):
            slot: Slot = thing._slot
            return slot
        held: Slot | None = getattr(thing, "_slot", None)
        if held is None:
            return self._give(thing, _new_slot(Storage(BEFORE, root_of(plain(thing))), thing))
        if held.version != held.storage.version or held.shape != thing.shape:
            return self._give(thing, next_version(held, thing))
        return held

    def wrap(self, made: Any, sources: list[tuple[Any, Slot]], moment: int) -> tuple[Any, Slot]:
        """A result on the tape, and its slot. ``sources`` are the arguments, whose memory an array may share.

        Scalars of other types than float64 and float32, and arrays of objects or texts, stay plain.
        """
        if not isinstance(made, np.ndarray):
            slot = _new_slot(Storage(moment), made)
            return (scalar(made, slot) if type(made) in SCALARS else made), slot
        root = root_of(made)
        parent, shared = next(((array, slot) for array, slot in sources if slot.storage.is_in(root)), (None, None))
        storage = shared.storage if shared is not None else Storage(moment, root)
        slot = _new_slot(storage, made)
        if made.dtype.kind not in KINDS:
            return made, slot
        array = made.view(TapeArray)
        array._slot = slot
        array._parent = None
        if parent is not None:
            owner = _owner_of(storage)
            array._parent = parent if owner is None else owner
        elif made.base is None:
            storage.owner = weakref.ref(array)
        return array, slot

    def written(self, array: Any) -> list[tuple[Any, Slot, Slot]]:
        """An array was written in place: ``(array, old, new)`` for it, and for the array whose memory it looks into."""
        old = self.slot_of(array)
        storage = old.storage
        owner = _owner_of(storage)
        before = self.slot_of(owner) if owner is not None and owner is not array else None
        storage.version += 1
        pairs = [(array, old, self._give(array, next_version(old, array)))]
        if owner is not None and before is not None:
            pairs.append((owner, before, self._give(owner, next_version(before, owner))))
        return pairs

    def _give(self, array: Any, slot: Slot) -> Slot:
        if is_taped(array):
            array._slot = slot
        else:
            self._keep(array, slot)
        return slot

    def _slot_of_foreign(self, array: np.ndarray[Any, Any]) -> Slot:
        known = self._foreign.get(id(array))
        if known is not None and known[0]() is array:
            slot: Slot = known[1]
            fits = slot.version == slot.storage.version and slot.shape == array.shape
            return slot if fits else self._give(array, next_version(slot, array))
        slot = _new_slot(Storage(BEFORE, root_of(array)), array)
        self._keep(array, slot)
        return slot

    def _keep(self, array: Any, slot: Slot) -> None:
        key, foreign = id(array), self._foreign

        def forget(gone: weakref.ref[Any]) -> None:
            if key in foreign and foreign[key][0] is gone:
                del foreign[key]

        foreign[key] = (weakref.ref(array, forget), slot)


def root_of(array: Any) -> Any:
    """The plain array (or other object) that owns an array's memory."""
    return array if array.base is None else array.base


@lru_cache(maxsize=256)
def dtype_name(dtype: np.dtype[Any]) -> str:
    """``float64``, whatever the byte order."""
    return str(dtype.name)


def next_version(slot: Slot, array: Any) -> Slot:
    """The slot of what an array holds after a write."""
    new = _new_slot(slot.storage, array)
    new.name, new.depth, new.aliases, new.base = slot.name, slot.depth, slot.aliases, slot
    return new


def _new_slot(storage: Storage, thing: Any) -> Slot:
    slot = Slot(storage, thing.shape, dtype_name(thing.dtype), version=storage.version)
    slot.steps, slot.itemsize = thing.strides, thing.itemsize
    return slot


def _owner_of(storage: Storage) -> Any:
    return storage.owner() if storage.owner is not None else None
