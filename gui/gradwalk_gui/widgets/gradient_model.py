"""The table behind the list of gradients: the columns of a step at the playhead, in an order that stays over steps."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

from gradwalk.trace import Graph
from gradwalk.verdicts import WORDS, Mark, marks_of_edges

from ..check_mark import mark_icon
from ..inspection.gradient_table import (
    CHECK,
    COLUMNS,
    EVENT,
    MAX,
    NAME,
    NODE,
    RMS,
    SHAPE,
    GradientTable,
    changed_between,
    figure,
    has_come,
    order_of,
    said,
    text_of,
)
from ..numbers import EXACTLY_ZERO, NO_PATH, NOT_YET
from ..panel import mix
from ..theme import LIGHT, Theme, font, magnitude_fraction, magnitude_table
from ..verdicts import NO_VERDICTS, Verdicts
from .table import ROW

CHECK_TIP = (
    "The gradient against the NumPy reference: that of the op whose Node gave it;\n"
    "of a parameter's .grad the worst of those whose sum it is"
)
SINGLY = 16
"""So many rows at most are told of one by one when they change."""
AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class GradientModel(QAbstractTableModel):
    """``order`` holds for each line the row of ``table`` that it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.table: GradientTable | None = None
        self.position = 0
        self.theme: Theme = LIGHT
        self.by = -1
        """The column that is sorted by, -1 for the order of the forward."""
        self.descending = False
        self.verdicts = NO_VERDICTS
        self.marks = np.zeros(0, np.int8)
        """Per row the :class:`Mark` of the gradient: see ``verdicts.marks_of_edges``."""
        self.order = np.zeros(0, np.int64)
        self._lines = np.zeros(0, np.int64)

    def show_table(self, table: GradientTable | None, position: int) -> None:
        """Show another step, or another playhead in the same."""
        if self.table is None or table is None or (table is not self.table and table.selections != self.table.selections):
            self.beginResetModel()
            self.table, self.position = table, position
            self._arrange()
            self.endResetModel()
            return
        moved = changed_between(table, self.position, position) if table is self.table else np.arange(len(table))
        self.table, self.position = table, position
        if not len(moved):
            return
        if self.by >= RMS:
            self._rearrange()
        few = len(moved) <= SINGLY
        for first, last in [(line, line) for line in self._lines[moved].tolist()] if few else [(0, len(table) - 1)]:
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    def show_verdicts(self, graph: Graph | None, verdicts: Verdicts) -> None:
        """Show what is known of the ops against the reference."""
        table, self.verdicts = self.table, verdicts
        if table is None or graph is None or not verdicts:
            marks = np.zeros(0 if table is None else len(table), np.int8)
        else:
            marks = np.append(marks_of_edges(graph, verdicts.by_op), 0)[table.edges].astype(np.int8)  # NONE is the last
        if np.array_equal(marks, self.marks):
            return
        self.marks = marks
        if self.by == CHECK:
            self._rearrange()
        if len(marks):
            self.dataChanged.emit(self.index(0, CHECK), self.index(len(marks) - 1, CHECK))

    def mark_of(self, row: int) -> Mark:
        """The mark of a row of the table."""
        return Mark(int(self.marks[row])) if row < len(self.marks) else Mark.UNKNOWN

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; it stays so for other steps."""
        self.by, self.descending = column, order is Qt.SortOrder.DescendingOrder
        self._rearrange()

    def line_of(self, row: int) -> int:
        """The line in which a row of the table is, or -1."""
        return int(self._lines[row]) if 0 <= row < len(self._lines) else -1

    def _arrange(self) -> bool:
        """Work out the order; whether it is another."""
        before, table = self.order, self.table
        if table is not None and self.by == CHECK:
            marks = self.marks if len(self.marks) == len(table) else np.zeros(len(table), np.int8)
            made = np.argsort(-marks if self.descending else marks, kind="stable")
        elif table is not None:
            made = order_of(table, self.by, self.position, descending=self.descending)
        else:
            made = np.zeros(0, np.int64)
        self.order, self._lines = made, np.argsort(made)
        return not np.array_equal(before, made)

    def _rearrange(self) -> None:
        old = self.order
        self.layoutAboutToBeChanged.emit()
        if self._arrange():
            kept = self.persistentIndexList()
            moved = [self.index(self.line_of(int(old[index.row()])), index.column()) for index in kept]
            self.changePersistentIndexList(kept, moved)
        self.layoutChanged.emit()

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        """The gradients."""
        return 0 if parent.isValid() or self.table is None else len(self.table)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        """The columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The titles."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and MAX <= section < CHECK:
            return _RIGHT
        if role == Qt.ItemDataRole.ToolTipRole and section == CHECK:
            return CHECK_TIP
        return COLUMNS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, chip, colour, tool tip and accessible text of a cell."""
        table = self.table
        if not index.isValid() or table is None:
            return None
        row, column = int(self.order[index.row()]), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text_at(row, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{COLUMNS[column]}: {self.text_at(row, column) or 'none'}"
        if role == Qt.ItemDataRole.DecorationRole and column in (RMS, CHECK):
            return self._picture(table, row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tip_of(row)
        if role == Qt.ItemDataRole.SizeHintRole:
            return ROW
        if role == Qt.ItemDataRole.TextAlignmentRole and MAX <= column < CHECK:
            return _RIGHT
        if role == Qt.ItemDataRole.FontRole:
            return font(12 if column == NAME else 11, numbers=column in (SHAPE, MAX) or MAX < column < CHECK)
        return self._ink(table, row, column) if role == Qt.ItemDataRole.ForegroundRole else None

    def _picture(self, table: GradientTable, row: int, column: int) -> QIcon | None:
        if column == RMS:
            return chip(_level(table, row, self.position), self.theme)
        mark = self.mark_of(row)
        return mark_icon(self.theme, mark, there=has_come(table, row, self.position)) if mark else None

    def text_at(self, row: int, column: int) -> str:
        """The text of a cell."""
        assert self.table is not None
        return WORDS[self.mark_of(row)] if column == CHECK else text_of(self.table, row, column, self.position)

    def _ink(self, table: GradientTable, row: int, column: int) -> QColor | None:
        if column != RMS:
            pale = column == CHECK and not has_come(table, row, self.position)
            return QColor(self.theme.subtle) if pale else None
        text = said(table, row, self.position)
        return QColor(self.theme.bad) if text in ("NaN", "Inf") else QColor(self.theme.subtle) if text == NOT_YET else None

    def tip_of(self, row: int) -> str:
        """Everything about a row."""
        assert self.table is not None
        texts = ((COLUMNS[column], text_of(self.table, row, column, self.position)) for column in range(NODE, EVENT + 1))
        lines = [self.table.names[row], *(f"{title}: {text}" for title, text in texts if text), self.table.why[row]]
        mark = self.mark_of(row)
        lines += [f"NumPy reference: {WORDS[mark]}"] * bool(mark)
        return "\n".join(line for line in lines if line)

    def as_text(self, lines: Sequence[int], columns: Sequence[int], separator: str) -> str:
        """Lines of the table with titles, values with nine digits, separated by tabs or commas."""
        table = self.table
        if table is None:
            return ""
        made = io.StringIO()
        writer = csv.writer(made, delimiter=separator, lineterminator="\n")
        writer.writerow([COLUMNS[column] for column in columns])
        for line in lines:
            row = int(self.order[line])
            writer.writerow([self.text_at(row, c) if c == CHECK else _plain(table, row, c, self.position) for c in columns])
        return made.getvalue()


def _plain(table: GradientTable, row: int, column: int, position: int) -> str:
    """A cell for other programs: numbers without units; texts where there is no number."""
    text = text_of(table, row, column, position)
    if column < RMS or column == EVENT or not text or text in (NO_PATH, NOT_YET, EXACTLY_ZERO):
        return text
    value = figure(table, row, column, position)
    return text if np.isnan(value) else f"{value:.9g}"


def _level(table: GradientTable, row: int, position: int) -> int:
    """The place of a gradient on the colour scale, 0 to 255; -1 for none, -2 for NaN or Inf."""
    text = said(table, row, position)
    if text in ("NaN", "Inf"):
        return -2
    if not text[0].isdigit():
        return -1
    return int(magnitude_fraction(table.rms[row : row + 1])[0] * 255)


@lru_cache(maxsize=1024)
def chip(level: int, theme: Theme) -> QIcon:
    """A chip in the colour of a magnitude, as in the graph; dotted and empty for none, hatched for NaN and Inf."""
    made = QIcon()
    for scale in (1, 2):
        pixmap = QPixmap(12 * scale, 12 * scale)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(scale, scale)
        painter.setPen(QPen(QColor(theme.ghost), 1, Qt.PenStyle.DotLine if level == -1 else Qt.PenStyle.SolidLine))
        if level == -2:
            painter.setPen(QPen(QColor(theme.bad), 1))
            painter.fillRect(QRectF(1.5, 1.5, 9, 9), mix(theme.bad, theme.panel, 0.35))
            painter.setBrush(Qt.BrushStyle.DiagCrossPattern)
        elif level >= 0:
            painter.setBrush(QColor(*(int(part) for part in magnitude_table(theme)[level])))
        painter.drawRoundedRect(QRectF(1.5, 1.5, 9, 9), 2, 2)
        painter.end()
        for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
            made.addPixmap(pixmap, mode)
    return made
