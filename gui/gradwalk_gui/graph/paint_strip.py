"""Painting the strip of a stack's card: a cell per call in the colour of the gradient that it gives."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath

from .look import Look, cell_magnitudes
from .magnitudes import NOT_THERE, is_bad
from .shapes import hatch
from .surface import Surface, colour, magnitude_colour, pen

HEIGHT, GAP, NARROWEST = 12.0, 2.0, 3.0
"""Of a cell, between cells, and the width below which cells stand without gaps."""


def paint_strip(painter: QPainter, surface: Surface, look: Look, place: int, room: QRectF) -> None:
    """The cells, side by side in ``room`` and in the middle of its height; hollow and dotted where no gradient has come yet."""
    theme, cells = surface.theme, cell_magnitudes(look, place).tolist()
    wide = room.width() / len(cells)
    gap = GAP if wide - GAP >= NARROWEST else 0.0
    top = room.center().y() - HEIGHT / 2
    for cell, magnitude in enumerate(cells):
        rect = QRectF(room.left() + cell * wide, top, wide - gap, HEIGHT)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if magnitude == NOT_THERE:
            painter.setPen(pen(colour(theme.ghost), 1.0, (1.0, 2.0)))
        elif is_bad(magnitude, surface.measure):
            painter.setPen(pen(colour(theme.bad), 1.0))
            outline = QPainterPath()
            outline.addRect(rect)
            painter.fillPath(hatch(outline, 5.0, 1.0, crossed=True), colour(theme.bad))
        else:
            painter.setPen(pen(colour(theme.subtle), 0.7))
            painter.setBrush(magnitude_colour(theme, magnitude, surface.measure))
        painter.drawRoundedRect(rect, 1.5, 1.5)
