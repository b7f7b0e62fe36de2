"""The table behind Side by side: the rows of one step, a column for each recording's op, number and distance."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from gradwalk.comparison import TOLERANCE

from ..inspection.side_table import APART, LABEL, NUMBER, OP, SideTable, head_of, text_of, tip_of
from ..theme import LIGHT, Theme, font
from .table import ROW

AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class SideModel(QAbstractTableModel):
    """Shows a SideTable; what is further apart than TOLERANCE is in the colour of what is bad."""

    def __init__(self) -> None:
        super().__init__()
        self.table: SideTable | None = None
        self.theme: Theme = LIGHT

    def show_table(self, table: SideTable | None) -> None:
        """Show another step, or others beside."""
        before, self.table = self.table, table
        alike = before is not None and table is not None and before.names == table.names
        if alike and before is not None and table is not None and [x.row for x in before.lines] == [x.row for x in table.lines]:
            self.dataChanged.emit(self.index(0, 0), self.index(len(table) - 1, len(table.columns) - 1))
            return
        self.beginResetModel()
        self.endResetModel()

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        """The quantities."""
        return 0 if parent.isValid() or self.table is None else len(self.table)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        """The columns."""
        return 0 if parent.isValid() or self.table is None else len(self.table.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The titles."""
        table = self.table
        if orientation is not Qt.Orientation.Horizontal or table is None or section >= len(table.columns):
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and table.columns[section][0] in (NUMBER, APART):
            return _RIGHT
        return head_of(table, section) if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole) else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, colour, tool tip and accessible text of a cell."""
        table = self.table
        if not index.isValid() or table is None:
            return None
        row, column = index.row(), index.column()
        what, place = table.columns[column]
        if role == Qt.ItemDataRole.DisplayRole:
            return text_of(table, row, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            whose = f"{table.names[place]}, " if what != LABEL else ""
            return f"{whose}{what}: {text_of(table, row, column) or 'none'}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip_of(table, row, column)
        if role == Qt.ItemDataRole.SizeHintRole:
            return ROW
        if role == Qt.ItemDataRole.TextAlignmentRole and what in (NUMBER, APART):
            return _RIGHT
        if role == Qt.ItemDataRole.FontRole:
            return font(12 if what in (LABEL, OP) else 11, numbers=what in (NUMBER, APART))
        if role == Qt.ItemDataRole.ForegroundRole and what in (OP, APART):
            apart = table.lines[row].apart[place]
            off = what == APART and apart is not None and apart.relative > TOLERANCE
            return QColor(self.theme.bad if off else self.theme.subtle)
        return None

    def as_text(self) -> str:
        """The whole table, tabs between."""
        table = self.table
        if table is None:
            return ""
        columns = range(len(table.columns))
        heads = "\t".join(head_of(table, column) for column in columns)
        return "\n".join([heads, *("\t".join(text_of(table, row, column) for column in columns) for row in range(len(table)))])
