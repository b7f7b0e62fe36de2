"""One cell of a tensor grid over its coloured ground: its edge, its sign or number, a hatching where it is NaN or Inf."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen

from ..numbers import number
from ..theme import Theme, font
from .diverging import Ramp, colours


def sign_of(value: float) -> str:
    """``+`` or ``-``; nothing for zero and NaN."""
    return "+" if value > 0 else "-" if value < 0 else ""


def paint_cell(
    painter: QPainter,
    box: QRectF,
    value: float,
    text: str,
    scale: float,
    theme: Theme,
    before: float | None = None,
    ramp: Ramp = colours,
) -> None:
    """Paint what stands over the colour of a cell; ``scale`` is the absolute value of the strongest colours.

    ``before`` is the number in the run before, where it was another: under the new one, or a corner where there are none.
    """
    painter.setPen(QPen(QColor(theme.panel), 1))
    painter.drawRect(box)
    if not math.isfinite(value):
        painter.fillRect(box, QBrush(QColor(theme.panel), Qt.BrushStyle.DiagCrossPattern))
    ink = QColor(_ink(value, scale, theme, ramp)) if text or before is not None else QColor()
    has_number = len(text) > 1 or text.isdigit()
    if before is not None and not has_number:
        size = min(box.width(), box.height()) / 3
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawPolygon([box.topRight(), box.topRight() - QPointF(size, 0), box.topRight() + QPointF(0, size)])
        painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(ink)
    if text:
        painter.drawText(box if before is None or not has_number else _upper(box), Qt.AlignmentFlag.AlignCenter, text)
    if before is not None and has_number:
        _paint_before(painter, _lower(box), before)


def _paint_before(painter: QPainter, box: QRectF, before: float) -> None:
    """The number of the run before, small and fainter."""
    kept = painter.font()
    painter.setFont(font(9, numbers=True))
    painter.setOpacity(0.75)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"was {number(before, 3)}")
    painter.setOpacity(1.0)
    painter.setFont(kept)


def _upper(box: QRectF) -> QRectF:
    """The part of a cell for the number, where the one before stands under it."""
    return QRectF(box.left(), box.top(), box.width(), box.height() * 0.56)


def _lower(box: QRectF) -> QRectF:
    return QRectF(box.left(), box.top() + box.height() * 0.48, box.width(), box.height() * 0.5)


def _ink(value: float, scale: float, theme: Theme, ramp: Ramp) -> str:
    """Black or white, whichever is read better on the colour of a number."""
    red, green, blue = (int(part) for part in ramp(np.array([value]), scale, theme)[0])
    return "#101418" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"
