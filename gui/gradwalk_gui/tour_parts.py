"""What the tour shows: a veil with a hole over the window, and a bubble beside the hole."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from .tour_stops import STOPS
from .window import Window

WIDTH, BORDER = 340, 2
ROOM = 12
"""Pixels between the thing and what is said of it."""


class Veil(QWidget):
    """Dims the window but for a hole; the pointer goes through."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.hole: QRect | None = None
        self._window = window
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The dimmed ground and a ring around the hole."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground, theme = QPainterPath(), self._window.theme
        ground.addRect(QRectF(self.rect()))
        if self.hole is not None:
            hole = QPainterPath()
            hole.addRoundedRect(QRectF(self.hole), 8, 8)
            ground -= hole
        painter.fillPath(ground, QColor(0, 0, 0, 140 if theme.dark else 90))
        if self.hole is not None:
            painter.setPen(QPen(QColor(theme.accent), 2))
            painter.drawRoundedRect(QRectF(self.hole).adjusted(1, 1, -1, -1), 8, 8)


class Bubble(QFrame):
    """What is said at a stop. Enter and the right arrow go on, the left arrow back, Space plays as it does in the graph."""

    went = Signal(int)
    skipped = Signal()
    played = Signal()

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.setObjectName("tour")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedWidth(WIDTH)
        self.title, self.text, self.count = QLabel(), QLabel(), QLabel()
        self.title.setObjectName("strong")
        self.text.setWordWrap(True)
        self.count.setObjectName("hint")
        self.skip, self.back, self.next = QPushButton("Skip"), QPushButton("Back"), QPushButton("Next")
        self.next.setObjectName("primary")
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.count)
        row.addStretch(1)
        for button in (self.skip, self.back, self.next):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button)
        self.skip.clicked.connect(self.skipped)
        self.back.clicked.connect(lambda: self.went.emit(-1))
        self.next.clicked.connect(lambda: self.went.emit(1))
        self._column = column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(8)
        for part in (self.title, self.text):
            column.addWidget(part)
        column.addLayout(row)

    def say(self, place: int) -> None:
        """Show what is said at a stop."""
        stop, last = STOPS[place], len(STOPS) - 1
        self.title.setText(stop.title)
        self.text.setText(stop.text)
        self.count.setText(f"{place + 1} of {len(STOPS)}")
        self.setAccessibleName(f"Tour, {place + 1} of {len(STOPS)}: {stop.title}")
        self.setAccessibleDescription(stop.text)
        self.back.setEnabled(place > 0)
        self.skip.setVisible(place < last)
        self.next.setText("Done" if place == last else "Next")
        self.setFixedHeight(self._column.heightForWidth(WIDTH - 2 * BORDER) + 2 * BORDER)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """On, back, play."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Right):
            focused = next((button for button in (self.skip, self.back) if button.hasFocus()), None)
            focused.click() if focused is not None and event.key() != Qt.Key.Key_Right else self.went.emit(1)
        elif event.key() == Qt.Key.Key_Left:
            self.went.emit(-1)
        elif event.key() == Qt.Key.Key_Space:
            self.played.emit()
        else:
            super().keyPressEvent(event)


def beside(hole: QRect | None, bubble: QRect, window: QRect) -> QRect:
    """Where a bubble stands: below, above, left or right of the hole, where it fits first; else in the middle of the window."""
    inside = window.adjusted(ROOM, ROOM, -ROOM, -ROOM)
    made = QRect(bubble)
    made.moveCenter(window.center())
    if hole is None:
        return made
    across = min(max(hole.center().x() - bubble.width() // 2, inside.left()), inside.right() - bubble.width())
    down = min(max(hole.center().y() - bubble.height() // 2, inside.top()), inside.bottom() - bubble.height())
    for x, y in (
        (across, hole.bottom() + ROOM),
        (across, hole.top() - ROOM - bubble.height()),
        (hole.left() - ROOM - bubble.width(), down),
        (hole.right() + ROOM, down),
    ):
        made.moveTo(x, y)
        if inside.contains(made):
            return made
    made.moveCenter(window.center())
    return made
