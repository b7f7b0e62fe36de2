"""``gradwalk compare``: which step is shown, and what is said of it, for people and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from .comparison import Comparison
from .comparison_course import Course, First
from .comparison_step import Apart, Line
from .matching import LONGEST, Cell
from .refusal import RefusalError
from .show import number_json
from .tape import shape_of
from .terminal import console, plain
from .trace import NONE, Trace

OP, NUMBER = 13, 9
"""Letters of an op's name and of a number in the table for three recordings."""
SHOWN_STEPS = 6
"""Of how many steps the distances are printed; all of them are in the JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What was found: one step's lines and the course over all steps. ``names`` are those of the columns."""

    names: tuple[str, ...]
    step: int
    traces: tuple[Trace, ...]
    lines: tuple[Line, ...]
    course: Course
    tolerance: float

    @property
    def differs(self) -> bool:
        """Whether anything is further apart than the tolerance, or nothing is the same quantity."""
        return self.course.first is not None or not any(self._matched) or any(line.worst > self.tolerance for line in self.lines)

    @property
    def _matched(self) -> list[bool]:
        return [sum(cell is not None for cell in line.row.cells) > 1 for line in self.lines]

    @property
    def complete(self) -> int:
        """How many quantities every column has."""
        return sum(all(cell is not None for cell in line.row.cells) for line in self.lines)


def report(comparison: Comparison, names: Sequence[str], step: int | None, tolerance: float) -> Report:
    """Compare at step ``step`` (-1 is the last; None: the first that parts, else the last). Raises RefusalError for another."""
    place = len(comparison.steps) - 1 if step is None else _place_of(comparison, step)
    course = comparison.course(comparison.traces(place), None, tolerance)
    if step is None and course.first is not None:
        place = int(np.searchsorted(comparison.steps, course.first.step))
        course = _for_rows_of(comparison, place, course, tolerance)
    traces = comparison.traces(place)
    return Report(tuple(names), int(comparison.steps[place]), tuple(traces), comparison.lines(place), course, tolerance)


def _for_rows_of(comparison: Comparison, place: int, course: Course, tolerance: float) -> Course:
    """The same course, in the rows of another step; read again only where that step has other rows."""
    traces = comparison.traces(place)
    if comparison.rows(traces) is comparison.rows(comparison.traces(len(comparison.steps) - 1)):
        return course
    return comparison.course(traces, None, tolerance)


def _place_of(comparison: Comparison, step: int) -> int:
    steps = comparison.steps
    found = np.flatnonzero(steps == step)
    if step < 0 and -step <= len(steps):
        return len(steps) + step
    if not len(found):
        raise RefusalError(
            f"step {step} is not in all of the recordings, which have {len(steps)} in common: {steps[0]} to {steps[-1]}"
        )
    return int(found[0])


# Plain data


def report_json(made: Report) -> dict[str, Any]:
    """The report as plain data; numbers that are not finite are words."""
    course = made.course
    return {
        "columns": list(made.names),
        "tolerance": made.tolerance,
        "step": made.step,
        "rows": [_row_json(made, line) for line in made.lines],
        "first": _first_json(made, course.first),
        "differs": made.differs,
        "steps": course.steps.tolist(),
        "apart": [
            {
                "row": row,
                "label": made.lines[row].row.label,
                "relative": [_series(of) if not np.isnan(of).all() else None for of in course.apart[place]],
            }
            for place, row in enumerate(course.rows)
        ],
        "worst": _series(course.worst),
    }


def _series(numbers: Any) -> list[Any]:
    return [None if np.isnan(number) else number_json(float(number)) for number in numbers]


def _row_json(made: Report, line: Line) -> dict[str, Any]:
    cells = zip(made.traces, line.row.cells, line.numbers, line.apart, strict=True)
    return {
        "label": line.row.label,
        "kind": line.row.kind,
        "main": line.row.main or None,
        "cells": [None if cell is None else _cell_json(trace, cell, number, apart) for trace, cell, number, apart in cells],
    }


