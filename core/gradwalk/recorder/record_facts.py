"""What a record says of itself, for those who decide where a step begins and ends."""

from __future__ import annotations

from collections.abc import Iterable

from .records import BackwardRecord, Call, OpRecord, Record, Slot


def counts(record: OpRecord) -> bool:
    """Whether an op makes its pass a forward: it makes a graph, runs inside a module, or reads a parameter together with data."""
    if record.makes_graph or record.call is not None:
        return True
    parameters = data = False
    for slot in record.inputs:
        if slot.requires_grad:
            parameters = True
        else:
            data = True
    return parameters and data and not any(slot.written for slot in record.outputs)


def writes_a_leaf(record: OpRecord) -> bool:
    """Whether it is an update that changes a leaf, rather than its gradient."""
    return record.update and record.name != "zero_grad"


def outermost_call(record: OpRecord) -> Call | None:
    """The outermost module call in which an op ran, or None."""
    return None if record.call is None else record.call.outermost or record.call


def made_by(record: Record) -> Iterable[Slot]:
    """The Values that an op made; a backward makes none."""
    return record.outputs if isinstance(record, OpRecord) else ()


def read_by(record: Record) -> Iterable[Slot]:
    """The Values that an op read; a backward reads none."""
    return record.inputs if isinstance(record, OpRecord) else ()


def accumulated_by(record: BackwardRecord) -> Iterable[Slot]:
    """The leaves whose gradients a backward has reached."""
    return [leaf for place, _, _ in record.ran if (leaf := record.nodes[place].leaf) is not None]
