"""What the panel Side by side says: the recordings of a State as a table, row by row, and the lines of its plot. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradwalk.comparison import Comparison, names_of
from gradwalk.comparison_course import Course, Reading
from gradwalk.comparison_step import Apart, Line
from gradwalk.refusal import RefusalError
from gradwalk.trace import NONE

from ..numbers import number
from ..state import Selection, State

LABEL, OP, NUMBER, APART = "label", "op", "number", "apart"
EXACTLY = 100
"""Of so many rows at most the elements are compared: a step that keeps thousands of tensors takes long to read."""
MOST_NUMBERS = 8_000_000
"""So many distances are kept for the plot; where all rows have more, only those of the training itself are."""


@dataclass(frozen=True, slots=True, eq=False)
class SideTable:
    """One step of several recordings. ``columns`` are what each column of the table shows, and of which recording."""

    names: tuple[str, ...]
    step: int
    place: int
    """Which of the common steps it is."""
    steps: NDArray[np.int64]
    lines: tuple[Line, ...]
    columns: tuple[tuple[str, int], ...]

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def complete(self) -> int:
        """How many rows every recording has."""
        return sum(all(cell is not None for cell in line.row.cells) for line in self.lines)


@dataclass(frozen=True, slots=True, eq=False)
class PlotLine:
    """How far one row is apart in one column over the common steps, float64 ``[steps]``; NaN where that is not known."""

    name: str
    apart: NDArray[np.float64]
    column: int
    """The column, or where several are taken together NONE."""
    main: str


class SideBySide:
    """Puts the recordings of a State side by side; what was matched is kept until they are others, or have grown."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._comparison: Comparison | None = None
        self._names: tuple[str, ...] = ()
        self.problem = ""
        """Why there is nothing to show."""

    def table_of(self, state: State) -> SideTable | None:
        """The table at the playhead's step; None, and a ``problem``, where there is none."""
        comparison = self._comparison_of(state)
        if comparison is None or state.trace is None:
            return None
        place = int(np.searchsorted(comparison.steps, state.trace.step))
        if place >= len(comparison.steps) or comparison.steps[place] != state.trace.step:
            self.problem = f"Step {state.trace.step:,} is not in all of the recordings."
            return None
        self.problem = ""
        lines = comparison.lines(place, EXACTLY)
        return SideTable(self._names, state.trace.step, place, comparison.steps, lines, _columns(len(self._names)))

    def reading_of(self, table: SideTable, tolerance: float) -> Reading | None:
        """Reads the distances over all steps of a table's rows."""
        comparison = self._comparison
        if comparison is None or len(comparison.steps) < 2:
            return None
        every = len(table) * len(table.names) * len(comparison.steps) <= MOST_NUMBERS
        return comparison.reading(comparison.traces(table.place), range(len(table)) if every else None, tolerance)

    def index_of(self, place: int) -> int:
        """The index into the recording that is shown of a common step."""
        return self._comparison.place_of(0, place) if self._comparison is not None else 0

    def _comparison_of(self, state: State) -> Comparison | None:
        if state.recording is None:
            self._key, self._comparison, self.problem = (), None, "Open a recording, and another one to set beside it."
            return None
        if not state.beside:
            self._key, self._comparison = (), None
            self.problem = "Set another recording beside this one: each quantity gets a row, matched by how it is computed."
            return None
        recordings = state.recording, *state.beside
        key = (*map(id, recordings), *map(len, recordings))
        if key != self._key:
            before = self._comparison if self._key[: len(recordings)] == key[: len(recordings)] else None
            self._key, self._comparison, self._names = key, None, tuple(names_of(recordings))
            try:
                self._comparison = Comparison(recordings) if before is None else before.again()
            except RefusalError as error:
                self.problem = f"{str(error)[:1].upper()}{str(error)[1:]}."
        return self._comparison


def _columns(recordings: int) -> tuple[tuple[str, int], ...]:
    found = [(LABEL, NONE)]
    for place in range(recordings):
        found += [(OP, place), (NUMBER, place), *([(APART, place)] if place else [])]
    return tuple(found)


def head_of(table: SideTable, column: int) -> str:
    """The title of a column."""
    what, place = table.columns[column]
    return {LABEL: "quantity", OP: table.names[place], NUMBER: "", APART: "apart"}[what]


def text_of(table: SideTable, row: int, column: int) -> str:
    """The text of a cell."""
    what, place = table.columns[column]
    line = table.lines[row]
    if what == LABEL:
        return line.row.label
    cell, apart, figure = line.row.cells[place], line.apart[place], line.numbers[place]
    if what == OP:
        return cell.op if cell is not None else ""
    if what == NUMBER:
        return "" if figure is None else number(figure, 4)
    return "" if apart is None else apart_text(apart)


def apart_text(apart: Apart) -> str:
    """``2.1e-07``, by statistics ``~2.1e-07``; 0 only for what is equal."""
    return f"{'' if apart.exact else '~'}{apart.relative:.1e}" if apart.relative else "0"


def tip_of(table: SideTable, row: int, column: int) -> str:
    """What a cell stands for, in a sentence."""
    what, place = table.columns[column]
    line = table.lines[row]
    if what == LABEL:
        return line.row.label
    name, cell, apart = table.names[place], line.row.cells[place], line.apart[place]
    if cell is None:
        return f"{name} has no such quantity"
    if what == APART and apart is not None:
        how = "element by element" if apart.exact else "by RMS, smallest, largest and mean; the elements are not kept"
        return f"{name}: {apart.relative:.3g} of the largest element, at most {apart.absolute:.3g} ({how})"
    made = f"{cell.op} at event {cell.event}" if cell.event != NONE else "there before the first event"
    return f"{name}: {made}"


def selection_of(line: Line) -> Selection | None:
    """What a row is in the recording that is shown, or None."""
    cell = line.row.cells[0]
    return Selection("value" if cell.kind == "value" else "edge", cell.things[0]) if cell is not None else None


def row_of(table: SideTable, selection: Selection | None) -> int:
    """The row of what is selected in the graph, or -1."""
    found = (row for row, line in enumerate(table.lines) if selection is not None and selection_of(line) == selection)
    return next(found, -1)


def plot_lines(table: SideTable, course: Course, row: int) -> tuple[PlotLine, ...]:
    """The lines for a chosen row, one for each recording but the first, and for the loss; of no row the main ones."""
    found: list[PlotLine] = []
    for number_, place in enumerate(course.rows):
        shown = table.lines[place].row
        known = [column for column in range(len(table.names)) if not np.isnan(course.apart[number_, column]).all()]
        if place == row:
            found += [
                PlotLine(f"{shown.label} in {table.names[column]}", course.apart[number_, column], column, "") for column in known
            ]
        elif known and (shown.main == "loss" or (row < 0 and shown.main in ("weight", "gradient"))):
            worst = np.fmax.reduce([course.apart[number_, column] for column in known])
            found.append(PlotLine(shown.label, worst, NONE, shown.main))
    return tuple(found)
