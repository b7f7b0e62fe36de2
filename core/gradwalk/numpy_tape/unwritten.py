"""Memory that nobody has written yet holds whatever was in it before: ``np.empty`` makes it, views of it hold it.

It is not measured. A write to a part of it leaves the rest: such an array is measured when an op reads it.
"""

from __future__ import annotations

from .records import OpRecord, Slot

MAKERS = frozenset(("empty", "empty_like", "ndarray"))
NOTHING, SOME, ALL = range(3)
"""How much of a Slot's memory nobody has written (``Slot.unwritten``)."""


def hands_on(record: OpRecord, slot: Slot) -> bool:
    """Whether an op leaves an input as little measured as it was: it only writes to it, or looks into it."""
    return slot.unwritten == ALL or (slot.unwritten == SOME and record.name in ("setitem", "getitem"))


def mark_made(slot: Slot, inputs: list[Slot]) -> None:
    """A result that shares the memory of an input is as unwritten as that."""
    slot.unwritten = max([one.unwritten for one in inputs if one.storage is slot.storage], default=slot.unwritten)


def mark_written(record: OpRecord, old: Slot, new: Slot, target: Slot) -> None:
    """An array was written: as a whole, where it is the ``target`` and no index says which part."""
    whole = new is target and record.name != "setitem"
    new.unwritten = SOME if old.unwritten and not whole else NOTHING
