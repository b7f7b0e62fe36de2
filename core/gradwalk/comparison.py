"""Two or three recordings side by side: each quantity on one row, its number in each, and how far apart they are over the steps.

The programs may be written in different ways; which quantity is which is ``matching``'s matter. For steps of one structure see
``divergence``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .divergence import figures_of, how_far_apart
from .matching import Cell, Row, match
from .paths import Kind, id_of, path_of
from .recording.tables import Asked, tables_from
from .refusal import RefusalError
from .same import Same
from .scales import unscaled
from .tape import stats_of
from .trace import NONE, STATISTICS, Graph, Trace

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]
TOLERANCE = 1e-4
"""How far apart figures may be by default: float32 beside float64 stays well below it for some hundred steps."""
MOST = 3
"""So many recordings stand side by side at most."""
_COUNT, _SUM = STATISTICS.index("count"), STATISTICS.index("sum")
_READ = frozenset(("count", "min", "max", "sum", "sumsq", "nan", "inf"))


class Steps(Protocol):
    """What is asked of a recording."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Trace: ...


@dataclass(frozen=True, slots=True)
class Apart:
    """How far two tensors are apart: at most ``absolute``, and ``relative`` to the largest absolute element of both.

    ``exact`` where each element was compared; else it is their statistics (RMS, smallest, largest, mean) that were. Infinite
    where NaN or Inf are not at the same places.
    """

    relative: float
    absolute: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A Row at one step. ``numbers`` are RMS, of a tensor of one element the element; None where it is not there or not counted.

    ``apart`` are distances from the first column that has the quantity; None there, and where they are not known.
    """

    row: Row
    numbers: tuple[float | None, ...]
    apart: tuple[Apart | None, ...]

    @property
    def worst(self) -> float:
        """The largest relative distance; 0 where none is known."""
        return max((one.relative for one in self.apart if one is not None), default=0.0)


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


class Comparison:
    """Recordings side by side, of which the first is the one that the others are compared with."""

    def __init__(self, recordings: Sequence[Steps]) -> None:
        """Raises RefusalError where they have no step in common."""
        self.recordings = tuple(recordings)
        numbers = [step_numbers(recording) for recording in self.recordings]
        common = numbers[0]
        for others in numbers[1:]:
            common = np.intersect1d(common, others)
        if not len(common):
            raise RefusalError("the recordings have no step in common")
        self.steps: NDArray[np.int64] = common
        self._places: list[Places] = [np.searchsorted(of, common) for of in numbers]
        self._rows: dict[tuple[Same[Graph], ...], tuple[Row, ...]] = {}

    def traces(self, place: int) -> list[Trace]:
        """A common step of each, by its place in ``steps``; gradients are without a GradScaler's factor."""
        return [unscaled(recording[int(of[place])]) for recording, of in zip(self.recordings, self._places, strict=True)]

    def rows(self, traces: Sequence[Trace]) -> tuple[Row, ...]:
        """The rows of a step. Where the steps are of the structure of the first ones, the first tell which leaf is which."""
        key = _graphs(traces)
        if key not in self._rows:
            start = self.traces(0)
            self._rows[key] = match(start if _graphs(start) == key else traces)
        return self._rows[key]

    def lines(self, place: int) -> tuple[Line, ...]:
        """The rows of a common step with their numbers."""
        traces = self.traces(place)
        return tuple(_line(row, traces) for row in self.rows(traces))

    def course(
        self,
        traces: Sequence[Trace],
        wanted: Sequence[int] | None,
        tolerance: float,
        at: Callable[[int], object] = lambda step: None,
    ) -> Course:
        """How far the rows of a step (its ``traces``) are apart in every common step; the arrays are of the ``wanted`` places.

        In steps of another structure a thing is found again by its path. ``wanted`` None are the main rows. ``at`` is told the
        number of each step.
        """
        rows, graphs = self.rows(traces), [trace.graph for trace in traces]
        wanted = main_rows(rows) if wanted is None else tuple(wanted)
        found = np.full((len(wanted), len(self.recordings), len(self.steps)), np.nan)
        worst, first = np.full(len(self.steps), np.nan), None
        tables = [_tables(recording, of) for recording, of in zip(self.recordings, self._places, strict=True)]
        for place, together in enumerate(zip(*tables, strict=True)):
            number = int(self.steps[place])
            at(number)
            columns = [
                None if read is None else _columns(rows, column, graphs[column], *read) for column, read in enumerate(together)
            ]
            apart = _apart(columns, len(rows))
            found[:, :, place] = apart[list(wanted)]
            if not np.isnan(apart).all():
                worst[place] = np.nanmax(apart)
                first = first or _first(number, apart, tolerance)
        return Course(self.steps, wanted, found, worst, first)


def _first(step: int, apart: Numbers, tolerance: float) -> First | None:
    places = np.argwhere(apart > tolerance)
    if not len(places):
        return None
    row, column = places[0].tolist()
    return First(step, row, column, float(apart[row, column]))


