"""The look and the keys that the tables of the panels share."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QItemSelectionModel, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QTreeView, QWidget

from ..panel import LEAST

ROW = QSize(40, 24)
"""What a row asks for, logical pixels."""
HEADER_FROM = 60


class Table(QTreeView):
    """Rows are chosen by Enter or a double click, and copied with Ctrl+C, which is the table's own while it has the focus."""

    chosen = Signal(int)
    moved = Signal(int)
    """A person made another row the current one."""
    copied = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("table")
        self.setAccessibleName(name)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setFrameShape(QTreeView.Shape.NoFrame)
        self.setIconSize(QSize(14, 14))
        self.setMinimumHeight(LEAST)
        self.setExpandsOnDoubleClick(False)
        self.header().setHighlightSections(False)
        self.header().setMinimumSectionSize(24)
        self.doubleClicked.connect(lambda index: self.chosen.emit(index.row()))
        self.clicked.connect(lambda index: self.moved.emit(index.row()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where there is room for one row only, it is a row and not the titles."""
        super().resizeEvent(event)
        self.setHeaderHidden(self.height() < HEADER_FROM)

    @property
    def row(self) -> int:
        """The current row, or -1."""
        return int(self.currentIndex().row())

    def show_row(self, row: int) -> None:
        """Make a row the current one and bring it into view; no row for -1."""
        index = self.model().index(row, 0)
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        if not index.isValid():
            self.selectionModel().clear()
        elif self.row != row or not self.selectionModel().isRowSelected(row, index.parent()):
            self.selectionModel().setCurrentIndex(index, flags)
            self.scrollTo(index)

    def event(self, event: QEvent) -> bool:
        """Claim Ctrl+C and Enter before shortcuts see them."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._is_own(event):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Act on keys."""
        before = self.row
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copied.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if before >= 0:
                self.chosen.emit(before)
        else:
            super().keyPressEvent(event)
            if self.row != before and self.row >= 0:
                self.moved.emit(self.row)

    def _is_own(self, event: QKeyEvent) -> bool:
        return event.matches(QKeySequence.StandardKey.Copy) or event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)


def copy_text(text: str) -> None:
    """Put a text on the clipboard, if there is one."""
    if text:
        QGuiApplication.clipboard().setText(text)
