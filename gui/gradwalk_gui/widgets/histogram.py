"""The histogram of a tensor's elements: this step in colour, the step before in grey behind it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from ..inspection.elements import Histogram
from ..numbers import number
from ..panel import mix
from ..theme import Theme, font

TALL, AXIS, TOP = 88, 18, 2


class HistogramPlot(QWidget):
    """Paints a Histogram."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.colour = theme.forward
        self._histogram: Histogram | None = None
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setAccessibleName("Histogram")

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.update()

    def show_histogram(self, histogram: Histogram | None, colour: str) -> None:
        """Show counts in the colour of their phase; nothing for None."""
        self._histogram, self.colour = histogram, colour
        self.setVisible(histogram is not None)
        if histogram is not None:
            low, high = number(float(histogram.edges[0])), number(float(histogram.edges[-1]))
            self.setAccessibleDescription(f"from {low} to {high}, highest bin {int(histogram.now.max()):,}")
        self.update()

    def histogram(self) -> Histogram | None:
        """What is shown."""
        return self._histogram

    def sizeHint(self) -> QSize:
        """The size to start from."""
        return QSize(200, TALL + AXIS)

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, TALL + AXIS)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is shown."""
        if self._histogram is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        shown = self._histogram
        top = _peak(shown)
        if shown.before is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self.theme.ghost))
            painter.drawPolygon(self._outline(shown.before, top))
        fill = QColor(self.colour)
        fill.setAlphaF(0.35)
        painter.setBrush(fill)
        painter.setPen(QPen(QColor(self.colour), 1.25))
        painter.drawPolygon(self._outline(shown.now, top))
        self._paint_axis(painter, shown)

    def _outline(self, counts: NDArray[np.int64], top: float) -> QPolygonF:
        """The steps of the bars; each step's heights are shares of its own elements."""
        width = self.width() / len(counts)
        heights = TOP + (TALL - TOP) * (1 - counts / max(counts.sum(), 1) / top)
        points = [QPointF(0, TALL)]
        for bin_, height in enumerate(heights):
            points += [QPointF(bin_ * width, height), QPointF((bin_ + 1) * width, height)]
        return QPolygonF([*points, QPointF(self.width(), TALL)])

    def _paint_axis(self, painter: QPainter, shown: Histogram) -> None:
        theme, low, high = self.theme, float(shown.edges[0]), float(shown.edges[-1])
        painter.setPen(QPen(mix(theme.border, theme.panel, 1.0), 1))
        painter.drawLine(QPointF(0, TALL + 0.5), QPointF(self.width(), TALL + 0.5))
        if low < 0 < high:
            zero = self.width() * -low / (high - low)
            painter.setPen(QPen(QColor(theme.subtle), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(zero, TOP), QPointF(zero, TALL))
            self._paint_zero(painter, zero, number(low), number(high))
        painter.setPen(QColor(theme.subtle))
        painter.setFont(font(11, numbers=True))
        box = QRectF(0, TALL, self.width(), AXIS)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, number(low))
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom, number(high))

    def _paint_zero(self, painter: QPainter, zero: float, low: str, high: str) -> None:
        measure = QFontMetrics(font(11, numbers=True)).horizontalAdvance
        if measure(low) + 10 < zero < self.width() - measure(high) - 10:
            painter.setFont(font(11, numbers=True))
            painter.setPen(QColor(self.theme.subtle))
            box = QRectF(zero - 20, TALL, 40, AXIS)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, "0")

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the pointer."""
        shown = self._histogram
        if shown is None:
            return
        bin_ = min(max(int(event.position().x() / max(self.width(), 1) * len(shown.now)), 0), len(shown.now) - 1)
        lines = [
            f"{number(float(shown.edges[bin_]))} to {number(float(shown.edges[bin_ + 1]))}",
            f"this step: {int(shown.now[bin_]):,}",
        ]
        if shown.before is not None:
            lines.append(f"before: {int(shown.before[bin_]):,}")
        QToolTip.showText(event.globalPosition().toPoint(), "\n".join(lines), self)


def _peak(shown: Histogram) -> float:
    """The largest share of any bin."""
    shares = [counts.max() / max(counts.sum(), 1) for counts in (shown.now, shown.before) if counts is not None and len(counts)]
    return float(max(shares)) or 1.0
