"""The sheet of keys: every command that has one, by menu, made from the table."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from .command import MENUS, Command
from .commands import COMMANDS

COLUMNS = (("Go",), ("File", "Edit", "Capture", "Tools", "Help"), ("View", "Run"))


class KeySheet(QDialog):
    """Three columns, a menu under the other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.resize(1080, 680)
        heading, hint = QLabel("Keys"), QLabel(
            "Keys without Ctrl or Alt, F keys aside, act while the graph, a ribbon or Events has the focus."
        )  # fmt: skip
        heading.setObjectName("heading")
        hint.setObjectName("hint")
        sheet = QWidget()
        sheet.setObjectName("sheet")
        columns = QHBoxLayout(sheet)
        columns.setContentsMargins(0, 0, 8, 0)
        columns.setSpacing(32)
        for menus in COLUMNS:
            column = QVBoxLayout()
            column.setSpacing(4)
            for menu in menus:
                _add_menu(column, menu)
            column.addStretch(1)
            columns.addLayout(column, 1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(sheet)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 20, 24, 20)
        outer.setSpacing(8)
        outer.addWidget(heading)
        outer.addWidget(hint)
        outer.addSpacing(8)
        outer.addWidget(area, 1)
        outer.addWidget(buttons)


def _add_menu(column: QVBoxLayout, menu: str) -> None:
    bound = bound_in(menu)
    if not bound:
        return
    title = QLabel(menu)
    title.setObjectName("section")
    column.addWidget(title)
    grid = QGridLayout()
    grid.setHorizontalSpacing(12)
    grid.setVerticalSpacing(4)
    grid.setColumnStretch(0, 1)
    for row, command in enumerate(bound):
        grid.addWidget(QLabel(command.title.removesuffix("...")), row, 0)
        keys = QHBoxLayout()
        keys.setSpacing(4)
        keys.addStretch(1)
        for key in command.keys:
            cap = QLabel(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText))
            cap.setObjectName("key")
            cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
            keys.addWidget(cap)
        grid.addLayout(keys, row, 1)
    column.addLayout(grid)
    column.addSpacing(12)


def bound_in(menu: str) -> list[Command]:
    """The commands of a top-level menu that have a key."""
    assert menu in MENUS
    return [command for command in COMMANDS if command.keys and command.menu.partition("/")[0] == menu]
