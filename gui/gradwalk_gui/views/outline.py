"""The outline: the tree of module calls with their parameters and ops, in step with the graph's selection, folds and root."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QStackedLayout, QTreeView, QWidget

from gradwalk.trace import NONE

from ..inspection.tree import items_of, place_for, places_of
from ..panel import GRID, LEAST, Panel
from ..session import Session
from ..showing import call_at
from ..state import Selection, State
from ..theme import Theme, assets
from ..widgets.keep_in_view import keep_in_view
from ..widgets.outline_model import DETAIL, FOLD, NAME, OutlineModel

AT_FIRST = 400
"""The most lines that are shown at first with two levels open; with more it is one."""
TITLES_FROM = 80
"""The height from which on the columns have titles."""


class OutlineView(Panel):
    """A click selects, a double click looks into a module; the check box of a module folds it into one card of the graph."""

    title = "Outline"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self._places: dict[Selection, int] = {}
        self.model = OutlineModel(self)
        self.model.toggled.connect(self.session.fold)
        self.tree = QTreeView(self)
        self.tree.setMinimumHeight(LEAST)
        self.tree.setModel(self.model)
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(2 * GRID)
        self.message.setMinimumHeight(LEAST)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.message)
        self._pages.addWidget(self.tree)
        self._arrange()
        self.begin()

    def _arrange(self) -> None:
        tree = self.tree
        tree.setUniformRowHeights(True)
        tree.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        tree.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        tree.setFrameShape(QTreeView.Shape.NoFrame)
        tree.setIndentation(2 * GRID)
        tree.setIconSize(QSize(14, 14))
        tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        tree.setAccessibleName("Modules, parameters and ops")
        tree.setExpandsOnDoubleClick(False)
        tree.doubleClicked.connect(self._on_double_click)
        tree.selectionModel().selectionChanged.connect(self._on_selected)
        header = tree.header()
        header.setStretchLastSection(False)
        header.setHighlightSections(False)
        header.setMinimumSectionSize(32)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(FOLD, QHeaderView.ResizeMode.Fixed)
        tree.setColumnWidth(DETAIL, 104)
        tree.setColumnWidth(FOLD, 44)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A narrow outline leaves the room to the names, a low one to its rows."""
        super().resizeEvent(event)
        self.tree.setHeaderHidden(self.height() < TITLES_FROM)
        self.tree.setColumnWidth(DETAIL, max(48, min(104, round(self.width() * 0.3))))
        for chosen in self.tree.selectionModel().selectedRows():
            keep_in_view(self.tree, chosen, event)

    def apply_theme(self) -> None:
        """Recolour."""
        self.message.setStyleSheet(f"color: {self.theme.subtle};")
        self.tree.setStyleSheet(_check_boxes(self.theme))
        self.model.theme = self.theme
        self.tree.viewport().update()

    def show_state(self, old: State, new: State) -> None:
        """Show what differs: the structure, the root, the selection, the folds."""
        if new.trace is None:
            self._places = {}
            self.model.set_items([])
            self.message.setText("Open a recording to see its modules and ops.")
            self._pages.setCurrentWidget(self.message)
            return
        self.model.folded, self.model.root = new.view.folded, new.view.root
        if old.trace is None or old.trace.graph is not new.trace.graph:
            self._fill(new)
        elif old.view != new.view:
            self.tree.viewport().update()
        self._follow(old, new)

    def _fill(self, state: State) -> None:
        assert state.trace is not None
        items = items_of(state.trace.graph)
        self.model.set_items(items)
        self._places = places_of(items)
        self.tree.setColumnHidden(FOLD, not any(item.kind == "module" for item in items))
        self.tree.expandToDepth(1 if self.model.lines_to(2) <= AT_FIRST else 0)
        self.message.setText("Nothing ran forward in this step.")
        self._pages.setCurrentWidget(self.tree if items else self.message)

    def _follow(self, old: State, state: State) -> None:
        """Show the selection, and what is newly looked into."""
        assert state.trace is not None
        if state.view.root and state.view.root != old.view.root:
            root = Selection("module", call_at(state.trace.graph, state.view.root))
            index = self.model.index_of(self._places.get(root, NONE))
            self.tree.expand(index)
            self.tree.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtTop)
        place = place_for(state.trace.graph, self._places, state.selection)
        index = self.model.index_of(place)
        shown = [self.model.place_of(each) for each in self.tree.selectionModel().selectedRows()]
        if shown == ([] if place == NONE else [place]):
            return
        self.tree.selectionModel().blockSignals(True)
        if index.isValid():
            self.tree.setCurrentIndex(index)
            self.tree.scrollTo(index)
        else:
            self.tree.selectionModel().clear()
        self.tree.selectionModel().blockSignals(False)
        self.tree.viewport().update()

    def _on_selected(self) -> None:
        """What the person selects; a current row alone (as when the tree gets the focus) selects nothing."""
        chosen = self.tree.selectionModel().selectedRows()
        if chosen:
            self.session.select(self.model.items[self.model.place_of(chosen[0])].selection)

    def _on_double_click(self, index: QModelIndex) -> None:
        item = self.model.items[self.model.place_of(index)]
        if item.kind == "module" and index.column() != FOLD:
            self.session.dive(item.path)


def _check_boxes(theme: Theme) -> str:
    """Check boxes as everywhere else in the app; a tree has none of its own in the common style sheet."""
    tick = (assets() / "icons" / "controls" / theme.name / "check.svg").as_posix()
    return (
        f"QTreeView::indicator {{ width: 14px; height: 14px; border: 1px solid {theme.ghost}; border-radius: 4px;"
        f" background: {theme.panel}; }}"
        f"QTreeView::indicator:hover {{ border-color: {theme.accent}; }}"
        f"QTreeView::indicator:checked {{ background: {theme.accent}; border-color: {theme.accent}; image: url({tick}); }}"
    )


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(OutlineView, width=300))
