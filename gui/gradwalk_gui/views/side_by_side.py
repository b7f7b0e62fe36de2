"""Recordings side by side: each quantity of the step on a row, its op and number in each, and how far apart over all steps."""

from __future__ import annotations

import time
from html import escape

import numpy as np
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHeaderView, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget
from shiboken6 import isValid

from gradwalk.comparison import MOST, TOLERANCE
from gradwalk.comparison_course import Reading

from ..inspection.side_table import APART, LABEL, NUMBER, OP, SideBySide, SideTable, plot_lines, row_of, selection_of
from ..panel import GRID, LEAST, Panel
from ..session import Session
from ..state import State
from ..theme import Theme, font
from ..turns import turns
from ..widgets.apart_plot import ApartPlot
from ..widgets.head import fill, head
from ..widgets.side_model import SideModel
from ..widgets.table import Table, copy_text
from ..widgets.text import ElidedLabel

WIDTHS = {OP: 122, NUMBER: 74, APART: 70}
LEAST_LABEL, USUAL_LABEL = 130, 220
LEAST_PLOT = 320
"""Where there is so much width left, the plot is beside the table, else below it."""
LOWEST = 260
"""The height from which on there is room for a legend, and for a plot below the table."""
BUDGET = 0.006
"""Seconds of reading in one turn."""
SHOW_EVERY = 0.15
"""Seconds between two showings of what has been read so far."""