def step_numbers(recording: Steps) -> NDArray[np.int64]:
    """The numbers of a recording's steps; their places where it tells none."""
    told = getattr(recording, "step_numbers", None)
    numbers: NDArray[np.int64] = np.arange(len(recording), dtype=np.int64) if told is None else np.asarray(told(), np.int64)
    return numbers


def main_rows(rows: Sequence[Row]) -> tuple[int, ...]:
    """The places of the rows of the training itself: loss, weights, their gradients; those that two columns have at least."""
    return tuple(place for place, row in enumerate(rows) if row.main and sum(cell is not None for cell in row.cells) > 1)


def _graphs(traces: Sequence[Trace]) -> tuple[Same[Graph], ...]:
    return tuple(Same(trace.graph) for trace in traces)


# One step


def _line(row: Row, traces: Sequence[Trace]) -> Line:
    numbers = tuple(None if cell is None else _number(trace, cell) for trace, cell in zip(traces, row.cells, strict=True))
    base = next(column for column, cell in enumerate(row.cells) if cell is not None)
    apart = tuple(
        None if column == base or cell is None else _distance(traces[base], row.cells[base], traces[column], cell)
        for column, cell in enumerate(row.cells)
    )
    return Line(row, numbers, apart)


def _table_of(trace: Trace, cell: Cell) -> Numbers:
    """The statistics of a Cell, ``[8, 1]``; of a sum of gradients there are none."""
    table = trace.values if cell.kind == "value" else trace.gradients
    if len(cell.things) != 1:
        return _nothing(1)
    column: Numbers = table[:, list(cell.things)]
    return column


def _number(trace: Trace, cell: Cell) -> float | None:
    stats = stats_of(_table_of(trace, cell), 0)
    if stats is not None:
        number = stats.mean if stats.count == 1 else stats.rms
    else:
        data = _elements(trace, cell)
        if data is None or not data.size:
            return None
        with np.errstate(all="ignore"):
            number = float(data.ravel()[0]) if data.size == 1 else float(np.sqrt(np.mean(np.square(data))))
    return number


def _elements(trace: Trace, cell: Cell) -> Numbers | None:
    """All elements of a Cell in float64, or None where they are not kept."""
    parts = []
    for thing in cell.things:
        kept = trace.tensors.get((cell.kind, thing))
        if kept is None and cell.kind == "gradient" and trace.graph.edges[thing].by != NONE:
            kept = trace.tensors.get(("value", trace.graph.edges[thing].by))
        if kept is None or not kept.complete or kept.data.dtype.kind not in "biuf":
            return None
        parts.append(np.asarray(kept.data, np.float64).reshape(kept.shape))
    if any(part.shape != parts[0].shape for part in parts):
        return None
    with np.errstate(all="ignore"):
        total: Numbers = np.sum(parts, axis=0) if len(parts) > 1 else parts[0]
    return total


def _distance(trace: Trace, base: Cell | None, other: Trace, cell: Cell) -> Apart | None:
    assert base is not None
    one, two = _elements(trace, base), _elements(other, cell)
    if one is not None and two is not None and one.shape == two.shape:
        return _exactly(one, two)
    tables = _table_of(trace, base), _table_of(other, cell)
    if min(table[_COUNT, 0] for table in tables) < 0:
        return None
    figures = figures_of(tables[0]), figures_of(tables[1])
    relative = float(how_far_apart(*tables, *figures).max())
    with np.errstate(all="ignore"):
        absolute = float(np.nan_to_num(np.abs(figures[0][:4] - figures[1][:4]), nan=0.0, posinf=np.inf).max())
    return Apart(relative, absolute, exact=False)


def _exactly(one: Numbers, two: Numbers) -> Apart:
    if not one.size:
        return Apart(0.0, 0.0, exact=True)
    with np.errstate(all="ignore"):
        off = np.where((one == two) | (np.isnan(one) & np.isnan(two)), 0.0, np.abs(one - two))
    off[np.isnan(off)] = np.inf
    absolute = float(off.max())
    largest = max(float(np.abs(part[np.isfinite(part)]).max(initial=0.0)) for part in (one, two))
    return Apart(absolute / largest if largest else absolute, absolute, exact=True)


# All steps


def _nothing(things: int) -> Numbers:
    table = np.full((len(STATISTICS), things), np.nan)
    table[_COUNT] = -1
    return table


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


def _columns(rows: Sequence[Row], column: int, graph: Graph, now: Graph, values: Numbers, gradients: Numbers) -> Numbers:
    """The statistics of the rows in one column, ``[8, rows]``."""
    made = _nothing(len(rows))
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


def _apart(columns: Sequence[Numbers | None], rows: int) -> Numbers:
    """How far each column is from the first that has the row, ``[rows, columns]``; NaN where it is not known."""
    found = np.full((rows, len(columns)), np.nan)
    base = _nothing(rows)
    for column, table in enumerate(columns):
        if table is None:
            continue
        both = (base[_COUNT] >= 0) & (table[_COUNT] >= 0)
        if both.any():
            distances = how_far_apart(base, table, figures_of(base), figures_of(table)).max(axis=0)
            found[both, column] = distances[both]
        base = np.where(base[_COUNT] >= 0, base, table)
    return found
