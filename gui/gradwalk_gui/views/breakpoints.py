"""The breakpoints: a list with a tick for each, a line to add one, and what the next one would be called."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gradwalk.breakpoints import checked, only_after
from gradwalk.filter import FilterError, parse
from gradwalk.filter.matching import asks_numbers
from gradwalk.gate import Breakpoint, When

from ..panel import GRID, LEAST, Panel
from ..session import Session
from ..state import State
from ..stopping import rests, text_here
from ..theme import Theme, font
from ..widgets.filter_field import FilterField
from ..widgets.text import ElidedLabel

EMPTY = "F9 sets a breakpoint at the selection or the next event, a click beside a line of the source one at the line."
COSTS = "While breakpoints are set, a training that runs is recorded the slow way."
RESTS = "They do not hold this training: they are from an earlier start, or it was detached."
LATE = "What an event makes is only known after it: this breakpoint stops after the event."
WAITS = "A condition on numbers waits for the GPU at every event that it covers."


NOTE_FROM = 110
"""The height of the panel from which on the advice in the note is shown, logical pixels."""


class BreakpointsView(Panel):
    """Space ticks the row, Delete removes it, Enter in the line adds one."""

    title = "Breakpoints"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.list = QListWidget(self)
        self.list.setAccessibleName("Breakpoints")
        self.list.setMinimumHeight(LEAST)
        self.list.setFrameShape(QListWidget.Shape.NoFrame)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setSpacing(2)
        self.list.itemChanged.connect(self._on_ticked)
        self.field = FilterField(self)
        self.field.setPlaceholderText("$op(mm)   $module(encoder.*)   $src(model.py:88)   $grad(rms>1e3)   $nan()")
        self.field.setAccessibleName("Condition of a new breakpoint")
        self.field.setMinimumWidth(60)
        self.field.textChanged.connect(self._read)
        self.field.returnPressed.connect(self.add)
        self.sides = {"before": QToolButton(self), "after": QToolButton(self)}
        group = QButtonGroup(self)
        for when, button in self.sides.items():
            button.setText(when)
            button.setCheckable(True)
            button.setToolTip(f"Stop {when} the event")
            button.setAccessibleName(f"Stop {when} the event")
            group.addButton(button)
        self.sides["before"].setChecked(True)
        group.buttonClicked.connect(lambda _: self._read(self.field.text()))
        self.button = QPushButton("Add", self)
        self.button.clicked.connect(self.add)
        self.note = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.note.setFont(font(11))
        self._wrong = False
        self.hold = QPushButton("Hold the training", self)
        self.hold.setToolTip("Hold the training that runs at these breakpoints, too")
        self.hold.clicked.connect(lambda: session.set(resting=False))
        last = QHBoxLayout()
        last.addWidget(self.note, 1)
        last.addWidget(self.hold)
        row = QHBoxLayout()
        row.setSpacing(GRID // 2)
        for widget in (self.field, *self.sides.values(), self.button):
            row.addWidget(widget, 1 if widget is self.field else 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GRID, GRID // 2, GRID, GRID // 2)
        layout.setSpacing(GRID // 2)
        layout.addLayout(row)
        layout.addWidget(self.list, 1)
        layout.addLayout(last)
        self.begin()

    def apply_theme(self) -> None:
        """Recolour."""
        self._read(self.field.text())

    def show_state(self, old: State, new: State) -> None:
        """Another list of breakpoints; the names that the field may offer."""
        self.field.graph = new.trace.graph if new.trace is not None else None
        if old.breakpoints != new.breakpoints or self.list.count() != len(new.breakpoints):
            row = self.list.currentRow()
            self.list.blockSignals(True)
            self.list.clear()
            for one in new.breakpoints:
                self.list.addItem(_item(one))
            self.list.setCurrentRow(min(row, len(new.breakpoints) - 1))
            self.list.blockSignals(False)
        self._read(self.field.text())

    def ask(self) -> None:
        """Begin a breakpoint with a condition at the selection, or the next event."""
        self.field.setText(text_here(self.session.state))
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()  # to be typed over, or gone on from its end

    def add(self) -> None:
        """Take what stands in the line; what cannot be a breakpoint stays there, with the reason under the list."""
        text = self.field.text().strip()
        if self._fault(text):
            self._read(self.field.text())
            return
        rest = tuple(one for one in self.session.state.breakpoints if (one.text, one.when) != (text, self._when))
        self.session.set(breakpoints=(*rest, Breakpoint(text, self._when)))
        self.field.clear()

    @property
    def _when(self) -> When:
        return "after" if self.sides["after"].isChecked() else "before"

    def _fault(self, text: str) -> str:
        try:
            checked(text, self._when)
        except FilterError as error:
            return error.message
        return ""

    def _read(self, text: str) -> None:
        """Underline what cannot be read; a condition on what an event makes can only stop after the event."""
        self.field.read(text, self.theme.danger)
        late = self.field.error is None and bool(text.strip()) and only_after(self.field.asked)
        if late:
            self.sides["after"].setChecked(True)
        fault = self._fault(text.strip()) if text.strip() else ""
        self._wrong = bool(fault)
        self.field.setToolTip(fault)
        self.button.setEnabled(bool(text.strip()) and not fault)
        self.note.set_full_text(fault or (LATE if late else self._advice()))
        self.note.setStyleSheet(f"color: {self.theme.danger if fault else self.theme.subtle};")
        self._make_room()

    def _advice(self) -> str:
        enabled = [one for one in self.session.state.breakpoints if one.enabled]
        if not self.session.state.breakpoints:
            return EMPTY
        if rests(self.session.state):
            return RESTS
        waits = any(asks_numbers(parse(one.text)) for one in enabled)
        return f"{COSTS} {WAITS}" if waits else COSTS if enabled else ""

    def _on_ticked(self, _item: QListWidgetItem) -> None:
        ticks = [self.list.item(row).checkState() == Qt.CheckState.Checked for row in range(self.list.count())]
        now = self.session.state.breakpoints
        self.session.set(breakpoints=tuple(Breakpoint(one.text, one.when, tick) for one, tick in zip(now, ticks, strict=True)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A low panel has no room for advice."""
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """A fault is always shown; in a low panel the list gives it the room."""
        resting, roomy = rests(self.session.state), self.height() >= NOTE_FROM
        self.hold.setVisible(resting)
        self.note.setVisible(resting or roomy or self._wrong)
        given = self.note.sizeHint().height() + GRID // 2 if self._wrong and not roomy else 0
        self.list.setMinimumHeight(LEAST - given)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete removes the current row."""
        row = self.list.currentRow()
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.list.hasFocus() and row >= 0:
            self.session.set(breakpoints=tuple(one for i, one in enumerate(self.session.state.breakpoints) if i != row))
            return
        super().keyPressEvent(event)


def _item(one: Breakpoint) -> QListWidgetItem:
    made = QListWidgetItem(f"{one.when}  {one.text}")
    made.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable)
    made.setCheckState(Qt.CheckState.Checked if one.enabled else Qt.CheckState.Unchecked)
    made.setToolTip(made.text())
    return made


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(BreakpointsView, width=640, height=220))
