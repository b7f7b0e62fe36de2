"""A list to choose from by typing: a field, and below it what fits, best first. The palette and "Go to node" are such lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from .theme import Theme, font

NOTE = Qt.ItemDataRole.UserRole + 1
BESIDE = Qt.ItemDataRole.UserRole + 2
ROW = 32
GAP = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: its text, what stands beside it, and in mono at the right end; ``what`` is chosen."""

    text: str
    beside: str
    note: str
    what: object


class Chooser(QDialog):
    """Sub-classes say with :meth:`entries` what fits a text, and in :meth:`chosen` what happens."""

    def __init__(self, title: str, listed: str, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setWindowFlag(Qt.WindowType.FramelessWindowHint)
        self.setObjectName("palette")
        self.resize(560, 440)
        self.field, self.list = QLineEdit(), QListWidget()
        self.field.setPlaceholderText(title)
        self.field.setAccessibleName(title)
        self.list.setAccessibleName(listed)
        self.list.setItemDelegate(_Delegate(theme, self.list))
        self.list.setUniformItemSizes(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(8)
        column.addWidget(self.field)
        column.addWidget(self.list)
        self.field.textChanged.connect(self._fill)
        self.field.installEventFilter(self)
        self.list.itemClicked.connect(lambda _: self.choose())

    def entries(self, text: str) -> Iterable[Entry]:
        """What fits a text, best first."""
        raise NotImplementedError

    def chosen(self, what: object) -> None:
        """Do what was chosen; the list is closed by then."""
        raise NotImplementedError

    def fill(self) -> None:
        """List what fits the text; the last call of a sub-class's ``__init__``."""
        self._fill(self.field.text())

    def choose(self) -> None:
        """Take what is marked."""
        if self.list.currentRow() < 0:
            return
        what = self.list.currentItem().data(Qt.ItemDataRole.UserRole)
        self.accept()
        self.chosen(what)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Up, down and Enter act on the list while the field has the focus."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.choose()
                return True
            by = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}.get(Qt.Key(event.key()))
            if by is not None:
                self.list.setCurrentRow(max(0, min(self.list.currentRow() + by, self.list.count() - 1)))
                return True
        return super().eventFilter(watched, event)

    def _fill(self, text: str) -> None:
        self.list.clear()
        for entry in self.entries(text):
            item = QListWidgetItem(entry.text)
            item.setData(Qt.ItemDataRole.UserRole, entry.what)
            item.setData(NOTE, entry.note)
            item.setData(BESIDE, entry.beside)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, " ".join(filter(None, (entry.text, entry.beside, entry.note))))
            item.setSizeHint(QSize(0, ROW))
            self.list.addItem(item)
        self.list.setCurrentRow(0)


class _Delegate(QStyledItemDelegate):
    """A row: its text, what stands beside it, the note at the right end."""

    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        """Draw one row."""
        theme = self._theme
        row: QRect = option.rect
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        box = row.adjusted(GAP, 0, -GAP, 0)
        painter.save()
        if chosen:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.accent))
            painter.drawRoundedRect(row.adjusted(2, 1, -2, -1), 6, 6)
        quiet = QColor(theme.accent_text if chosen else theme.faint)
        right = box.width() - self._write(painter, box, index.data(NOTE), font(11, numbers=True), quiet, at_right=True) - GAP
        ink = QColor(theme.accent_text if chosen else theme.text)
        used = self._write(painter, QRect(box.topLeft(), QSize(right, box.height())), index.data(), font(13), ink) + GAP
        rest = QRect(box.left() + used, box.top(), right - used, box.height())
        if rest.width() > 2 * GAP:
            self._write(painter, rest, index.data(BESIDE), font(11), quiet)
        painter.restore()

    def _write(self, painter: QPainter, box: QRect, text: str, face: QFont, ink: QColor, *, at_right: bool = False) -> int:
        """Write a text, cut in the middle where there is no room; gives its width."""
        painter.setFont(face)
        painter.setPen(ink)
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, box.width())
        side = Qt.AlignmentFlag.AlignRight if at_right else Qt.AlignmentFlag.AlignLeft
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | side, shown)
        return painter.fontMetrics().horizontalAdvance(shown)
