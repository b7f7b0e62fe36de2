"""What both ribbons share: cells along a line, binned to pixels, with a playhead that is dragged, tool tips and a focus ring."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from .panel import GRID, Panel
from .session import Session
from .theme import Theme, font

MARGIN = 8
LABEL_WIDTH = 64
CELL_GAP_FROM = 6.0
"""Cells at least this wide (logical pixels) are drawn apart."""


class Ribbon(Panel):
    """A row of ``count`` cells. A subclass says what cells look like (:meth:`paint_cells`) and what a click does."""

    height_hint = 34

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._dragged = False

    # What a subclass says

    def count(self) -> int:
        """How many cells there are."""
        raise NotImplementedError

    def place(self) -> float | None:
        """Where the playhead stands, in cells from the left; None for nowhere."""
        raise NotImplementedError

    def paint_cells(self, painter: QPainter, area: QRectF) -> None:
        """Draw the cells into ``area``."""
        raise NotImplementedError

    def pick(self, place: float) -> None:
        """A click, or a drag, to a place in cells from the left."""
        raise NotImplementedError

    def wheel_by(self, by: int) -> None:
        """One notch of the wheel."""
        raise NotImplementedError

    def describe(self, cell: int) -> str:
        """The tool tip of a cell."""
        raise NotImplementedError

    # What all ribbons do

    def sizeHint(self) -> QSize:
        """The whole width, one row."""
        return QSize(400, self.height_hint)

    def minimumSizeHint(self) -> QSize:
        """A row that still can be read."""
        return QSize(160, self.height_hint)

    def area(self) -> QRectF:
        """Where the cells lie, logical pixels."""
        left = LABEL_WIDTH + MARGIN
        return QRectF(left, GRID / 2 + 3, max(1.0, self.width() - left - self.right_margin()), self.height() - GRID - 3)

    def right_margin(self) -> float:
        """Room kept at the right for a widget of the subclass."""
        return MARGIN + 4.0

    def place_at(self, x: float) -> float:
        """The place under a pixel, in cells from the left."""
        area = self.area()
        return float(np.clip((x - area.left()) / area.width(), 0.0, 1.0)) * self.count()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Label, cells, playhead and focus ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(self.theme.panel))
        painter.setFont(font(11))
        painter.setPen(QColor(self.theme.subtle))
        label = QRectF(MARGIN + 4, 0, LABEL_WIDTH, self.height())
        painter.drawText(label, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.title)
        area = self.area()
        if self.count() == 0:
            painter.setPen(QPen(QColor(self.theme.ghost), 1, Qt.PenStyle.DotLine))
            painter.drawRoundedRect(area, 4, 4)
        else:
            self.paint_cells(painter, area)
            self._paint_playhead(painter, area)
        if self.hasFocus():
            painter.setPen(QPen(QColor(self.theme.accent), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.end()

    def _paint_playhead(self, painter: QPainter, area: QRectF) -> None:
        place = self.place()
        if place is None:
            return
        x = area.left() + place / self.count() * area.width()
        painter.setPen(QPen(QColor(self.theme.panel), 4))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setPen(QPen(QColor(self.theme.text), 2))
        painter.drawLine(QPointF(x, area.top() - 2), QPointF(x, area.bottom() + 2))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.text))
        top = area.top() + 1
        painter.drawPolygon(QPolygonF([QPointF(x - 5, top - 6), QPointF(x + 5, top - 6), QPointF(x, top)]))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the playhead along."""
        if event.button() == Qt.MouseButton.LeftButton and self.count():
            self._dragged = True
            self.pick(self.place_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the playhead."""
        if self._dragged and self.count():
            self.pick(self.place_at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let the playhead go."""
        self._dragged = False

    def wheelEvent(self, event: QWheelEvent) -> None:
        """One notch is one cell."""
        delta = event.angleDelta().y() or event.angleDelta().x()
        if delta:
            self.wheel_by(-1 if delta > 0 else 1)
        event.accept()

    def event(self, event: QEvent) -> bool:
        """Tool tips, made when they are asked for."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            count = self.count()
            if count and self.area().adjusted(-2, -8, 2, 8).contains(QPointF(event.pos())):
                cell = min(int(self.place_at(event.pos().x())), count - 1)
                QToolTip.showText(event.globalPos(), self.describe(cell), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def changeEvent(self, event: QEvent) -> None:
        """Another font or palette: draw anew."""
        super().changeEvent(event)
        self.update()


def bin_edges(cells: int, pixels: int) -> NDArray[np.int64]:
    """The first cell of each of ``pixels`` bins of equal width (``pixels <= cells``), int64 ``[pixels]``, rising."""
    return np.arange(pixels, dtype=np.int64) * cells // pixels


def strip(colours: NDArray[np.uint32]) -> QImage:
    """An image of one row from colours ``0xffrrggbb``, uint32 ``[width]``."""
    row = np.ascontiguousarray(colours, dtype=np.uint32)
    return QImage(row.data, len(row), 1, len(row) * 4, QImage.Format.Format_RGB32).copy()


def rgb(colour: str | QColor) -> int:
    """A colour as ``0xffrrggbb``."""
    return QColor(colour).rgb()