class SideBySideView(Panel):
    """A click on a row goes to its event in the recording that is shown, and draws its line; Ctrl+C copies the table."""

    title = "Side by side"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.sides = SideBySide()
        self.model = SideModel()
        self.reading: Reading | None = None
        self._shown_at = 0.0
        self.list = Table("Quantities side by side", self)
        self.list.setModel(self.model)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.plot = ApartPlot(theme, self)
        self.legend = QLabel(self)
        self.about = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.add, self.alone = QPushButton("Set beside...", self), QPushButton("Set none beside", self)
        self.message = QLabel(self)
        self._arrange()
        self.list.moved.connect(self._on_row)
        self.list.chosen.connect(self._go)
        self.list.clicked.connect(self._on_clicked)
        self.list.copied.connect(lambda: copy_text(self.model.as_text()))
        self.alone.clicked.connect(lambda: session.set(beside=()))
        self.plot.chosen.connect(self._on_step)
        self.begin()

    def _arrange(self) -> None:
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(GRID)
        self.about.setFont(font(11))
        self.legend.setFont(font(11))
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.add.setToolTip("Set another recording beside this one")
        self.add.setAccessibleName("Set a recording beside")
        self.right = QWidget(self)
        column = QVBoxLayout(self.right)
        column.setContentsMargins(GRID, 0, GRID, GRID // 2)
        column.setSpacing(2)
        column.addWidget(self.plot, 1)
        column.addWidget(self.legend)
        self.split = QSplitter(Qt.Orientation.Horizontal, self)
        self.split.setChildrenCollapsible(False)
        self.split.addWidget(self.list)
        self.split.addWidget(self.right)
        self.split.setMinimumHeight(LEAST)
        self.split.setStretchFactor(0, 3)
        self.split.setStretchFactor(1, 2)
        _, self._pages = fill(self, head((), self.about, (self.add, self.alone)), self.split, self.message)
        self.list.header().setStretchLastSection(False)

    def apply_theme(self) -> None:
        """Recolour."""
        self.model.theme = self.theme
        self.plot.set_theme(self.theme)
        for label in (self.about, self.message, self.legend):
            label.setStyleSheet(f"color: {self.theme.subtle};")
        self._show_lines()
        self.list.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The plot beside the table where there is the width, else below it."""
        super().resizeEvent(event)
        self._fit_columns()
        self.legend.setVisible(self.height() >= LOWEST)
        self.right.setVisible(self.height() >= LOWEST or self.split.orientation() is Qt.Orientation.Horizontal)

    # What it shows

    def show_state(self, old: State, new: State) -> None:
        """Show what differs: others beside, more steps, another step, the selection."""
        before, now = (old.recording, old.beside, old.length), (new.recording, new.beside, new.length)
        others = len(before[1]) != len(now[1]) or any(one is not two for one, two in zip(before[1], now[1], strict=True))
        grown = others or before[0] is not now[0] or before[2] != now[2]
        if others or before[0] is not now[0]:
            self.reading = None
        if grown or new.trace is not old.trace:
            self._show(new, grown=grown)
        if new.selection != old.selection and self.model.table is not None:
            self._mark(new)

    def _show(self, state: State, *, grown: bool) -> None:
        before, table = self.model.table, self.sides.table_of(state)
        self.model.show_table(table)
        self.add.setEnabled(state.trace is not None and len(state.beside) < MOST - 1)
        self.alone.setVisible(bool(state.beside))
        self.message.setText(self.sides.problem)
        self._pages.setCurrentWidget(self.message if table is None else self.split)
        self.setFocusProxy(self.add if table is None else self.list)
        if table is None:
            self.reading = None
            self.about.set_full_text("")
            self._show_lines()
            return
        self._say(table)
        if before is None or before.columns != table.columns:
            self._fit_columns()
        rows = [line.row for line in table.lines]
        if (grown and not self.busy) or self.reading is None or before is None or rows != [line.row for line in before.lines]:
            self.reading = self.sides.reading_of(table, TOLERANCE)
            if self.reading is not None:
                turns().ask(self._read)
        self._mark(state)
        self._show_lines()
        self.plot.show_marker(table.place)

    def _say(self, table: SideTable) -> None:
        many = {2: "both", 3: "all three"}.get(len(table.names), "all")
        said = f"step {table.step:,}: {table.complete:,} of {len(table):,} quantities in {many}"
        first = self.reading.course.first if self.reading is not None else None
        if first is not None:
            label = table.lines[first.row].row.label
            said += f"; first apart by more than {TOLERANCE:g} at step {first.step:,}: {label}"
        self.about.set_full_text(said)

    def _fit_columns(self) -> None:
        table = self.model.table
        if table is None:
            return
        header = self.list.header()
        used = sum(WIDTHS.get(what, 0) for what, _ in table.columns)
        wide = self.width() >= used + LEAST_LABEL + LEAST_PLOT
        self.split.setOrientation(Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical)
        usual = min(used + USUAL_LABEL, self.width() - LEAST_PLOT)
        self.split.setSizes([usual, self.width() - usual] if wide else [self.height() * 3 // 5, self.height() * 2 // 5])
        for column, (what, _) in enumerate(table.columns):
            if what != LABEL:
                self.list.setColumnWidth(column, WIDTHS[what])
        stretch = (usual if wide else self.width()) >= used + LEAST_LABEL
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch if stretch else QHeaderView.ResizeMode.Interactive)
        if not stretch:
            self.list.setColumnWidth(0, LEAST_LABEL)

    @property
    def chosen(self) -> int:
        """The row that is selected, or -1; a row may be current without that."""
        rows = self.list.selectionModel().selectedRows()
        return int(rows[0].row()) if rows else -1

    def _mark(self, state: State) -> None:
        table = self.model.table
        if table is None:
            return
        row = row_of(table, state.selection)
        if row >= 0 and row != self.chosen:
            self.list.show_row(row)
            self._show_lines()

    # All steps

    @property
    def busy(self) -> bool:
        """Whether there is more to read."""
        reading = self.reading
        return reading is not None and self.isVisible() and reading.at < len(reading.course.steps)

    def _read(self) -> None:
        """Read the distances on, for one turn."""
        if not isValid(self):  # its turn may come when Qt has let go of it
            return
        reading, table = self.reading, self.model.table
        if reading is None or table is None or not self.isVisible():
            return
        begun = time.monotonic()
        while self.busy and time.monotonic() < begun + BUDGET:
            reading.read()
        more = self.busy
        if not more or time.monotonic() > self._shown_at + SHOW_EVERY:
            self._shown_at = time.monotonic()
            self._say(table)
            self._show_lines()
        if not more and len(reading.course.steps) != len(table.steps):  # more have come meanwhile
            self.reading = self.sides.reading_of(table, TOLERANCE)
        if self.busy:
            turns().ask(self._read)

    def showEvent(self, event: QShowEvent) -> None:
        """Read on."""
        super().showEvent(event)
        turns().ask(self._read)

    def _show_lines(self) -> None:
        table, reading = self.model.table, self.reading
        if table is None or reading is None:
            self.plot.show_lines(np.zeros(0, np.int64), ())
            self.legend.setText("")
            return
        lines = plot_lines(table, reading.course, self.chosen)
        self.plot.show_lines(reading.course.steps, lines)
        self.plot.show_marker(table.place)
        inks = map(self.plot.colour_of, range(len(lines)))
        named = (f'<span style="color: {ink}">{escape(line.name)}</span>' for ink, line in zip(inks, lines, strict=True))
        told = " &nbsp; ".join(named) or "nothing to compare in this row"
        equal = bool(lines) and not any((line.apart > 0).any() for line in lines)
        self.legend.setText(f"{told} &nbsp; equal in every step, so there is no line" if equal and not self.busy else told)

    # What is done with it

    def _on_row(self, row: int) -> None:
        table = self.model.table
        if table is None or row >= len(table):
            return
        selection = selection_of(table.lines[row])
        if selection is not None:
            self.session.select(selection)
        self._show_lines()

    def _on_clicked(self, index: QModelIndex) -> None:
        self._go(index.row())

    def _go(self, row: int) -> None:
        """Put the playhead after the event of a row, in the recording that is shown; a row that is not in it says so."""
        table = self.model.table
        if table is None or row >= len(table):
            return
        cell = table.lines[row].row.cells[0]
        if cell is not None:
            self.session.go_to(self.session.state.step, max(cell.event, -1) + 1)
            self._on_row(row)
        else:
            self.about.set_full_text(f"{table.names[0]} has no {table.lines[row].row.label}")

    def _on_step(self, place: int) -> None:
        self.session.go_to(self.sides.index_of(place), self.session.state.position)


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(SideBySideView, width=1100, height=420))
