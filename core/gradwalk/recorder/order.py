"""The order in which things ran, where records hold others: what ran inside a backward stands between its Nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .records import BackwardRecord, Record


def events_of(records: Sequence[Record]) -> Iterator[tuple[Record, int]]:
    """Each event as ``(record, place among the Nodes that ran)``; -1 for an op, an update, and the loss of a backward."""
    for record in records:
        yield record, -1
        if isinstance(record, BackwardRecord):
            ran = 0
            for noted, inner in record.inside:
                before = max(noted, ran)  # what C++ asks for stands after its Node, which is noted later
                for place in range(ran, before):
                    yield record, place
                ran = before
                yield from events_of((inner,))
            for place in range(ran, len(record.ran)):
                yield record, place


def flat(records: Iterable[Record]) -> list[Record]:
    """The records and those that ran inside them, in the order in which they began."""
    found: list[Record] = []
    for record in records:
        found.append(record)
        if isinstance(record, BackwardRecord) and record.inside:
            found += flat([inner for _, inner in record.inside])
    return found


def inner(records: Iterable[Record]) -> list[Record]:
    """The records that ran inside others."""
    return [other for record in records if isinstance(record, BackwardRecord) for other in flat([r for _, r in record.inside])]
