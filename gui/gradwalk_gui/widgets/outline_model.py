"""The outline as a model for a tree view: it asks for rows when it shows them, so that ten thousand are there at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QFont, QIcon, QPainter, QPainterPath, QPen, QPixmap

from gradwalk.trace import NONE

from ..inspection.tree import Item
from ..theme import LIGHT, Theme, font

NAME, DETAIL, FOLD = range(3)
_HEADERS = ("name", "shape", "fold")
Index = QModelIndex | QPersistentModelIndex
_Role = Qt.ItemDataRole
_PLAIN = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
_CHECKABLE = _PLAIN | Qt.ItemFlag.ItemIsUserCheckable


class OutlineModel(QAbstractItemModel):
    """Rows are items by their place in the list. ``toggled`` carries the path of a module whose check box was used."""

    toggled = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.items: list[Item] = []
        self.theme: Theme = LIGHT
        self.folded: frozenset[str] = frozenset()
        self.root = ""
        self._children: list[list[int]] = [[]]
        self._rows: list[int] = []

    def set_items(self, items: list[Item]) -> None:
        """Other items, every parent before its children."""
        self.beginResetModel()
        self.items = items
        self._children = [[] for _ in range(len(items) + 1)]  # the last is the top
        self._rows = []
        for place, item in enumerate(items):
            siblings = self._children[item.parent]
            self._rows.append(len(siblings))
            siblings.append(place)
        self.endResetModel()

    def index_of(self, place: int, column: int = NAME) -> QModelIndex:
        """The index of an item; an invalid one for NONE."""
        return QModelIndex() if place == NONE else self.createIndex(self._rows[place], column, place)

    def place_of(self, index: Index) -> int:
        """The place of an index's item, or NONE."""
        return int(index.internalId()) if index.isValid() else NONE

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        """The cell in a row below a parent."""
        children = self._children[self.place_of(parent)]
        known = 0 <= row < len(children) and 0 <= column < len(_HEADERS)
        return self.createIndex(row, column, children[row]) if known else QModelIndex()

    def lines_to(self, depth: int) -> int:
        """How many rows show with everything above a depth expanded."""
        depths: list[int] = []
        for item in self.items:
            depths.append(depths[item.parent] + 1 if item.parent != NONE else 0)
        return sum(each <= depth for each in depths)

    def parent(self, index: Index = QModelIndex()) -> QModelIndex:  # type: ignore[override]  # noqa: B008
        """The row above."""
        return self.index_of(self.items[self.place_of(index)].parent) if index.isValid() else QModelIndex()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """How many rows lie below."""
        return len(self._children[self.place_of(parent)]) if parent.column() <= 0 else 0

    def columnCount(self, _parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Name, shape, fold."""
        return len(_HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole) -> Any:
        """The names of the columns."""
        return _HEADERS[section] if orientation == Qt.Orientation.Horizontal and role == _Role.DisplayRole else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Everything can be selected, the fold of a module be checked."""
        if index.column() == FOLD and self.items[self.place_of(index)].kind == "module":
            return _CHECKABLE
        return _PLAIN

    def data(self, index: Index, role: int = _Role.DisplayRole) -> Any:
        """What a cell shows."""
        if not index.isValid():
            return None
        item = self.items[self.place_of(index)]
        if index.column() == NAME:
            return self._name(item, role)
        if index.column() == DETAIL:
            return self._detail(item, role)
        return self._fold(item, role) if item.kind == "module" else None

    def _name(self, item: Item, role: int) -> Any:
        if role == _Role.DisplayRole:
            return item.name
        if role == _Role.DecorationRole:
            return _symbol(item.kind, _colour(item.kind, self.theme))
        if role == _Role.FontRole and item.path and item.path == self.root:
            return font(13, QFont.Weight.DemiBold)
        if role == _Role.ToolTipRole:
            return "  ".join(part for part in (item.kind, item.path or item.name, item.detail) if part)
        if role == _Role.AccessibleTextRole:
            return f"{item.kind} {item.name} {item.detail}"
        return None

    def _detail(self, item: Item, role: int) -> Any:
        if role == _Role.DisplayRole:
            return item.detail
        if role == _Role.FontRole:
            return font(11, numbers=item.kind != "module")
        return QColor(self.theme.subtle) if role == _Role.ForegroundRole else None

    def _fold(self, item: Item, role: int) -> Any:
        if role == _Role.CheckStateRole:
            return Qt.CheckState.Checked if item.path in self.folded else Qt.CheckState.Unchecked
        if role == _Role.ToolTipRole:
            return f"Draw {item.path} as one card"
        return f"fold {item.path}" if role == _Role.AccessibleTextRole else None

    def setData(self, index: Index, value: Any, role: int = _Role.EditRole) -> bool:
        """A check box was used."""
        if role != _Role.CheckStateRole or not self.flags(index) & Qt.ItemFlag.ItemIsUserCheckable:
            return False
        path = self.items[self.place_of(index)].path
        if (Qt.CheckState(value) == Qt.CheckState.Checked) != (path in self.folded):
            self.toggled.emit(path)
        return True


def _colour(kind: str, theme: Theme) -> str:
    colours = {"module": theme.subtle, "leaf": theme.leaf, "input": theme.input, "custom": theme.other}
    return colours.get(kind, theme.forward)


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
