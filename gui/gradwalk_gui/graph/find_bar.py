"""The find bar over the graph: type a name or a filter, Enter goes from match to match, Esc closes."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gradwalk import filter as filters
from gradwalk.tape import event_at
from gradwalk.trace import NONE, Graph, Trace

from ..icons import themed
from ..inspection.subject import selection_of
from ..names import Name, matches, names_of
from ..panel import Panel
from ..session import Session
from ..state import Selection, State
from ..theme import Theme, font
from ..widgets.filter_field import FilterField
from ..widgets.own_keys import Button, Field


class FindField(FilterField, Field):
    """Words, or a filter where a text has a $function; all keys without Ctrl or Alt are its own."""

    def is_filter(self, text: str) -> bool:
        """Whether a text is meant as a filter."""
        return "$" in text


class FindBar(Panel):
    """``found`` when there are other matches, ``went`` with the match that was gone to, ``closed`` when it is put away.

    ``resized`` when the sentence about a filter that cannot be read comes or goes.
    """

    title = "Find in graph"
    found = Signal()
    went = Signal(object)
    closed = Signal()
    resized = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setObjectName("over")
        self.matches: list[Name] = []
        self.place = -1
        self.field, self.count, self.problem = FindField(), QLabel(), QLabel()
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
        self.problem.setFont(font(11))
        self.problem.setWordWrap(True)
        self.problem.hide()
        row = QHBoxLayout()
        row.setSpacing(4)
        for widget in (self.field, self.count, self.previous, self.next, self.leave):
            row.addWidget(widget, 1 if widget is self.field else 0)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.problem)
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
        self.problem.setStyleSheet(f"color: {self.theme.danger};")
        self.field.read(self.field.text(), self.theme.danger)

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
        """Search again in another structure; a filter may ask for numbers, which are others at each step."""
        self.field.graph = new.trace.graph if new.trace is not None else None
        if new.trace is None:
            self.close_bar()
        elif self.isVisible() and (old.trace is None or self._differ(old.trace, new.trace)):
            self._search()

    def _differ(self, old: Trace, new: Trace) -> bool:
        return old is not new if self.field.is_filter(self.field.text()) else old.graph.key != new.graph.key

    def _search(self) -> None:
        trace = self.session.state.trace
        here = self.matches[self.place].selection if 0 <= self.place < len(self.matches) else self.session.state.selection
        self.field.read(self.field.text(), self.theme.danger)
        self.matches = self._matches(trace) if trace is not None and self.field.error is None else []
        self.place = next((i for i, name in enumerate(self.matches) if name.selection == here), -1)
        self._say()
        self.found.emit()

    def _matches(self, trace: Trace) -> list[Name]:
        names, text = names_of(trace.graph), self.field.text()
        if not self.field.is_filter(text):
            return matches(names, text)
        events = filters.matches(self.field.asked, trace).nonzero()[0].tolist()
        meant = {_named(trace.graph, selection_of(event_at(trace, position))) for position in events}
        return [name for name in names if name.selection in meant]

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
        error = self.field.error
        text = "" if not self.field.text().strip() or error else "no match" if not total else f"{total:,} found"
        if self.place >= 0:
            text = f"{self.place + 1:,} of {total:,}"
        self.count.setText(text)
        self.count.setStyleSheet(f"color: {self.theme.danger};" if text == "no match" else "")
        for button in (self.previous, self.next):
            button.setEnabled(bool(total))
        self.problem.setText(str(error) if error else "")
        if self.problem.isHidden() is bool(error):
            self.problem.setVisible(bool(error))
            self.resized.emit()

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


def _named(graph: Graph, thing: Selection) -> Selection:
    """The thing that has a name: of a Node that accumulates, its leaf."""
    leaf = graph.nodes[thing.id].leaf if thing.kind == "node" else NONE
    return thing if leaf == NONE else Selection("value", leaf)