def _cell_json(trace: Trace, cell: Cell, number: float | None, apart: Apart | None) -> dict[str, Any]:
    graph = trace.graph
    value = cell.things[0] if cell.kind == "value" else graph.edges[cell.things[0]].value
    by = NONE if cell.kind == "value" else graph.edges[cell.things[0]].by
    named = by if by != NONE else value
    return {
        "op": cell.op or None,
        "event": None if cell.event == NONE else cell.event,
        "things": list(cell.things),
        "name": graph.values[named].name or None if cell.kind == "value" or by != NONE else None,
        "shape": list(shape_of(trace, value)),
        "dtype": graph.values[named].dtype,
        "number": None if number is None else number_json(number),
        "apart": None
        if apart is None
        else {
            "relative": number_json(apart.relative),
            "absolute": number_json(apart.absolute),
            "by": "elements" if apart.exact else "statistics",
        },
    }


def _first_json(made: Report, first: First | None) -> dict[str, Any] | None:
    if first is None:
        return None
    return {
        "step": first.step,
        "row": first.row,
        "label": made.lines[first.row].row.label,
        "column": first.column,
        "relative": number_json(first.relative),
    }


# For people


def print_report(made: Report) -> None:
    """The step as a table, how far the training is apart over the steps, and where that begins."""
    out = console()
    head = f"step {made.step}: {len(made.lines):,} quantities, {made.complete:,} of them in all of {', '.join(made.names)}"
    out.print(Text(plain(head), style="bold"))
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    op = OP if len(made.names) > 2 else OP + 4
    label = out.width - len(made.names) * (op + NUMBER + 2) - NUMBER
    table.add_column("quantity", overflow="ellipsis", no_wrap=True, width=min(max(label, 12), LONGEST))
    for name in made.names:
        table.add_column(plain(name), overflow="ellipsis", no_wrap=True, width=op)
        table.add_column("", justify="right", no_wrap=True, width=NUMBER)
    table.add_column("apart", justify="right", no_wrap=True, width=NUMBER - 1)
    for line in made.lines:
        style = "red" if line.worst > made.tolerance else ""
        cells = [part for cell, number in zip(line.row.cells, line.numbers, strict=True) for part in _two(cell, number)]
        table.add_row(Text(plain(line.row.label)), *(Text(plain(cell)) for cell in cells), Text(_apart_text(line), style=style))
    out.print(table)
    out.print("Numbers are RMS (of one element: it). Apart is relative to the largest element; ~ is by statistics.")
    _print_course(made)
    out.print(Text(plain(first_in_words(made))), soft_wrap=True)


def _two(cell: Cell | None, number: float | None) -> tuple[str, str]:
    if cell is None:
        return "", ""
    return cell.op, "" if number is None else f"{number:.4g}"


def _apart_text(line: Line) -> str:
    known = [one for one in line.apart if one is not None]
    if not known:
        return ""
    worst = max(known, key=lambda one: one.relative)
    return f"{'' if worst.exact else '~'}{worst.relative:.1e}" if worst.relative else "0"


def _print_course(made: Report) -> None:
    course = made.course
    if len(course.steps) < 2 or not course.rows:
        return
    places = np.unique(np.geomspace(1, len(course.steps), min(SHOWN_STEPS, len(course.steps))).round().astype(int) - 1)
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    table.add_column("apart at step", overflow="ellipsis", no_wrap=True, max_width=26)
    for place in places:
        table.add_column(str(course.steps[place]), justify="right", no_wrap=True)
    for number, row in enumerate(course.rows):
        known = [of for of in course.apart[number] if not np.isnan(of).all()]
        if known:
            worst = np.fmax.reduce(known)
            table.add_row(Text(plain(made.lines[row].row.label)), *(_short(float(worst[place])) for place in places))
    if table.row_count:
        console().print(table)


def _short(number: float) -> str:
    return "" if np.isnan(number) else f"{number:.1e}" if number else "0"


def first_in_words(made: Report) -> str:
    """``first apart by more than 0.0001: step 56, h < 0, 0.00016 in function``."""
    first = made.course.first
    if first is not None:
        label = made.lines[first.row].row.label
        where = f"step {first.step}, {label}, {first.relative:.2g} in {made.names[first.column]}"
        return f"first apart by more than {made.tolerance:g}: {where}"
    if not any(sum(cell is not None for cell in line.row.cells) > 1 for line in made.lines):
        return "no quantity of one is a quantity of another"
    worst = max(made.lines, key=lambda line: line.worst, default=None)
    if worst is not None and worst.worst > made.tolerance:
        return f"apart by more than {made.tolerance:g} in this step: {worst.row.label}, {worst.worst:.2g}"
    steps = len(made.course.steps)
    return f"nothing is apart by more than {made.tolerance:g} in {steps:,} step{'' if steps == 1 else 's'}"
