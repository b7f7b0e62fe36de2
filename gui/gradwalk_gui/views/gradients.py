"""The gradients of the step at the playhead as a table that can be sorted: the graph in words, with the same selection."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHeaderView,
    QLabel,
    QMenu,
    QToolButton,
    QWidget,
)

from ..icons import themed
from ..inspection.gradient_table import (
    BAD,
    CHECK,
    EVENT,
    MAX,
    MODULE,
    NAME,
    NODE,
    RATIO,
    RMS,
    SHAPE,
    ZEROS,
    missing,
    row_of,
    table_of,
)
from ..inspection.subject import empty_text
from ..numbers import NO_PATH, NOT_YET, count
from ..panel import GRID, Panel
from ..session import Session
from ..state import State
from ..theme import Theme, font
from ..widgets.gradient_model import GradientModel
from ..widgets.head import fill, head
from ..widgets.table import Table, copy_text
from ..widgets.text import ElidedLabel

WIDTHS = {NAME: 150, NODE: 130, MODULE: 120, SHAPE: 120, RMS: 136, MAX: 76, RATIO: 96, ZEROS: 72, BAD: 84, EVENT: 60, CHECK: 108}
SHOWN_FROM = {MAX: 330, BAD: 420, RATIO: 520, ZEROS: 600, SHAPE: 700, MODULE: 830, NODE: 600, EVENT: 900}
"""The widths from which on columns are shown."""
CHECK_FROM = 300


class GradientsView(Panel):
    """Moving along the rows selects in the graph, Enter goes to the event, a click on a title sorts, Ctrl+C copies rows."""

    title = "Gradients"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.everything = False
        self.model = GradientModel()
        self.list = Table("Gradients of the step", self)
        self.list.setModel(self.model)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.header().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.list.setSortingEnabled(True)
        self.model.sort(-1)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.switches = {False: self._switch("parameters"), True: self._switch("all")}
        self.reading = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.reading.setFont(font(11))
        self.copy = QToolButton(self)
        self.copy.setAccessibleName("Copy table")
        self.copy.setToolTip("Copy table")
        self.copy.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.copies = self._fill_copies()
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(GRID)
        self._arrange()
        self.list.moved.connect(self._on_row)
        self.list.chosen.connect(self._on_chosen)
        self.list.copied.connect(lambda: self._copy("\t", chosen=True))
        self.begin()

    def _switch(self, name: str) -> QToolButton:
        button = QToolButton(self)
        button.setText(name)
        button.setCheckable(True)
        button.setAccessibleName("Gradients of parameters" if name == "parameters" else "All gradients")
        button.setToolTip("Of parameters" if name == "parameters" else "Every gradient of the backward")
        button.clicked.connect(lambda: self.show_everything(name == "all"))
        return button

    def _fill_copies(self) -> QMenu:
        menu = QMenu(self)
        menu.addAction("Copy selected rows (tabs)   Ctrl+C").triggered.connect(lambda: self._copy("\t", chosen=True))
        menu.addAction("Copy all (tabs)").triggered.connect(lambda: self._copy("\t"))
        menu.addAction("Copy all as CSV").triggered.connect(lambda: self._copy(","))
        self.copy.setMenu(menu)
        return menu

    def _arrange(self) -> None:
        group = QButtonGroup(self)
        for button in self.switches.values():
            group.addButton(button)
        _, self._pages = fill(self, head(self.switches.values(), self.reading, (self.copy,)), self.list, self.message)
        header = self.list.header()
        header.setStretchLastSection(False)
        for column, width in WIDTHS.items():
            self.list.setColumnWidth(column, width)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self._fit_columns()

    def apply_theme(self) -> None:
        """Recolour."""
        self.model.theme = self.theme
        self.copy.setIcon(themed("copy", self.theme))
        for label in (self.reading, self.message):
            label.setStyleSheet(f"color: {self.theme.subtle};")
        self.list.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out columns that there is no room for."""
        super().resizeEvent(event)
        self._fit_columns()

    def _fit_columns(self) -> None:
        for column, width in SHOWN_FROM.items():
            alien = (column == NODE and not self.everything) or (column == RATIO and self.everything)
            self.list.setColumnHidden(column, alien or self.width() < width)
        self.list.setColumnHidden(CHECK, not self.model.verdicts or self.width() < CHECK_FROM)

    def show_everything(self, everything: bool) -> None:
        """Every gradient of the backward, or those of the parameters."""
        self.everything = everything
        self._fit_columns()
        self._show(self.session.state)

    def show_state(self, old: State, new: State) -> None:
        """Show what differs: the step's rows, what has come at the playhead, the selection."""
        if new.trace is None or (new.trace, new.position) != (old.trace, old.position):
            self._show(new)
        elif new.verdicts is not old.verdicts:
            self._show_checks(new)
        elif new.selection != old.selection:
            self._mark(new)

    def _show(self, state: State) -> None:
        table = table_of(state.trace, everything=self.everything) if state.trace is not None else None
        self.model.show_table(table, state.position)
        self._show_checks(state)
        for everything, button in self.switches.items():
            button.setChecked(everything is self.everything)
        self._say(state)
        self._mark(state)

    def _show_checks(self, state: State) -> None:
        had = bool(self.model.verdicts)
        self.model.show_verdicts(state.trace.graph if state.trace is not None else None, state.verdicts)
        if had is not bool(state.verdicts):
            self._fit_columns()

    def _mark(self, state: State) -> None:
        """Make the row of what is selected in the graph the current one."""
        table = self.model.table
        if table is None or state.trace is None:
            return
        line = self.model.line_of(row_of(table, state.trace.graph, state.selection))
        if line < 0 or not self.list.selectionModel().isRowSelected(line, self.list.rootIndex()):
            self.list.show_row(line)

    def _say(self, state: State) -> None:
        table = self.model.table
        rows = len(table) if table is not None else 0
        numbers = missing(table, state.position) if table is not None else (0, 0)
        parts = [count(rows, "gradient" if self.everything else "parameter")]
        parts += [f"{many:,} {text}" for many, text in zip(numbers, (NOT_YET, NO_PATH), strict=True) if many]
        self.reading.set_full_text(", ".join(parts) if table is not None else "")
        if state.trace is None:
            self.message.setText("Open a recording to see its gradients.")
        elif not state.events:
            self.message.setText(empty_text(state.trace))
        else:
            self.message.setText("Nothing in this step requires a gradient.")
        self._pages.setCurrentWidget(self.list if rows else self.message)
        self.setFocusProxy(self.list if rows else self.switches[self.everything])
        self.copy.setEnabled(rows > 0)

    def _on_row(self, line: int) -> None:
        table = self.model.table
        if table is not None:
            self.session.select(table.selections[int(self.model.order[line])])

    def _on_chosen(self, line: int) -> None:
        table = self.model.table
        came = int(table.came[int(self.model.order[line])]) if table is not None else -1
        if came >= 0:
            self.session.go_to(self.session.state.step, came + 1)

    def _copy(self, separator: str, *, chosen: bool = False) -> None:
        picked = sorted(index.row() for index in self.list.selectionModel().selectedRows())
        lines = picked if chosen and picked else range(self.model.rowCount())
        left_out = (RATIO if self.everything else NODE, *(() if self.model.verdicts else (CHECK,)))
        columns = [c for c in range(self.model.columnCount()) if c not in left_out]
        copy_text(self.model.as_text(lines, columns, separator))


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(GradientsView, width=860, height=320))
