"""One cell of a tensor grid over its coloured ground: its edge, its sign or number, a hatching where it is NaN or Inf."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen

from ..theme import Theme
from .diverging import colours


def sign_of(value: float) -> str:
    """``+`` or ``-``; nothing for zero and NaN."""
    return "+" if value > 0 else "-" if value < 0 else ""


def paint_cell(painter: QPainter, box: QRectF, value: float, text: str, scale: float, theme: Theme) -> None:
    """Paint what stands over the colour of a cell; ``scale`` is the absolute value of the strongest colours."""
    painter.setPen(QPen(QColor(theme.panel), 1))
    painter.drawRect(box)
    if not math.isfinite(value):
        painter.fillRect(box, QBrush(QColor(theme.panel), Qt.BrushStyle.DiagCrossPattern))
    if text:
        painter.setPen(QColor(_ink(value, scale, theme)))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def _ink(value: float, scale: float, theme: Theme) -> str:
    """Black or white, whichever is read better on the colour of a number."""
    red, green, blue = (int(part) for part in colours(np.array([value]), scale, theme)[0])
    return "#101418" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"
