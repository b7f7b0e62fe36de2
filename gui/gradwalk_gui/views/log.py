"""The log: what a training started in the app prints, and how it ended."""

from __future__ import annotations

from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from ..panel import LEAST, Panel
from ..session import Session
from ..theme import Theme, font

LINES = 20_000
"""Older lines are dropped."""


class LogView(Panel):
    """Plain text; what was printed on stderr has the colour of danger. The line at the top says what runs, or how it ended."""

    title = "Log"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setObjectName("log")
        self.status = QLabel("No training was started here.")
        self.status.setContentsMargins(8, 0, 0, 0)
        self.stop = QPushButton("Stop")
        self.stop.setAccessibleName("Stop training")
        self.stop.setEnabled(False)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(LINES)
        self.text.setAccessibleName("Output of the training")
        self.text.setMinimumHeight(LEAST)
        row = QHBoxLayout()
        row.setContentsMargins(4, 4, 8, 4)
        row.addWidget(self.status, 1)
        row.addWidget(self.stop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(row)
        column.addWidget(self.text)
        self.begin()

    def apply_theme(self) -> None:
        """Take the font anew, which may have another size."""
        self.setFont(font(13))
        self.text.setFont(font(12, numbers=True))

    def started(self, what: str) -> None:
        """Begin anew: another training."""
        self.text.clear()
        self.status.setText(what)
        self.stop.setEnabled(True)

    def ended(self, how: str) -> None:
        """Say how the training ended."""
        self.status.setText(how)
        self.stop.setEnabled(False)

    def append(self, text: str, *, error: bool = False) -> None:
        """Add output as it comes; the view stays at the end if it was there. A carriage return writes over the line."""
        bar = self.text.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 4
        cursor = QTextCursor(self.text.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        look = QTextCharFormat()
        look.setForeground(QColor(self.theme.danger if error else self.theme.text))
        for place, piece in enumerate(text.replace("\r\n", "\n").split("\r")):
            if place:
                cursor.movePosition(QTextCursor.MoveOperation.StartOfBlock, QTextCursor.MoveMode.KeepAnchor)
            cursor.insertText(piece, look)
        if at_end:
            bar.setValue(bar.maximum())
