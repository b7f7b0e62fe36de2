"""The find bar over the graph: type a name, Enter goes from match to match, Esc closes."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from ..icons import themed
from ..names import Name, matches, names_of
from ..panel import Panel
from ..session import Session
from ..state import Selection, State
from ..theme import Theme, font
from ..widgets.own_keys import Button, Field


class FindBar(Panel):
    """``found`` when there are other matches, ``went`` with the match that was gone to, ``closed`` when it is put away."""

    title = "Find in graph"
    found = Signal()
    went = Signal(object)
    closed = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setObjectName("over")
        self.matches: list[Name] = []
        self.place = -1
        self.field, self.count = Field(), QLabel()
        self.field.setPlaceholderText("Find modules, ops, parameters, Nodes")
        self.field.setAccessibleName(self.title)
        self.field.setMinimumWidth(72)
        self.count.setFont(font(11))
        self.count.setObjectName("hint")
        self.count.setMinimumWidth(60)
        self.count.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.previous = self._button("chevron-up", "Previous match   Shift+Enter")
        self.next = self._button("chevron-down", "Next match   Enter")
        self.leave = self._button("close", "Close   Esc")
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 6, 6, 6)
        row.setSpacing(4)
        for widget in (self.field, self.count, self.previous, self.next, self.leave):
            row.addWidget(widget, 1 if widget is self.field else 0)
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self.previous.clicked.connect(lambda: self.go(-1))
        self.next.clicked.connect(lambda: self.go(1))
        self.leave.clicked.connect(self.close_bar)
        self.begin()
        self.adjustSize()
        self.hide()

    def _button(self, icon: str, tip: str) -> Button:
        button = Button(self)
        button.setToolTip(tip)
        button.setAccessibleName(tip.partition("   ")[0])
        button.setProperty("icon_name", icon)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def apply_theme(self) -> None:
        """Recolour."""
        for button in (self.previous, self.next, self.leave):
            button.setIcon(themed(button.property("icon_name"), self.theme))

    def open_bar(self) -> None:
        """Show it, with the last text marked."""
        self.show()
        self.raise_()
        self.field.setFocus()
        self.field.selectAll()
        self._search()

    def close_bar(self) -> None:
        """Put it away; what was gone to stays selected."""
        if self.isVisible():
            self.hide()
            self.matches, self.place = [], -1
            self.found.emit()
            self.closed.emit()

    def show_state(self, old: State, new: State) -> None:
        """Search again in another structure."""
        if new.trace is None:
            self.close_bar()
        elif self.isVisible() and (old.trace is None or old.trace.graph.key != new.trace.graph.key):
            self._search()

    def _search(self) -> None:
        trace = self.session.state.trace
        here = self.matches[self.place].selection if 0 <= self.place < len(self.matches) else self.session.state.selection
        self.matches = matches(names_of(trace.graph), self.field.text()) if trace is not None else []
        self.place = next((i for i, name in enumerate(self.matches) if name.selection == here), -1)
        self._say()
        self.found.emit()

    def go(self, by: int) -> None:
        """To the next (or previous) match, round and round."""
        if not self.matches:
            return
        self.place = (self.place + by) % len(self.matches) if self.place >= 0 else (0 if by > 0 else len(self.matches) - 1)
        self._say()
        self.went.emit(self.matches[self.place].selection)

    @property
    def selections(self) -> tuple[Selection, ...]:
        """What the matches are."""
        return tuple(name.selection for name in self.matches)

    def _say(self) -> None:
        total = len(self.matches)
        text = "" if not self.field.text().strip() else "no match" if not total else f"{total:,} found"
        if self.place >= 0:
            text = f"{self.place + 1:,} of {total:,}"
        self.count.setText(text)
        self.count.setStyleSheet(f"color: {self.theme.danger};" if text == "no match" else "")
        for button in (self.previous, self.next):
            button.setEnabled(bool(total))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Enter and Shift+Enter go from match to match, Esc closes."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.go(-1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.close_bar()
                return True
        return super().eventFilter(watched, event)
