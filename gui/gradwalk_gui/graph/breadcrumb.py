"""The breadcrumb: the modules around what is looked into and selected; a click looks into one."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from gradwalk.trace import NONE, Graph

from .. import showing
from ..panel import Panel
from ..session import Session, module_path
from ..state import State
from ..theme import Theme
from ..widgets.own_keys import Button
from .frames import up_from

WIDEST = 150
"""Pixels of a name; longer ones are cut in the middle."""
MOST = 5
"""More names than these: those in the middle are left out."""


class Breadcrumb(Panel):
    """``resized`` when it is wider or narrower than before."""

    title = "Where in the modules"
    resized = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setAutoFillBackground(False)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, False)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)
        self.buttons: list[Button] = []
        self._shown: tuple[tuple[str, str], ...] = ()
        self._root = ""
        self.begin()

    def show_state(self, old: State, new: State) -> None:
        """Show other names where the root or the selection is another."""
        names, root = crumbs(new), new.view.root
        if names == self._shown and root == self._root and self.buttons:
            return
        self._shown, self._root = names, root
        while (item := self._row.takeAt(0)) is not None:
            gone = item.widget()
            if gone is not None:
                gone.hide()
                gone.deleteLater()
        self.buttons = []
        for place, (path, name) in enumerate(names):
            if place:
                between = QLabel("\u203a", self)
                between.setObjectName("small")
                self._row.addWidget(between)
            self._row.addWidget(self._button(path, name, here=path == root))
        self.adjustSize()
        self.resized.emit()

    def _button(self, path: str, name: str, *, here: bool) -> Button:
        button = Button(self)
        button.setObjectName("here" if here else "crumb")
        button.setText(QFontMetrics(button.font()).elidedText(name, Qt.TextElideMode.ElideMiddle, WIDEST).replace("&", "&&"))
        told = f"Look into {path}" if path else "Show the whole graph"
        button.setAccessibleName(f"{told}, shown now" if here else told)
        button.setToolTip(told if not here else path or "The whole graph")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(partial(self.session.dive, path))
        button.setEnabled(name != "\u2026")
        self.buttons.append(button)
        return button


def crumbs(state: State) -> tuple[tuple[str, str], ...]:
    """Path and name of the modules from the whole graph to the root, or on to what is selected inside of it."""
    if state.trace is None or not state.trace.graph.modules:
        return ()
    graph, root = state.trace.graph, state.view.root
    deepest = showing.call_at(graph, root)
    if state.selection is not None:
        at = showing.call_at(graph, module_path(state))
        if deepest == NONE or deepest in up_from(graph, at):
            deepest = at
    names = [("", "all"), *_names(graph, deepest)]
    return tuple(names if len(names) <= MOST else [names[0], ("", "\u2026"), *names[2 - MOST :]])


def _names(graph: Graph, call: int) -> list[tuple[str, str]]:
    calls = [graph.modules[one] for one in up_from(graph, call)]
    return [(one.path, one.name or one.kind) for one in reversed(calls)]
