"""The table behind the events list."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from gradwalk.filter import Filter, asks_checks, matches, parse
from gradwalk.tape import event_at, index, stats_of, target_of
from gradwalk.trace import Trace
from gradwalk.verdicts import WORDS, Mark, mark_of_event

from ..inspection.rows import EventRow, rows_of
from ..numbers import NOT_YET, magnitude, number, shape_text
from ..verdicts import NO_VERDICTS, Verdicts, with_verdicts

COLUMNS = ("#", "", "event", "variable", "shape", "grad RMS", "✓")
INDEX, PHASE, NAME, VARIABLE, SHAPE, RMS, CHECK = range(len(COLUMNS))
CHECK_TIP = "What the op gave, or the gradients that its Node gave, against the NumPy reference"

AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class EventModel(QAbstractTableModel):
    """The rows of a trace that match the filter; ``position`` is the playhead, in events that have run."""

    def __init__(self) -> None:
        super().__init__()
        self.trace: Trace | None = None
        self.position = 0
        self.verdicts = NO_VERDICTS
        self.filter: Filter = parse("")
        self.narrow = False
        """Whether the variable stands behind the name, for want of room for a column of its own."""
        self._rows: list[EventRow] = []
        self._all: list[EventRow] = []

    def show_trace(self, trace: Trace | None) -> None:
        """Show another step; where its structure and order are the same as before, only the numbers change."""
        before = [row.position for row in self._rows]
        same = self.trace is not None and trace is not None and self.trace.graph is trace.graph
        rows = rows_of(trace) if trace is not None else []
        if same and len(rows) == len(self._all) and all(a.name == b.name for a, b in zip(rows, self._all, strict=True)):
            self.trace, self._all = trace, rows
            filtered = self._filtered()
            if [row.position for row in filtered] == before:
                self._rows = filtered
                self._tell_all()
                return
        self.beginResetModel()
        self.trace, self._all = trace, rows
        self._rows = self._filtered()
        self.endResetModel()

    def show_position(self, position: int) -> None:
        """Move the playhead."""
        first, last = sorted((self.row_from(self.position), self.row_from(position)))
        self.position = position
        if self._rows:
            first, last = max(first - 1, 0), min(last, len(self._rows) - 1)
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    def show_verdicts(self, verdicts: Verdicts) -> None:
        """Show what is known of the ops against the reference."""
        self.verdicts = verdicts
        if asks_checks(self.filter):
            self.show_filter(self.filter)
        else:
            self._tell_all()

    def mark_of(self, row: EventRow) -> Mark:
        """Whether what an event gave agrees with the reference."""
        return (
            mark_of_event(self.trace.graph, self.verdicts.by_op, event_at(self.trace, row.position))
            if self.trace
            else Mark.UNKNOWN
        )

    def show_filter(self, asked: Filter) -> None:
        """Show only the events that match."""
        self.beginResetModel()
        self.filter = asked
        self._rows = self._filtered()
        self.endResetModel()

    def row_at(self, row: int) -> EventRow:
        """The event shown in a row."""
        return self._rows[row]

    def total(self) -> int:
        """How many events the step has, shown or not."""
        return len(self._all)

    def row_from(self, position: int) -> int:
        """The first row whose event is at tape position ``position`` or later; the number of rows where there is none."""
        low, high = 0, len(self._rows)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._rows[middle].position < position else (low, middle)
        return low

    def has_run(self, row: EventRow) -> bool:
        """Whether an event has run at the playhead."""
        return row.position < self.position

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        """The rows that match."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        """The columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The titles."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole and section == CHECK:
            return CHECK_TIP
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole and section in (INDEX, RMS):
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, tool tip and accessible text of a cell."""
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text_of(row, index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tip_of(row)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"event {row.position}, {row.phase}, {self.text_of(row, index.column())}, {self._state(row)}"
        return None

    def text_of(self, row: EventRow, column: int) -> str:
        """The text of a cell."""
        if column == RMS:
            return self._rms_text(row)
        if column == CHECK:
            return WORDS[self.mark_of(row)]
        return (
            str(row.position),
            row.phase,
            f"{row.name} {row.variable}".rstrip() if self.narrow and row.variable != row.name else row.name,
            row.variable or row.module,
            shape_text(row.shape) if row.shape is not None else "",
        )[column]

    def tip_of(self, row: EventRow) -> str:
        """Everything about a row, with every gradient that it makes."""
        about = [row.name, row.variable, row.module and f"in {row.module}", row.shape is not None and shape_text(row.shape)]
        lines = ["  ".join(str(part) for part in about if part), f"{row.phase}, {self._state(row)}"]
        if row.makes_gradient and self.trace is not None:
            lines += self._gradients(self.trace, row) if self.has_run(row) else [f"gradient: {NOT_YET}"]
        mark = self.mark_of(row)
        lines += [f"NumPy reference: {WORDS[mark]}"] * bool(mark)
        return "\n".join(lines + [f"has {row.bad}"] * bool(row.bad and self.has_run(row)))

    def _gradients(self, trace: Trace, row: EventRow) -> list[str]:
        edges = index(trace.graph).edges_of_event[int(trace.tape[row.position])]
        return [
            f"RMS {magnitude(stats_of(trace.gradients, edge))} to {target_of(trace.graph, trace.graph.edges[edge])}"
            for edge in edges
        ]

    def _rms_text(self, row: EventRow) -> str:
        if not row.makes_gradient:
            return ""
        if not self.has_run(row):
            return "not yet"
        if row.rms != row.rms:
            return row.bad
        return "0 (exactly)" if row.rms == 0 else number(row.rms, 3)

    def _state(self, row: EventRow) -> str:
        if self.has_run(row):
            return "has run"
        return "next" if row.position == self.position else "not yet run"

    def _filtered(self) -> list[EventRow]:
        if self.trace is None:
            return []
        found = matches(self.filter, with_verdicts(self.trace, self.verdicts if asks_checks(self.filter) else NO_VERDICTS))
        return [row for row in self._all if found[row.position]]

    def _tell_all(self) -> None:
        if self._rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._rows) - 1, len(COLUMNS) - 1))
