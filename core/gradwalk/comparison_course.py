"""How far the columns of a comparison are apart over all steps, by their statistics; read one step after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .divergence import figures_of, how_far_apart
from .matching import Row
from .paths import Kind, id_of, path_of
from .recording.tables import Asked, tables_from
from .same import Same
from .trace import NONE, STATISTICS, Graph, Trace, empty_table

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]
_COUNT = STATISTICS.index("count")
_READ = frozenset(("count", "min", "max", "sum", "sumsq", "nan", "inf"))


class Steps(Protocol):
    """What is asked of a recording."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Trace: ...


@dataclass(frozen=True, slots=True)
class First:
    """The first place at which two columns are further apart than a tolerance: a step's number, a row, a column."""

    step: int
    row: int
    column: int
    relative: float


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """How far columns are apart over the steps, by their statistics.

    ``apart`` is float64 ``[rows, columns, steps]`` for the rows whose places are in ``rows``, relative to the largest element;
    NaN where it is not known, and in the column that the others are compared with. ``worst`` is the largest of all rows,
    ``[steps]``.
    """

    steps: NDArray[np.int64]
    rows: tuple[int, ...]
    apart: Numbers
    worst: Numbers
    first: First | None


class Reading:
    """Takes one step after the other; ``course`` is what has been read up to now.

    In steps of another structure than the rows' (``graphs``, one per column) a thing is found again by its path.
    """

    def __init__(
        self,
        recordings: Sequence[Steps],
        places: Sequence[Places],
        steps: Places,
        rows: Sequence[Row],
        graphs: Sequence[Graph],
        wanted: tuple[int, ...],
        tolerance: float,
    ) -> None:
        self._rows, self._graphs, self._tolerance = rows, graphs, tolerance
        self._tables = zip(*(_tables(recording, of) for recording, of in zip(recordings, places, strict=True)), strict=True)
        self.at = 0
        """How many steps have been read."""
        apart = np.full((len(wanted), len(graphs), len(steps)), np.nan)
        self.course = Course(steps, wanted, apart, np.full(len(steps), np.nan), None)

    def read(self) -> bool:
        """Read the next step; False where there is none."""
        together = next(self._tables, None)
        if together is None:
            return False
        course = self.course
        columns = [
            None if read is None else columns_of(self._rows, column, self._graphs[column], *read)
            for column, read in enumerate(together)
        ]
        apart = _apart(columns, len(self._rows))
        course.apart[:, :, self.at] = apart[list(course.rows)]
        if not np.isnan(apart).all():
            course.worst[self.at] = np.nanmax(apart)
            if course.first is None:
                self.course = replace(course, first=_first(int(course.steps[self.at]), apart, self._tolerance))
        self.at += 1
        return True


def _first(step: int, apart: Numbers, tolerance: float) -> First | None:
    places = np.argwhere(apart > tolerance)
    if not len(places):
        return None
    row, column = places[0].tolist()
    return First(step, row, column, float(apart[row, column]))


def _tables(recording: Steps, places: Places) -> Iterator[tuple[Graph, Numbers, Numbers] | None]:
    """Graph and statistics of Values and gradients of the steps at rising places; None where a step cannot be read."""
    asked = Asked(_READ, _READ)
    start, found = 0, dict[int, tuple[Graph, Numbers, Numbers]]()
    for place in places.tolist():
        if place >= start:
            found.clear()
            start, tables = tables_from(recording, place, asked)
            for table in tables:
                for number, at in enumerate(table.places.tolist()):
                    found[at] = table.graph, table.values[:, :, number], table.gradients[:, :, number]
        yield found.get(place)


def columns_of(rows: Sequence[Row], column: int, graph: Graph, now: Graph, values: Numbers, gradients: Numbers) -> Numbers:
    """The statistics of the rows in one column, ``[8, rows]``."""
    made = empty_table(len(rows))
    things = _things(Same(rows), column, Same(graph), Same(now))
    for table, (places, of) in zip((values, gradients), things, strict=True):
        made[:, places] = table[:, of]
    return made


@lru_cache(maxsize=32)
def _things(
    rows: Same[Sequence[Row]], column: int, graph: Same[Graph], now: Same[Graph]
) -> tuple[tuple[Places, Places], tuple[Places, Places]]:
    """Of Values and of gradients: the places of rows, and which thing of the Graph ``now`` each is in a column."""
    found: dict[str, tuple[list[int], list[int]]] = {"value": ([], []), "gradient": ([], [])}
    for place, row in enumerate(rows.thing):
        cell = row.cells[column]
        if cell is None or len(cell.things) != 1:
            continue
        thing = cell.things[0]
        if graph != now:
            kind: Kind = "value" if cell.kind == "value" else "edge"
            thing = id_of(now.thing, kind, path_of(graph.thing, kind, thing))
        if thing != NONE:
            found[cell.kind][0].append(place)
            found[cell.kind][1].append(thing)
    values, gradients = ((np.array(places, np.int64), np.array(things, np.int64)) for places, things in found.values())
    return values, gradients


def figures(table: Numbers) -> Numbers:
    """The figures of divergence, ``[figures, things]``. Of one element the RMS is the element: sums of squares are rounded."""
    found = figures_of(table)
    single = table[_COUNT] == 1
    found[0, single] = np.abs(found[1, single])
    return found


def _apart(columns: Sequence[Numbers | None], rows: int) -> Numbers:
    """How far each column is from the first that has the row, ``[rows, columns]``; NaN where it is not known."""
    found = np.full((rows, len(columns)), np.nan)
    base = empty_table(rows)
    for column, table in enumerate(columns):
        if table is None:
            continue
        both = (base[_COUNT] >= 0) & (table[_COUNT] >= 0)
        if both.any():
            distances = how_far_apart(base, table, figures(base), figures(table)).max(axis=0)
            found[both, column] = distances[both]
        base = np.where(base[_COUNT] >= 0, base, table)
    return found
