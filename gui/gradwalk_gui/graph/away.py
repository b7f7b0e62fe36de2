"""A note that not all of the graph is drawn, with the way back."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from ..panel import Panel
from ..session import Session
from ..state import State
from ..theme import Theme
from ..widgets.own_keys import Button


class AwayNote(Panel):
    """A button that says how much is hidden and shows it again. ``resized`` when it comes, goes or changes."""

    title = "What is not drawn"
    resized = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setAutoFillBackground(False)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, False)
        self.button = Button(self)
        self.button.setObjectName("crumb")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.setToolTip("Show all   Shift+H")
        self.button.clicked.connect(session.show_all)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.button)
        self.text = ""
        self.begin()

    def show_state(self, old: State, new: State) -> None:
        """Say something else."""
        text = told(new)
        if text != self.text:
            self.text = text
            self.button.setText(f"{text}, show all")
            self.button.setAccessibleName(f"{text}, show all")
            self.adjustSize()
            self.resized.emit()


def told(state: State) -> str:
    """What is not drawn, in two words, or an empty string."""
    if state.trace is None:
        return ""
    if state.view.isolated:
        return f"{len(state.view.isolated):,} isolated"
    return f"{len(state.view.hidden):,} hidden" if state.view.hidden else ""
