"""How values flow through the ops of a pass: who made them, who reads them, what leads to what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .records import OpRecord, Slot


@dataclass(frozen=True, slots=True)
class Flow:
    """Look-ups over the ops of a pass, by their index."""

    records: Sequence[OpRecord]
    made: dict[Slot, int]
    """The op that made a value."""
    readers: dict[Slot, list[int]]
    """The ops that read a value, in order."""

    def first_version(self, slot: Slot) -> Slot:
        """The value that a chain of in-place writes started from."""
        while slot.base is not None and slot in self.made:
            slot = slot.base
        return slot

    def is_outside(self, slot: Slot) -> bool:
        """Whether no op of the pass made this value."""
        return slot not in self.made

    def outside(self) -> list[Slot]:
        """The values from outside in the order in which they were read."""
        read = (slot for record in self.records for slot in record.inputs)
        return list(dict.fromkeys(slot for slot in read if self.is_outside(slot)))

    def up_from(self, slots: Iterable[Slot]) -> set[int]:
        """The ops that these values come from, on and on."""
        found: set[int] = set()
        waiting = [self.made[slot] for slot in slots if slot in self.made]
        while waiting:
            op = waiting.pop()
            if op not in found:
                found.add(op)
                waiting += [self.made[slot] for slot in self.records[op].inputs if slot in self.made]
        return found

    def down_from(self, slots: Iterable[Slot], within: set[int] | None = None) -> set[int]:
        """The ops that read these values, or what comes of them, on and on; only those ``within``, if that is given."""
        found: set[int] = set()
        waiting = [op for slot in slots for op in self.readers.get(slot, ())]
        while waiting:
            op = waiting.pop()
            if op not in found and (within is None or op in within):
                found.add(op)
                waiting += [reader for slot in self.records[op].outputs for reader in self.readers.get(slot, ())]
        return found

    def begin_of_statement(self, op: int) -> int:
        """The first op of the run of ops of one statement that ``op`` belongs to."""
        while op > 0 and self.records[op - 1].place.statement == self.records[op].place.statement:
            op -= 1
        return op


def flow_of(records: Sequence[OpRecord]) -> Flow:
    """The look-ups for the ops of a pass."""
    made: dict[Slot, int] = {}
    readers: dict[Slot, list[int]] = {}
    for index, record in enumerate(records):
        for slot in dict.fromkeys(record.inputs):
            readers.setdefault(slot, []).append(index)
        for slot in record.outputs:
            made[slot] = index
    return Flow(records, made, readers)
