"""A one-dimensional tensor as a line over its index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from ..numbers import exact, number
from ..theme import Theme, font

TALL, AXIS = 112, 18
DOTS_UP_TO, SMOOTH_UP_TO = 64, 300
"""At most this many elements get a dot each; at most this many points get a line that is wider than a hair."""


class LinePlot(QWidget):
    """Paints float64 ``[n]``; NaN and Inf are marks at the bottom."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._data: NDArray[np.float64] = np.zeros(0)
        self._dtype = "float64"
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setAccessibleName("Tensor as a line")

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.update()

    def show_data(self, data: NDArray[np.float64], dtype: str = "float64") -> None:
        """Show some numbers."""
        self._dtype = dtype
        self._data = data
        self.setAccessibleDescription(f"{len(data):,} elements")
        self.update()

    def data(self) -> NDArray[np.float64]:
        """What is shown."""
        return self._data

    def sizeHint(self) -> QSize:
        """The size to start from."""
        return QSize(220, TALL + AXIS)

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, TALL + AXIS)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is shown."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        finite = np.isfinite(self._data)
        if finite.any():
            self._paint_line(painter, finite)
        self._paint_bad(painter, np.flatnonzero(~finite))
        painter.setPen(QColor(self.theme.subtle))
        painter.setFont(font(11, numbers=True))
        box = QRectF(0, TALL, self.width(), AXIS)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, "0")
        last = str(max(len(self._data) - 1, 0))
        painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom, last)

    def _range(self, finite: NDArray[np.bool_]) -> tuple[float, float]:
        low, high = float(self._data[finite].min()), float(self._data[finite].max())
        return (low, high) if low < high else (low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2)

    def _left(self, place: NDArray[np.int64]) -> NDArray[np.float64]:
        made: NDArray[np.float64] = 4 + (self.width() - 8) * place / max(len(self._data) - 1, 1)
        return made

    def _paint_line(self, painter: QPainter, finite: NDArray[np.bool_]) -> None:
        low, high = self._range(finite)
        theme = self.theme

        def down(value: NDArray[np.float64] | float) -> NDArray[np.float64]:
            share: NDArray[np.float64] = (
                6 + (TALL - 18) * (1 - (np.asarray(value) / high - low / high) / (1 - low / high))
                if abs(high) > 1e300
                else 6 + (TALL - 18) * (1 - (np.asarray(value) - low) / (high - low))
            )
            return share

        if low < 0 < high:
            painter.setPen(QPen(QColor(theme.border), 1))
            painter.drawLine(QPointF(0, float(down(0.0))), QPointF(self.width(), float(down(0.0))))
        places = np.flatnonzero(finite)
        keep = places if len(places) <= 4 * max(self.width(), 1) else _outermost(self._data, places, max(self.width(), 1))
        points = [QPointF(x, y) for x, y in zip(self._left(keep), down(self._data[keep]), strict=True)]
        wide = 1.25 if len(points) <= SMOOTH_UP_TO else 0  # for 1,000 points Qt takes 60 times as long for a line that is wider
        painter.setPen(QPen(QColor(theme.accent), wide))
        painter.drawPolyline(QPolygonF(points))
        if len(self._data) <= DOTS_UP_TO:
            painter.setBrush(QColor(theme.accent))
            for point in points:
                painter.drawEllipse(point, 2.0, 2.0)
        painter.setFont(font(11, numbers=True))
        painter.setPen(QColor(theme.subtle))
        painter.drawText(QRectF(2, 0, self.width() - 4, 14), Qt.AlignmentFlag.AlignLeft, number(high))
        painter.drawText(QRectF(2, TALL - 14, self.width() - 4, 14), Qt.AlignmentFlag.AlignLeft, number(low))

    def _paint_bad(self, painter: QPainter, places: NDArray[np.int64]) -> None:
        painter.setPen(QPen(QColor(self.theme.bad), 1.5))
        for x in np.unique(self._left(places).round()):
            painter.drawLine(QPointF(x - 3, TALL - 7), QPointF(x + 3, TALL - 1))
            painter.drawLine(QPointF(x - 3, TALL - 1), QPointF(x + 3, TALL - 7))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the pointer."""
        if len(self._data):
            share = (event.position().x() - 4) / max(self.width() - 8, 1)
            place = min(max(round(share * (len(self._data) - 1)), 0), len(self._data) - 1)
            QToolTip.showText(
                event.globalPosition().toPoint(), f"[{place}] = {exact(float(self._data[place]), self._dtype)}", self
            )


def _outermost(data: NDArray[np.float64], places: NDArray[np.int64], columns: int) -> NDArray[np.int64]:
    """The places of the smallest and largest number per pixel column, in order."""
    parts = np.array_split(places, columns)
    ends = [sorted((int(part[data[part].argmin()]), int(part[data[part].argmax()]))) for part in parts if len(part)]
    return np.array([place for pair in ends for place in pair], dtype=np.int64)
