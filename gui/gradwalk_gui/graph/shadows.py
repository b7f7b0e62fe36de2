"""Soft shadows under cards, as sprites: painted once per size, theme and zoom."""

from __future__ import annotations

import math
from functools import lru_cache

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap

from ..theme import Theme
from .surface import Level, Surface

LAYERS = 4
AROUND = 8.0
"""Room for the shadow around its card, in pixels of the scene."""


def paint_shadow(painter: QPainter, surface: Surface, rect: QRectF, radius: float) -> None:
    """A soft shadow of a rounded rectangle, on screen and in pixel pictures."""
    if surface.vector or surface.level == Level.BLOCKS:
        return
    scale = round(painter.worldTransform().m11() * painter.device().devicePixelRatio(), 3)
    sprite = _sprite(surface.theme, rect.width(), rect.height(), radius, scale)
    size = sprite.size().toSizeF() / scale
    painter.drawPixmap(
        QRectF(rect.left() - AROUND, rect.top() - AROUND, size.width(), size.height()), sprite, QRectF(sprite.rect())
    )


@lru_cache(maxsize=128)
def _sprite(theme: Theme, width: float, height: float, radius: float, scale: float) -> QPixmap:
    sprite = QPixmap(math.ceil((width + 2 * AROUND) * scale), math.ceil((height + 2 * AROUND) * scale))
    sprite.fill(Qt.GlobalColor.transparent)
    painter = QPainter(sprite)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(scale, scale)
    painter.translate(AROUND, AROUND)
    painter.setPen(Qt.PenStyle.NoPen)
    rect = QRectF(0, 0, width, height)
    for i in range(LAYERS):
        ink = QColor(0, 0, 0) if theme.dark else QColor(20, 30, 60)
        ink.setAlpha(theme.shadow_alpha // (LAYERS + i))
        painter.setBrush(ink)
        painter.drawRoundedRect(rect.adjusted(-i, 2 - i * 0.3, i, 2.5 + i), radius + i, radius + i)
    painter.end()
    return sprite
