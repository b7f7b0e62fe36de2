"""The outline: the tree of module calls with their parameters and ops, in step with the graph's selection and folds."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QModelIndex, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QStackedLayout, QTreeView, QWidget

from gradwalk.trace import NONE

from ..inspection.tree import Item, item_for, items_of
from ..panel import GRID, Panel
from ..session import Session, State
from ..theme import Theme, assets, font

NAME, DETAIL, FOLD = range(3)
_PLACE = Qt.ItemDataRole.UserRole + 1


class OutlineView(Panel):
    """A click selects; the check box of a module folds it into one card of the graph."""

    title = "Outline"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self._items: list[Item] = []
        self._cells: list[QStandardItem] = []
        self._folds: dict[str, list[QStandardItem]] = {}
        self.model = QStandardItemModel(0, 3, self)
        self.model.setHorizontalHeaderLabels(["name", "shape", "fold"])
        self.model.itemChanged.connect(self._on_checked)
        self.tree = QTreeView(self)
        self.tree.setModel(self.model)
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(2 * GRID)
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
        tree.selectionModel().selectionChanged.connect(self._on_selected)
        header = tree.header()
        header.setStretchLastSection(False)
        header.setHighlightSections(False)
        header.setMinimumSectionSize(32)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(FOLD, QHeaderView.ResizeMode.Fixed)
        tree.setColumnWidth(DETAIL, 104)
        tree.setColumnWidth(FOLD, 44)

    def apply_theme(self) -> None:
        """Recolour."""
        self.message.setStyleSheet(f"color: {self.theme.subtle};")
        self.tree.setStyleSheet(_check_boxes(self.theme))
        for item, cell in zip(self._items, self._cells, strict=True):
            self._dress(item, cell)

    def show_state(self, old: State, new: State) -> None:
        """Show what differs: the structure, the selection, the folds."""
        if new.trace is None:
            self._items, self._cells, self._folds = [], [], {}
            self.model.removeRows(0, self.model.rowCount())
            self.message.setText("Open a recording to see its modules and ops.")
            self._pages.setCurrentWidget(self.message)
            return
        if old.trace is None or old.trace.graph is not new.trace.graph:
            self._fill(new)
        elif old.view.folded != new.view.folded:
            self._check(new)
        self._follow(new)

    def _fill(self, state: State) -> None:
        assert state.trace is not None
        self._items = items_of(state.trace.graph)
        self.model.removeRows(0, self.model.rowCount())
        self._cells, self._folds = [], {}
        for place, item in enumerate(self._items):
            self._add(place, item)
        self.tree.setColumnHidden(FOLD, not self._folds)
        self.tree.expandToDepth(1)
        self._check(state)
        self.message.setText("Nothing ran forward in this step.")
        self._pages.setCurrentWidget(self.tree if self._items else self.message)

    def _add(self, place: int, item: Item) -> None:
        name, detail, fold = QStandardItem(item.name), QStandardItem(item.detail), QStandardItem()
        for cell in (name, detail, fold):
            cell.setData(place, _PLACE)
            cell.setEditable(False)
        name.setToolTip("  ".join(part for part in (item.kind, item.path or item.name, item.detail) if part))
        name.setAccessibleText(f"{item.kind} {item.name} {item.detail}")
        detail.setFont(font(11, numbers=item.kind != "module"))
        if item.kind == "module":
            fold.setCheckable(True)
            fold.setToolTip(f"Draw {item.path} as one card")
            fold.setAccessibleText(f"fold {item.path}")
            self._folds.setdefault(item.path, []).append(fold)
        self._dress(item, name)
        detail.setForeground(QColor(self.theme.subtle))
        above = self._cells[item.parent] if item.parent != NONE else self.model.invisibleRootItem()
        above.appendRow([name, detail, fold])
        self._cells.append(name)

    def _dress(self, item: Item, cell: QStandardItem) -> None:
        theme = self.theme
        colour = {
            "module": theme.subtle,
            "leaf": theme.leaf,
            "input": theme.input,
            "custom": theme.other,
        }.get(item.kind, theme.forward)
        cell.setIcon(_symbol(item.kind, colour))
        above = cell.parent() or self.model.invisibleRootItem()
        detail = above.child(cell.row(), DETAIL)
        if detail is not None:
            detail.setForeground(QColor(theme.subtle))

    def _check(self, state: State) -> None:
        self.model.blockSignals(True)
        for path, cells in self._folds.items():
            for cell in cells:
                cell.setCheckState(Qt.CheckState.Checked if path in state.view.folded else Qt.CheckState.Unchecked)
        self.model.blockSignals(False)
        self.tree.viewport().update()

    def _follow(self, state: State) -> None:
        assert state.trace is not None
        place = item_for(state.trace.graph, self._items, state.selection)
        index = self._cells[place].index() if place != NONE else QModelIndex()
        if [index] == self.tree.selectionModel().selectedRows():
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
        place = chosen[0].data(_PLACE) if chosen else None
        if isinstance(place, int):
            self.session.select(self._items[place].selection)

    def _on_checked(self, cell: QStandardItem) -> None:
        place = cell.data(_PLACE)
        if not cell.isCheckable() or not isinstance(place, int):
            return
        path = self._items[place].path
        if (cell.checkState() is Qt.CheckState.Checked) != (path in self.session.state.view.folded):
            self.session.fold(path)


def _check_boxes(theme: Theme) -> str:
    """Check boxes as everywhere else in the app; a tree has none of its own in the common style sheet."""
    tick = (assets() / "icons" / "controls" / theme.name / "check.svg").as_posix()
    return (
        f"QTreeView::indicator {{ width: 14px; height: 14px; border: 1px solid {theme.ghost}; border-radius: 4px;"
        f" background: {theme.panel}; }}"
        f"QTreeView::indicator:hover {{ border-color: {theme.accent}; }}"
        f"QTreeView::indicator:checked {{ background: {theme.accent}; border-color: {theme.accent}; image: url({tick}); }}"
    )


@lru_cache(maxsize=64)
def _symbol(kind: str, colour: str) -> QIcon:
    """A shape per kind of thing: a box, a pill, a dot, a diamond; filled for what training changes."""
    pixels = QPixmap(28, 28)
    pixels.setDevicePixelRatio(2.0)
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(colour), 1.5))
    if kind in ("leaf", "op"):
        painter.setBrush(QColor(colour))
    path = QPainterPath()
    if kind == "module":
        path.addRoundedRect(1.5, 1.5, 11, 11, 2.5, 2.5)
    elif kind in ("leaf", "input"):
        path.addRoundedRect(1.5, 4, 11, 6, 3, 3)
    elif kind == "custom":
        path.moveTo(7, 1.5)
        for x, y in ((12.5, 7), (7, 12.5), (1.5, 7)):
            path.lineTo(x, y)
        path.closeSubpath()
    else:
        path.addEllipse(3.5, 3.5, 7, 7)
    painter.drawPath(path)
    painter.end()
    return QIcon(pixels)


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(OutlineView, width=300))
