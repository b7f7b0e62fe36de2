"""The table behind the list of what is kept for the backward."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from ..inspection.saved_table import BYTES, COLUMNS, EVENT, NAME, NODES, NOW, OWN, TENSORS, TIPS, SavedLine, key_of, text_of
from ..state import Selection
from ..theme import font
from .table import ROW

AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_NUMBERS = (TENSORS, BYTES, OWN, EVENT)


class SavedModel(QAbstractTableModel):
    """``lines`` stand in the order in which they are shown; it stays over steps."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[SavedLine] = []
        self.position = 0
        self.by, self.descending = -1, False
        self._given: tuple[SavedLine, ...] = ()
        self._places: dict[Selection, int] = {}

    def show_lines(self, lines: tuple[SavedLine, ...], position: int) -> None:
        """Show another step, or another playhead in the same."""
        if lines is self._given:
            if position != self.position:
                self.position = position
                self._show_now()
            return
        self.beginResetModel()
        self._given, self.position = lines, position
        self._arrange()
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 for the order of the tape."""
        self.by, self.descending = column, order is Qt.SortOrder.DescendingOrder
        self._rearrange()

    def place_of(self, selection: Selection | None) -> int:
        """The line of what is selected in the graph, or -1."""
        return self._places.get(selection, -1) if selection is not None else -1

    def _show_now(self) -> None:
        if self.by == NOW:
            self._rearrange()
        elif self.lines:
            self.dataChanged.emit(self.index(0, NOW), self.index(len(self.lines) - 1, NOW))

    def _rearrange(self) -> None:
        """In the order of a column, the current line kept."""
        self.layoutAboutToBeChanged.emit()
        kept, before = self.persistentIndexList(), self.lines
        self._arrange()
        moved = [self.index(self._places[before[index.row()].selection], index.column()) for index in kept]
        self.changePersistentIndexList(kept, moved)
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        self.lines = list(self._given)
        if self.by >= 0:
            self.lines.sort(key=lambda line: key_of(line, self.by, self.position), reverse=self.descending)
        self._places = {line.selection: place for place, line in enumerate(self.lines)}

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        """The ops or modules that keep something."""
        return 0 if parent.isValid() else len(self.lines)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        """The columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The titles."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and section in _NUMBERS:
            return _RIGHT
        if role == Qt.ItemDataRole.ToolTipRole:
            return TIPS.get(section)
        return COLUMNS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, tool tip and accessible text of a cell."""
        if not index.isValid():
            return None
        line, column = self.lines[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return text_of(line, column, self.position)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{COLUMNS[column]}: {text_of(line, column, self.position) or 'none'}"
        if role == Qt.ItemDataRole.ToolTipRole:
            texts = ((COLUMNS[each], text_of(line, each, self.position)) for each in range(NODES, EVENT + 1))
            return "\n".join([f"{line.name}  {line.module}".rstrip(), *(f"{title}: {text}" for title, text in texts if text)])
        if role == Qt.ItemDataRole.SizeHintRole:
            return ROW
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _NUMBERS:
            return _RIGHT
        if role == Qt.ItemDataRole.FontRole:
            return font(12 if column == NAME else 11, numbers=column in _NUMBERS)
        return None
