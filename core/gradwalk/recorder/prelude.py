"""What ran before the loop is no part of the first step."""

from __future__ import annotations

from collections.abc import Sequence

from .record_facts import counts
from .records import OpRecord, Record, Slot
from .steps import Cut


def without_setup(cut: Cut) -> Sequence[Record]:
    """The first step's records without the set-up before its forward.

    An op of the prelude (all before the first that makes a graph, reads a parameter together with data, or runs in a module)
    belongs to the step if its call site comes again after it, and before the next one. Where no next step tells, it belongs if
    its result feeds the step and it computes it from other tensors.
    """
    prelude = _prelude(cut.records)
    if cut.at_end and not cut.following:
        kept = _feeding(cut.records, prelude)
    else:
        again = {record.place for record in (*cut.following, *cut.records[prelude:]) if isinstance(record, OpRecord)}
        kept = {index for index in range(prelude) if _op(cut.records[index]).place in again}
    return [record for index, record in enumerate(cut.records) if index >= prelude or index in kept]


def _prelude(records: Sequence[Record]) -> int:
    """How many records stand before the forward; none where nothing counts as one."""
    for index, record in enumerate(records):
        if not isinstance(record, OpRecord) or counts(record) or record.parent >= 0:
            return index
    return 0


def _feeding(records: Sequence[Record], prelude: int) -> set[int]:
    needed: set[Slot] = {slot for record in records[prelude:] if isinstance(record, OpRecord) for slot in record.inputs}
    kept: set[int] = set()
    for index in range(prelude - 1, -1, -1):
        op = _op(records[index])
        if op.inputs and any(slot in needed and not slot.leaf for slot in op.outputs):
            kept.add(index)
            needed.update(op.inputs)
    return kept


def _op(record: Record) -> OpRecord:
    assert isinstance(record, OpRecord)
    return record
