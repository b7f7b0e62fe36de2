"""The gutter of the source: room for breakpoints, the numbers of the ops at each line, and the line numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from ..inspection.stop_lines import NONE_YET
from ..theme import Theme, font

if TYPE_CHECKING:
    from .code_view import CodeView

BREAKPOINTS = 16
"""Room at the left for the dots of breakpoints, logical pixels."""
DOT, GAP = 9, 8
LONGEST = 9
"""Characters of the numbers of a line; where the view is narrow only the first number has room."""
NARROW = 420
"""A view less wide than this is narrow."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands beside a line: the numbers of its ops in their phase's colour, a dot for each other phase, a tool tip."""

    label: str
    colour: str
    dots: tuple[str, ...]
    told: str
    theme: Theme


class Gutter(QWidget):
    """At the left of a CodeView; a click and a double click on a line's numbers are told by the view."""

    def __init__(self, view: CodeView) -> None:
        super().__init__(view)
        self._view = view
        self._label_width = 0.0
        self.setMouseTracking(True)

    def sizeHint(self) -> QSize:
        """The size to start from."""
        return QSize(self.needed(), 0)

    def needed(self) -> int:
        """Room for breakpoints, dots, the longest numbers and the longest line number."""
        metrics = QFontMetricsF(font(11, numbers=True))
        marks = self._view.marks().values()
        self._label_width = max((metrics.horizontalAdvance(self._text(mark)) for mark in marks), default=0.0)
        dots = DOT * max((min(len(mark.dots), 2) for mark in marks), default=0)
        digits = max(3, len(str(max(self._view.blockCount(), 1))))
        lines = digits * metrics.horizontalAdvance("9")
        return round(BREAKPOINTS + dots + self._label_width + 2 * GAP + lines + GAP)

    def _text(self, mark: Mark) -> str:
        if self._view.width() >= NARROW:
            return mark.label[:LONGEST]
        first = mark.label.replace("-", " ").partition(" ")[0]
        return first if first == mark.label else f"{first}…"

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is shown."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme = self._view.theme
        painter.fillRect(self.rect(), QColor(theme.panel))
        strong = self._view.strong_lines()
        for line, box in self._view.lines_in_view():
            painter.setFont(font(11, QFont.Weight.Medium if line in strong else QFont.Weight.Normal, numbers=True))
            painter.setPen(QColor(theme.text if line in strong else theme.faint))
            place = QRectF(0, box.top(), self.width() - GAP, box.height())
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, str(line))
            if line in self._view.stops():
                self._paint_stop(painter, box, hollow=line in self._view.hollow_stops())
            mark = self._view.marks().get(line)
            if mark is not None:
                self._paint_mark(painter, mark, box, line in strong)

    def _paint_stop(self, painter: QPainter, box: QRectF, *, hollow: bool) -> None:
        colour = QColor(self._view.theme.danger)
        painter.save()
        painter.setPen(QPen(colour, 1.5) if hollow else Qt.PenStyle.NoPen)
        painter.setBrush(Qt.BrushStyle.NoBrush if hollow else colour)
        radius = 3.75 if hollow else 4.5
        painter.drawEllipse(QPointF(BREAKPOINTS / 2, box.top() + box.height() / 2), radius, radius)
        painter.restore()

    def _paint_mark(self, painter: QPainter, mark: Mark, box: QRectF, strong: bool) -> None:
        painter.setPen(QColor(mark.colour))
        place = QRectF(BREAKPOINTS, box.top(), self._label_width + 1, box.height())
        painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._text(mark))
        painter.setPen(Qt.PenStyle.NoPen)
        middle, left = box.top() + box.height() / 2, place.right() + DOT / 2 + 1
        for number, colour in enumerate(mark.dots[:2]):
            painter.setBrush(QColor(colour))
            radius = 3.5 if strong else 2.5
            painter.drawEllipse(QPointF(left + DOT * number, middle), radius, radius)

    def line_at(self, y: float) -> int:
        """The line at a height of the gutter, or 0."""
        return next((line for line, box in self._view.lines_in_view() if box.top() <= y < box.bottom()), 0)

    def marked_at(self, at: QPointF) -> int:
        """The marked line at a point right of the room for breakpoints, or 0."""
        line = self.line_at(at.y())
        return line if at.x() >= BREAKPOINTS and line in self._view.marks() else 0

    def told_of_stop(self, at: QPointF) -> str:
        """What is said at a point in the room for breakpoints, "" elsewhere."""
        if at.x() >= BREAKPOINTS:
            return ""
        return NONE_YET if self.line_at(at.y()) in self._view.hollow_stops() else "Set or remove a breakpoint at this line"

    def event(self, event: QEvent) -> bool:
        """Show tool tips."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            line = self.marked_at(QPointF(event.pos()))
            told = self._view.marks()[line].told if line else self.told_of_stop(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), told, self)
            return True
        return super().event(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the pointer."""
        marked = self.marked_at(event.position()) or event.position().x() < BREAKPOINTS
        self.setCursor(Qt.CursorShape.PointingHandCursor if marked else Qt.CursorShape.ArrowCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the line; at the far left, set a breakpoint at it or remove it."""
        at = event.position()
        if event.button() == Qt.MouseButton.LeftButton and at.x() < BREAKPOINTS and self.line_at(at.y()):
            self._view.stop_asked.emit(self.line_at(at.y()))
            return
        line = self.marked_at(at)
        if event.button() == Qt.MouseButton.LeftButton and line:
            self._view.line_chosen.emit(line)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Enter the line."""
        line = self.marked_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and line:
            self._view.line_entered.emit(line)
