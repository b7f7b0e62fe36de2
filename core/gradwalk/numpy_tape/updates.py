"""Is a write an update of a leaf? It is, if what is written came (through other ops) from a read of the same array."""

from __future__ import annotations

from .names import is_fixed, is_gradient_name
from .records import SHAPE_ONLY, OpRecord, Slot, Storage

_FARTHEST = 20_000


def first_read(record: OpRecord, storage: Storage) -> int | None:
    """The moment of the first op that read a storage and led to what ``record`` makes, or None.

    Ops of the same statement (weight decay) do not count; and nothing leads through another update: a momentum is read for its
    own next value, by way of the weights.
    """
    statement = record.place.statement
    first: int | None = None
    seen: set[Slot] = set()
    waiting = list(record.inputs)
    while waiting and len(seen) < _FARTHEST:
        slot = waiting.pop()
        maker = slot.maker
        if slot in seen or maker is None or maker is record or maker.updates:
            continue
        seen.add(slot)
        if maker.place.statement != statement and maker.name not in SHAPE_ONLY and _reads(maker, storage):
            first = maker.moment if first is None else min(first, maker.moment)
        waiting += maker.inputs
    return first


def _reads(record: OpRecord, storage: Storage) -> bool:
    """Whether an op reads a storage, and not just to write it again."""
    return any(slot.storage is storage for slot in record.inputs) and all(old.storage is not storage for old, _ in record.writes)


def rebound(record: OpRecord, scalar_at: int, begin: int) -> Slot | None:
    """The array whose name the result takes over after a gradient step, ``w = w - rate * grad_w``, or None.

    The statement has a gradient by name, or a scalar (the loss, at ``scalar_at``) came since the pass, which
    began at ``begin``, first read the array.
    """
    read = _read_in_statement(record)
    name = record.variable if is_fixed(record.variable) else ""
    called = (slot for slot, text in read if record.variable in (text, name and slot.name))
    found = next((slot for slot in called if slot.shape == record.outputs[0].shape), None)
    if found is None:
        return None
    wanted = {record.variable, found.name}
    if any(is_gradient_name(called, of) for slot, text in read for called in (text, *slot.aliases) for of in wanted):
        return found
    return found if record.name in ("add", "subtract") and begin <= found.storage.read < scalar_at else None


def _read_in_statement(record: OpRecord) -> list[tuple[Slot, str]]:
    """What a record read (with what it is called there), and the unnamed values before it in the same statement."""
    found, at = list(zip(record.inputs, record.texts, strict=True)), 0
    while at < len(found) and len(found) < 64:
        maker = found[at][0].maker
        if maker is not None and maker is not record and maker.place.statement == record.place.statement:
            found += [pair for pair in zip(maker.inputs, maker.texts, strict=True) if pair not in found]
        at += 1
    return found


def take_over(slot: Slot, name_of: Slot) -> None:
    """``params[k] = params[k] - ...``: the new array is called what the old one is, where its variable says nothing."""
    if not is_fixed(slot.name):
        slot.name, slot.depth, slot.aliases = name_of.name, name_of.depth, name_of.aliases
