"""One step of a comparison: the number of each quantity in each column, and how far it is from the first column that has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .comparison_course import Numbers, columns_of, figures
from .divergence import how_far_apart
from .matching import Cell, Row
from .trace import NONE, STATISTICS, TensorKey, Trace, empty_table

ELEMENTS = 20_000_000
"""So many elements of a step are compared one by one, about a second's work; the rest by statistics."""
_COUNT, _SUM = STATISTICS.index("count"), STATISTICS.index("sum")


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


def lines_of(rows: Sequence[Row], traces: Sequence[Trace], exactly: int | None = None) -> tuple[Line, ...]:
    """The rows of a step with their numbers.

    Where the elements are kept they are compared, of ``exactly`` rows at most (None: all), those of the training itself first,
    and up to ELEMENTS elements; else the statistics.
    """
    tables = [
        columns_of(rows, column, trace.graph, trace.graph, trace.values, trace.gradients) for column, trace in enumerate(traces)
    ]
    shown = [_shown(table) for table in tables]
    bases = [next(column for column, cell in enumerate(row.cells) if cell is not None) for row in rows]
    by_figures = _by_figures(tables, bases)
    lines, left, chosen = [], ELEMENTS, _chosen(rows, exactly)
    for place, (row, base) in enumerate(zip(rows, bases, strict=True)):
        kept = [
            _elements(trace, cell) if cell is not None and left > 0 and place in chosen and _is_kept(trace, cell) else None
            for trace, cell in zip(traces, row.cells, strict=True)
        ]
        left -= sum(data.size for data in kept if data is not None)
        numbers = tuple(_number(data, of[place]) for data, of in zip(kept, shown, strict=True))
        apart = tuple(
            None if column == base or cell is None else _distance(kept[base], kept[column], by_figures[column][:, place])
            for column, cell in enumerate(row.cells)
        )
        lines.append(Line(row, numbers, apart))
    return tuple(lines)


def _chosen(rows: Sequence[Row], exactly: int | None) -> set[int]:
    """The places of so many rows, those of the training itself first."""
    order = sorted(range(len(rows)), key=lambda place: not rows[place].main)
    return set(order[:exactly])


def _shown(table: Numbers) -> list[float]:
    """RMS, of one element the element, per thing; NaN where nothing was counted."""
    shown = np.where(table[_COUNT] == 1, table[_SUM], figures(table)[0])
    found: list[float] = np.where(table[_COUNT] > 0, shown, np.nan).tolist()
    return found


def _by_figures(tables: Sequence[Numbers], bases: Sequence[int]) -> list[Numbers]:
    """Per column the relative and the absolute distance of each row from its base, ``[2, rows]``; NaN where it is not known."""
    base = empty_table(len(bases))
    for column, table in enumerate(tables):
        here = np.array([number == column for number in bases], dtype=np.bool_)
        base[:, here] = table[:, here]
    found, first = [], figures(base)
    for table in tables:
        other = figures(table)
        known = (base[_COUNT] >= 0) & (table[_COUNT] >= 0)
        with np.errstate(all="ignore"):
            absolute = np.nan_to_num(np.abs(first[:4] - other[:4]), nan=0.0, posinf=np.inf).max(axis=0)
        relative = how_far_apart(base, table, first, other).max(axis=0)
        found.append(np.where(known, np.stack([relative, absolute]), np.nan))
    return found


def _number(data: Numbers | None, counted: float) -> float | None:
    """What was counted, else what the elements give."""
    if counted == counted:
        return counted
    if data is None or not data.size:
        return None
    with np.errstate(all="ignore"):
        return float(data.ravel()[0]) if data.size == 1 else float(np.sqrt(np.mean(np.square(data))))


def _keys(trace: Trace, cell: Cell) -> list[TensorKey]:
    """Where the elements of a Cell are kept: a gradient by hand as the Value that holds it."""
    by = {thing: trace.graph.edges[thing].by for thing in cell.things} if cell.kind == "gradient" else {}
    return [
        ("value", by[thing]) if by.get(thing, NONE) != NONE and (cell.kind, thing) not in trace.tensors else (cell.kind, thing)
        for thing in cell.things
    ]


def _is_kept(trace: Trace, cell: Cell) -> bool:
    return len(trace.tensors) > 0 and all(key in trace.tensors for key in _keys(trace, cell))


def _elements(trace: Trace, cell: Cell) -> Numbers | None:
    """All elements of a Cell in float64, of several gradients their sum; None where they are not kept."""
    parts = []
    for key in _keys(trace, cell):
        kept = trace.tensors[key]
        if not kept.complete or kept.data.dtype.kind not in "biuf":
            return None
        parts.append(np.asarray(kept.data, np.float64).reshape(kept.shape))
    if any(part.shape != parts[0].shape for part in parts):
        return None
    with np.errstate(all="ignore"):
        total: Numbers = np.sum(parts, axis=0) if len(parts) > 1 else parts[0]
    return total


def _distance(one: Numbers | None, two: Numbers | None, by_figures: Numbers) -> Apart | None:
    if one is not None and two is not None and one.shape == two.shape:
        return _exactly(one, two)
    relative, absolute = by_figures.tolist()
    return Apart(relative, absolute, exact=False) if relative == relative else None


def _exactly(one: Numbers, two: Numbers) -> Apart:
    if not one.size:
        return Apart(0.0, 0.0, exact=True)
    with np.errstate(all="ignore"):
        off = np.where((one == two) | (np.isnan(one) & np.isnan(two)), 0.0, np.abs(one - two))
    off[np.isnan(off)] = np.inf
    absolute = float(off.max())
    largest = max(float(np.abs(part[np.isfinite(part)]).max(initial=0.0)) for part in (one, two))
    return Apart(absolute / largest if largest else absolute, absolute, exact=True)
