"""What the window shows while a recording has no step yet."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget


class Waiting(QWidget):
    """A sentence, a line that says why, a moving bar while there is hope, and the way back."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.heading, self.about, self.bar = QLabel(), QLabel(), QProgressBar()
        self.heading.setObjectName("heading")
        self.about.setObjectName("hint")
        self.about.setWordWrap(True)
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(240)
        self.back = QPushButton("Back to the welcome page")
        column = QVBoxLayout(self)
        column.setSpacing(12)
        column.addStretch(2)
        for widget in (self.heading, self.about):
            widget.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(widget)
        column.addWidget(self.bar, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(8)
        column.addWidget(self.back, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)

    def say(self, heading: str, about: str = "", *, hope: bool = True) -> None:
        """Show a sentence; the bar moves while there is hope of a step."""
        self.heading.setText(heading)
        self.about.setText(about)
        self.about.setVisible(bool(about))
        self.bar.setVisible(hope)
