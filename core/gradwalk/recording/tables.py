"""The statistics of many steps without their Traces: of a batch only the columns that somebody asks for are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..scales import divided, factors_of, unscaled
from ..trace import STATISTICS, Graph, Trace
from .batch import scales_of_rows
from .chunks import Place, StepChunk
from .columns import Header, ReadAt, is_count, read_column
from .decoding import Decoder
from .dtypes import DType
from .format import MAX_STEPS, Damaged

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """Names of STATISTICS that are to be read, of Values and of gradients."""

    values: frozenset[str] = frozenset()
    gradients: frozenset[str] = frozenset()


def together(asked: Iterable[Asked]) -> Asked:
    """All that several ask for."""
    asked = tuple(asked)
    return Asked(frozenset().union(*(one.values for one in asked)), frozenset().union(*(one.gradients for one in asked)))


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The statistics of some steps of one Graph, float64 ``[8, things, steps]``; NaN in rows that were not asked for.

    ``places`` are the steps' indices into the recording, int64 ``[steps]``. Gradients are without the factor of a GradScaler.
    """

    graph: Graph
    places: NDArray[np.int64]
    values: Numbers
    gradients: Numbers


class Steps(Protocol):
    """Traces, one after the other."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Trace: ...


def tables_from(steps: Steps, start: int, asked: Asked) -> tuple[int, Sequence[Tables]]:
    """The steps that are read together with the ``start``-th, and the index after the last of them.

    A recording in a file gives a chunk, any other sequence of Traces one step. The index is ``start`` where none is complete.
    """
    reader = getattr(steps, "tables", None)
    if reader is not None:
        found: tuple[int, Sequence[Tables]] = reader(start, asked)
        return found
    if start >= len(steps):
        return start, ()
    trace = unscaled(steps[start])
    place = np.array([start], np.int64)
    return start + 1, [Tables(trace.graph, place, trace.values[:, :, None], trace.gradients[:, :, None])]


def tables_of(decoder: Decoder, chunk: StepChunk, graphs: dict[int, list[Place]], asked: Asked) -> Iterator[Tables]:
    """The Tables of a chunk, one per batch. Raises Damaged."""
    order = decoder.order(chunk) if len(chunk.batches) > 1 else None
    for number, place in enumerate(chunk.batches):
        read, header = decoder.header(place)
        count, graph = header.meta.get("steps"), header.meta.get("graph")
        if not is_count(count) or not 1 <= int(count or 0) <= MAX_STEPS or type(graph) is not int:
            raise Damaged("a batch's header is malformed")
        at = np.arange(chunk.steps) if order is None else np.flatnonzero(order.batches == number)
        rows = at if order is None else order.rows[at].astype(np.int64)
        if len(rows) and int(rows.max()) >= int(count or 0):
            raise Damaged("a batch holds fewer steps than its chunk says")
        yield _read(decoder.graph(graph, graphs.get(graph, [])), chunk.start + at, rows, read, header, asked)


def _read(graph: Graph, places: NDArray[np.int64], rows: NDArray[np.int64], read: ReadAt, header: Header, asked: Asked) -> Tables:
    values = _table(read, header, "values", len(graph.values), rows, asked.values)
    gradients = _table(read, header, "gradients", len(graph.edges), rows, asked.gradients)
    scales = scales_of_rows(header.meta.get("scales", {}), header.meta["steps"])
    if any(scale not in (0.0, 1.0) for of_row in scales.values() for scale in of_row):
        of_rows = [scales.get(row, ()) for row in rows.tolist()]
        by = {one: factors_of(graph, one) for one in set(of_rows)}
        if asked.values:
            values = divided(values, np.stack([by[one][0] for one in of_rows], axis=1))
        if asked.gradients:
            gradients = divided(gradients, np.stack([by[one][1] for one in of_rows], axis=1))
    return Tables(graph, places, values, gradients)


def _table(read: ReadAt, header: Header, name: str, things: int, rows: NDArray[np.int64], asked: frozenset[str]) -> Numbers:
    """The asked rows; they are read before there is room made for them, which a lie about their size could make too large."""
    found = {}
    for row, statistic in enumerate(STATISTICS):
        if statistic in asked:
            column = f"{name}.{statistic}"
            array = read_column(read, header, column)
            if header.columns[column].dtype is not DType.FLOAT64 or array.shape != (things, header.meta["steps"]):
                raise Damaged(f"the column {column!r} of a batch is not of the kind it must be")
            found[row] = array[:, rows]
    nothing: Numbers = np.broadcast_to(np.nan, (len(STATISTICS), things, len(rows)))
    if not found:
        return nothing
    made = np.full(nothing.shape, np.nan)
    for row, array in found.items():
        made[row] = array
    return made
