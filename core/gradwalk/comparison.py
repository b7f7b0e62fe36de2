"""Two or three recordings side by side: each quantity on one row, its number in each, and how far apart they are over the steps.

The programs may be written in different ways; which quantity is which is ``matching``'s matter. For steps of one structure see
``divergence``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .comparison_course import Course, Numbers, Places, Reading, Steps, figures
from .divergence import how_far_apart
from .matching import Cell, Row, match
from .refusal import RefusalError
from .same import Same
from .scales import unscaled
from .tape import stats_of
from .trace import NONE, STATISTICS, Graph, TensorKey, Trace, empty_table

TOLERANCE = 1e-4
"""How far apart figures may be by default: float32 beside float64 stays well below it for some hundred steps."""
ELEMENTS = 20_000_000
"""So many elements of a step are compared one by one, about a second's work; the rest by statistics."""
MOST = 3
"""So many recordings stand side by side at most."""
_COUNT = STATISTICS.index("count")


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

    def place_of(self, column: int, place: int) -> int:
        """The index of a common step into one of the recordings."""
        return int(self._places[column][place])

    def rows(self, traces: Sequence[Trace]) -> tuple[Row, ...]:
        """The rows of a step. Where the steps are of the structure of the first ones, the first tell which leaf is which."""
        key = _graphs(traces)
        if key not in self._rows:
            start = self.traces(0)
            self._rows[key] = match(start if _graphs(start) == key else traces)
        return self._rows[key]

    def lines(self, place: int) -> tuple[Line, ...]:
        """The rows of a common step with their numbers; of tensors beyond ELEMENTS elements the statistics are compared."""
        traces = self.traces(place)
        lines: list[Line] = []
        left = ELEMENTS
        for row in self.rows(traces):
            lines.append(_line(row, traces, exactly=left > 0))
            left -= _size_of(row, traces) if any(apart is not None and apart.exact for apart in lines[-1].apart) else 0
        return tuple(lines)

    def reading(self, traces: Sequence[Trace], wanted: Sequence[int] | None, tolerance: float) -> Reading:
        """Reads how far the rows of a step (its ``traces``) are apart in every common step; ``wanted`` None are the main rows."""
        rows, graphs = self.rows(traces), [trace.graph for trace in traces]
        found = main_rows(rows) if wanted is None else tuple(wanted)
        return Reading(self.recordings, self._places, self.steps, rows, graphs, found, tolerance)

    def course(self, traces: Sequence[Trace], wanted: Sequence[int] | None, tolerance: float) -> Course:
        """The same, read to the end."""
        reading = self.reading(traces, wanted, tolerance)
        while reading.read():
            pass
        return reading.course


def step_numbers(recording: Steps) -> NDArray[np.int64]:
    """The numbers of a recording's steps; their places where it tells none."""
    told = getattr(recording, "step_numbers", None)
    numbers: NDArray[np.int64] = np.arange(len(recording), dtype=np.int64) if told is None else np.asarray(told(), np.int64)
    return numbers


def names_of(recordings: Sequence[Steps]) -> list[str]:
    """What the columns are called: the scripts, where they differ, else the run folders, numbered where two are equal."""
    scripts = [Path(getattr(getattr(recording, "info", None), "script", "").replace("\\", "/")).stem for recording in recordings]
    if all(scripts) and len(set(scripts)) == len(scripts):
        return scripts
    paths = [Path(getattr(recording, "path", "recording")).absolute() for recording in recordings]
    names = [path.parent.name if path.suffix == ".mcap" else path.name for path in paths]
    return [f"{name} ({place})" if names.count(name) > 1 else name for place, name in enumerate(names, 1)]


def main_rows(rows: Sequence[Row]) -> tuple[int, ...]:
    """The places of the rows of the training itself: loss, weights, their gradients; those that two columns have at least."""
    return tuple(place for place, row in enumerate(rows) if row.main and sum(cell is not None for cell in row.cells) > 1)


def _graphs(traces: Sequence[Trace]) -> tuple[Same[Graph], ...]:
    return tuple(Same(trace.graph) for trace in traces)


# One step


def _size_of(row: Row, traces: Sequence[Trace]) -> int:
    """The elements of a row's tensors."""
    return sum(
        sum(int(trace.tensors[key].data.size) for key in _keys(trace, cell) if key in trace.tensors)
        for trace, cell in zip(traces, row.cells, strict=True)
        if cell is not None
    )


def _line(row: Row, traces: Sequence[Trace], *, exactly: bool) -> Line:
    numbers = tuple(None if cell is None else _number(trace, cell) for trace, cell in zip(traces, row.cells, strict=True))
    base = next(column for column, cell in enumerate(row.cells) if cell is not None)
    apart = tuple(
        None
        if column == base or cell is None
        else _distance(traces[base], row.cells[base], traces[column], cell, exactly=exactly)
        for column, cell in enumerate(row.cells)
    )
    return Line(row, numbers, apart)


def _table_of(trace: Trace, cell: Cell) -> Numbers:
    """The statistics of a Cell, ``[8, 1]``; of a sum of gradients there are none."""
    table = trace.values if cell.kind == "value" else trace.gradients
    if len(cell.things) != 1:
        return empty_table(1)
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


def _keys(trace: Trace, cell: Cell) -> list[TensorKey]:
    """Where the elements of a Cell are kept: a gradient by hand as the Value that holds it."""
    by = {thing: trace.graph.edges[thing].by for thing in cell.things} if cell.kind == "gradient" else {}
    return [
        ("value", by[thing]) if by.get(thing, NONE) != NONE and (cell.kind, thing) not in trace.tensors else (cell.kind, thing)
        for thing in cell.things
    ]


def _elements(trace: Trace, cell: Cell) -> Numbers | None:
    """All elements of a Cell in float64, or None where they are not kept."""
    parts = []
    for key in _keys(trace, cell):
        kept = trace.tensors.get(key)
        if kept is None or not kept.complete or kept.data.dtype.kind not in "biuf":
            return None
        parts.append(np.asarray(kept.data, np.float64).reshape(kept.shape))
    if any(part.shape != parts[0].shape for part in parts):
        return None
    with np.errstate(all="ignore"):
        total: Numbers = np.sum(parts, axis=0) if len(parts) > 1 else parts[0]
    return total


def _distance(trace: Trace, base: Cell | None, other: Trace, cell: Cell, *, exactly: bool) -> Apart | None:
    assert base is not None
    one, two = (_elements(trace, base), _elements(other, cell)) if exactly else (None, None)
    if one is not None and two is not None and one.shape == two.shape:
        return _exactly(one, two)
    tables = _table_of(trace, base), _table_of(other, cell)
    if min(table[_COUNT, 0] for table in tables) < 0:
        return None
    both = figures(tables[0]), figures(tables[1])
    relative = float(how_far_apart(*tables, *both).max())
    with np.errstate(all="ignore"):
        absolute = float(np.nan_to_num(np.abs(both[0][:4] - both[1][:4]), nan=0.0, posinf=np.inf).max())
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
