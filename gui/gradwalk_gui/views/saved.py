"""What the forward keeps for the backward and what it costs: per op, per module, and over the events of the step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QHeaderView, QLabel, QToolButton, QVBoxLayout, QWidget

from ..inspection.saved_table import (
    BYTES,
    EVENT,
    MODULE,
    NAME,
    NODES,
    NOW,
    OWN,
    TENSORS,
    held_in,
    in_words,
    lines_of,
    overwritten,
)
from ..inspection.subject import empty_text
from ..panel import GRID, LEAST, Panel
from ..session import Session
from ..state import State
from ..theme import Theme, font
from ..widgets.head import fill, head
from ..widgets.saved_model import SavedModel
from ..widgets.table import Table
from ..widgets.text import ElidedLabel
from ..widgets.warning_line import WarningLine

if TYPE_CHECKING:
    from ..widgets.held_plot import HeldPlot

WIDTHS = {NAME: 130, MODULE: 110, NODES: 130, TENSORS: 66, BYTES: 84, OWN: 84, NOW: 64, EVENT: 56}
SHOWN_FROM = {BYTES: 260, NOW: 330, TENSORS: 400, MODULE: 520, NODES: 650, EVENT: 720}
"""The widths of the table from which on columns are shown."""
SIDE_FROM = 620
"""The width of the panel from which on the plot is beside the table; else it takes the table's place."""
CHOICES = (("ops", "What each op keeps"), ("modules", "What each module keeps"), ("over the step", "Bytes held over the step"))


class SavedView(Panel):
    """A row selects in the graph, Enter and a click into the plot go to an event; in-place writes to what is kept are on top."""

    title = "Saved"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.shows = "ops"
        self._plot: HeldPlot | None = None
        self._asked = False
        self.model = SavedModel()
        self.list = Table("What is kept for the backward", self)
        self.list.setModel(self.model)
        self.list.header().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.list.setSortingEnabled(True)
        self.model.sort(-1)
        self.switches = {name: self._switch(name, tip) for name, tip in CHOICES}
        self.reading = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.reading.setFont(font(11))
        self.warning = WarningLine(session, self)
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(GRID)
        self._arrange()
        self.list.moved.connect(lambda place: self.session.select(self.model.lines[place].selection))
        self.list.chosen.connect(self._on_chosen)
        self.begin()

    def _switch(self, name: str, tip: str) -> QToolButton:
        button = QToolButton(self)
        button.setText(name)
        button.setCheckable(True)
        button.setAccessibleName(tip)
        button.setToolTip(tip)
        button.clicked.connect(lambda: self.show_what(name))
        return button

    def _arrange(self) -> None:
        group = QButtonGroup(self)
        for button in self.switches.values():
            group.addButton(button)
        self._side = QWidget(self)
        self._side.setMinimumHeight(LEAST)
        self._side_layout = QVBoxLayout(self._side)
        self._side_layout.setContentsMargins(0, 0, 0, 0)
        both = QWidget(self)
        row = QHBoxLayout(both)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID // 2)
        row.addWidget(self.list, 3)
        row.addWidget(self._side, 2)
        layout, self._pages = fill(self, head(self.switches.values(), self.reading), both, self.message)
        layout.insertWidget(1, self.warning)
        self.list.header().setStretchLastSection(False)
        for column, width in WIDTHS.items():
            self.list.setColumnWidth(column, width)
        self.list.header().setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self._fit()

    def plot(self) -> HeldPlot:
        """The plot; made when it is first asked for, because the library behind it takes a third of a second to load."""
        if self._plot is None:
            from ..widgets.held_plot import HeldPlot

            self._plot = HeldPlot(self.theme, self._side)
            self._side_layout.addWidget(self._plot)
            self._plot.chosen.connect(lambda position: self.session.go_to(self.session.state.step, position))
            self._show_plot(self.session.state)
        return self._plot

    def paintEvent(self, event: QPaintEvent) -> None:
        """The first time that the panel is on the screen, ask for the plot once the window has been drawn."""
        super().paintEvent(event)
        if self._plot is None and not self._asked:
            self._asked = True
            QTimer.singleShot(0, self, self.plot)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out what there is no room for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        wide = self.width() >= SIDE_FROM
        over = self.shows == "over the step" and not wide
        self.switches["over the step"].setVisible(not wide)
        self.list.setVisible(not over)
        self._side.setVisible(wide or over)
        width = self.width() * 3 // 5 if wide else self.width()
        for column, least in SHOWN_FROM.items():
            alien = self.shows == "modules" and column in (MODULE, NODES, NOW, EVENT)
            self.list.setColumnHidden(column, alien or width < least)
        for name, button in self.switches.items():
            button.setChecked(name == self.shows or (wide and self.shows == "over the step" and name == "ops"))

    def show_what(self, what: str) -> None:
        """The lines of the ops or of the modules, or (where it is not beside them) the plot."""
        self.shows = what
        self._fit()
        self._show(self.session.state)

    def apply_theme(self) -> None:
        """Recolour."""
        for label in (self.reading, self.message):
            label.setStyleSheet(f"color: {self.theme.subtle};")
        self.warning.set_theme(self.theme)
        if self._plot is not None:
            self._plot.set_theme(self.theme)

    def show_state(self, old: State, new: State) -> None:
        """Show what differs: the step, the playhead, the selection."""
        if new.trace is None or (new.trace, new.position) != (old.trace, old.position):
            self._show(new)
        elif new.selection != old.selection:
            self.list.show_row(self.model.place_of(new.selection))

    def _show(self, state: State) -> None:
        trace = state.trace
        lines = lines_of(trace, by_module=self.shows == "modules") if trace is not None else ()
        self.model.show_lines(lines, state.position)
        self.list.show_row(self.model.place_of(state.selection))
        self.warning.show_alerts(overwritten(trace) if trace is not None else ())
        self.reading.set_full_text(in_words(trace, state.position) if trace is not None and lines else "")
        if trace is None:
            self.message.setText("Open a recording to see what is kept for its backward.")
        else:
            self.message.setText("Nothing is kept for a backward in this step." if state.events else empty_text(trace))
        self._pages.setCurrentIndex(0 if lines else 1)
        self.setFocusProxy(self.list if lines else self.switches["ops"])
        self._show_plot(state)

    def _show_plot(self, state: State) -> None:
        if self._plot is not None and state.trace is not None:
            self._plot.show_held(held_in(state.trace))
            self._plot.show_position(state.position)

    def _on_chosen(self, place: int) -> None:
        line = self.model.lines[place]
        self.session.select(line.selection)
        self.session.go_to_selected()


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(SavedView, width=860, height=320))
