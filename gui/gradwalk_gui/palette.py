"""The command palette: type a few letters of what you want, Enter does it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter
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

from .actions import Actions, key_text
from .commands import COMMANDS, Command
from .theme import Theme, font

KEYS = Qt.ItemDataRole.UserRole + 1
MENU = Qt.ItemDataRole.UserRole + 2
ROW = 32


class Palette(QDialog):
    """Lists every command that can be used now, best match first."""

    def __init__(self, actions: Actions, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Search commands")
        self.setWindowFlag(Qt.WindowType.FramelessWindowHint)
        self.setObjectName("palette")
        self.resize(560, 440)
        self._actions = actions
        self.field, self.list = QLineEdit(), QListWidget()
        self.field.setPlaceholderText("Search commands")
        self.field.setAccessibleName("Search commands")
        self.list.setAccessibleName("Commands")
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
        self._fill("")

    def choose(self) -> None:
        """Do what is marked."""
        if self.list.currentRow() < 0:
            return
        action = self._actions[self.list.currentItem().data(Qt.ItemDataRole.UserRole)]
        self.accept()
        action.trigger()

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
        for command in found(text):
            if not self._actions[command.id].isEnabled() or command.id == "palette":
                continue
            item = QListWidgetItem(command.title.removesuffix("..."))
            item.setData(Qt.ItemDataRole.UserRole, command.id)
            item.setData(KEYS, key_text(command))
            item.setData(MENU, command.menu.replace("/", " > "))
            item.setSizeHint(QSize(0, ROW))
            self.list.addItem(item)
        self.list.setCurrentRow(0)


def found(text: str) -> list[Command]:
    """The commands whose title holds every word of ``text``, those whose words begin with one first."""
    words = text.lower().split()
    ranked = [(_rank(command, words), place, command) for place, command in enumerate(COMMANDS)]
    return [command for rank, _, command in sorted(ranked, key=lambda each: each[:2]) if rank < _NOT]


_NOT = 1_000


def _rank(command: Command, words: list[str]) -> int:
    title = command.title.lower()
    beginnings = title.split()
    rank = 0
    for word in words:
        if any(beginning.startswith(word) for beginning in beginnings):
            continue
        if word in title:
            rank += 1
        elif word in f"{command.menu} {command.id}".lower():
            rank += 10
        else:
            return _NOT
    return rank


class _Delegate(QStyledItemDelegate):
    """A row: the menu that a command is in, its title, its keys."""

    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        """Draw one row."""
        theme = self._theme
        row: QRect = option.rect
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        box, left, right = row.adjusted(12, 0, -12, 0), Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.save()
        if chosen:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.accent))
            painter.drawRoundedRect(row.adjusted(2, 1, -2, -1), 6, 6)
        quiet = QColor(theme.accent_text if chosen else theme.faint)
        painter.setFont(font(13))
        painter.setPen(QColor(theme.accent_text if chosen else theme.text))
        painter.drawText(box, middle | left, index.data())
        used = painter.fontMetrics().horizontalAdvance(index.data()) + 12
        painter.setPen(quiet)
        painter.setFont(font(11))
        painter.drawText(box.adjusted(used, 0, 0, 0), middle | left, index.data(MENU))
        painter.setFont(font(11, numbers=True))
        painter.drawText(box, middle | right, index.data(KEYS))
        painter.restore()
