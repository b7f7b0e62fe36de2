"""The table behind the list of alerts."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QFont, QIcon

from gradwalk.watches import WATCHES
from gradwalk.watches.alert import Severity

from ..alerts import AlertRow
from ..icons import picture
from ..theme import LIGHT, Theme, font
from .table import ROW

COLUMNS = ("severity", "step", "event", "what was found")
SEVERITY, STEP, EVENT, SENTENCE = range(len(COLUMNS))
WORDS: dict[Severity, str] = {"error": "Error", "warning": "Warning"}
TITLES = {watch.kind: watch.title for watch in WATCHES}

AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class AlertModel(QAbstractTableModel):
    """Rows of alerts; that of ``at``, where the playhead stands, is bold."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[AlertRow, ...] = ()
        self.at: AlertRow | None = None
        self.theme: Theme = LIGHT

    def show_rows(self, rows: tuple[AlertRow, ...]) -> None:
        """Show other rows; those that only came at the end leave what is above them as it was."""
        old, self_rows = self.rows, tuple(row.key for row in self.rows)
        if rows == old:
            return
        if tuple(row.key for row in rows[: len(old)]) != self_rows:
            self.beginResetModel()
            self.rows = rows
            self.endResetModel()
            return
        if len(rows) > len(old):
            self.beginInsertRows(_ROOT, len(old), len(rows) - 1)
        self.rows = rows
        if len(rows) > len(old):
            self.endInsertRows()
        self._tell(0, len(old) - 1)

    def show_at(self, at: AlertRow | None) -> None:
        """Mark the row at which the playhead stands, or none."""
        if at != self.at:
            self.at = at
            self._tell(0, len(self.rows) - 1)

    def row_like(self, wanted: AlertRow | None) -> int:
        """The place of a row, also when more of it was found since; -1 where it is not shown."""
        return next((n for n, row in enumerate(self.rows) if wanted is not None and row.key == wanted.key), -1)

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        """The alerts that are shown."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        """The columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The titles."""
        return COLUMNS[section] if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, icon, tool tip and accessible text of a cell."""
        if not index.isValid():
            return None
        row, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return text_of(row, column)
        if role == Qt.ItemDataRole.DecorationRole and column == SEVERITY:
            return severity_icon(row.finding.alert.severity, self.theme)
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{TITLES[row.finding.alert.kind]}\n{sentence_of(row)}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return text_of(row, column)
        if role == Qt.ItemDataRole.SizeHintRole:
            return ROW
        if role == Qt.ItemDataRole.FontRole:
            at = self.at is not None and self.at.key == row.key
            return font(12, QFont.Weight.DemiBold if at else QFont.Weight.Normal)
        return None

    def _tell(self, first: int, last: int) -> None:
        if first <= last:
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))


def text_of(row: AlertRow, column: int) -> str:
    """The text of a cell."""
    alert = row.finding.alert
    return (WORDS[alert.severity], f"{alert.step:,}", row.event or "end of step", sentence_of(row))[column]


def sentence_of(row: AlertRow) -> str:
    """The sentence, and where it is so in several steps, up to which."""
    finding = row.finding
    again = f" ({finding.times:,} times, up to step {finding.last:,})" if finding.times > 1 else ""
    return f"{finding.alert.sentence}{again}"


def severity_icon(severity: Severity, theme: Theme) -> QIcon:
    """A stop sign or a triangle; on the ground of a chosen row in the colour of its text."""
    made = QIcon()
    colour = theme.danger if severity == "error" else theme.other
    for size in (14, 28):
        made.addPixmap(picture(severity, colour, size), QIcon.Mode.Normal)
        made.addPixmap(picture(severity, theme.accent_text, size), QIcon.Mode.Selected)
    return made
