"""A hatching over some of the elements of a matrix, whatever size their cells have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QWidget


def mask_of(which: NDArray[np.bool_]) -> QImage | None:
    """An image of one pixel per element, opaque where ``which``; None where it is nowhere. ``which`` is ``[rows, columns]``."""
    if not which.any():
        return None
    high, wide = which.shape
    pixels = np.zeros((high, wide, 4), np.uint8)
    pixels[which] = 255
    return QImage(pixels.tobytes(), wide, high, wide * 4, QImage.Format.Format_ARGB32).copy()


def hatched(widget: QWidget, box: QRectF, mask: QImage, colour: str) -> QPixmap:
    """A picture of a widget's size with cross-hatching where the mask, drawn into ``box``, is opaque."""
    ratio = widget.devicePixelRatioF()
    made = QPixmap(widget.size() * ratio)
    made.setDevicePixelRatio(ratio)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.drawImage(box, mask)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
    painter.fillRect(widget.rect(), QBrush(QColor(colour), Qt.BrushStyle.DiagCrossPattern))
    painter.end()
    return made
