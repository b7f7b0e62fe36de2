"""Many lines and rectangles in one call, straight from NumPy arrays (measured: 10 to 30 times a loop in Python)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap


def _wrapper() -> Any:
    """What makes a Qt object of an address, or None in a PySide6 that lacks it."""
    try:
        from shiboken6 import wrapInstance
    except ImportError:
        return None
    return wrapInstance


_wrap = _wrapper()


def draw_lines(painter: QPainter, lines: NDArray[np.float64]) -> None:
    """Draw lines, float64 ``[n, 4]`` of x1, y1, x2, y2, with the painter's pen."""
    rows = np.ascontiguousarray(lines, dtype=np.float64)
    if len(rows) and _wrap is not None:
        painter.drawLines(_wrap(rows.ctypes.data, QLineF), len(rows))
    elif len(rows):
        painter.drawLines([QLineF(*row) for row in rows.tolist()])


def draw_rects(painter: QPainter, rects: NDArray[np.float64]) -> None:
    """Draw rectangles, float64 ``[n, 4]`` of left, top, width, height, with the painter's pen and brush."""
    rows = np.ascontiguousarray(rects, dtype=np.float64)
    if len(rows) and _wrap is not None:
        painter.drawRects(_wrap(rows.ctypes.data, QRectF), len(rows))
    elif len(rows):
        painter.drawRects([QRectF(*row) for row in rows.tolist()])


def draw_dots(painter: QPainter, middles: NDArray[np.float64], name: str, size: float) -> None:
    """Draw round dots of ``size`` screen pixels at float64 ``[n, 2]``."""
    if not len(middles):
        return
    ratio = painter.device().devicePixelRatio()
    sprite = _dot(name, size * ratio)
    ones = np.ones(len(middles))
    draw_sprites(painter, middles, sprite, ones, ones)


def draw_sprites(
    painter: QPainter,
    middles: NDArray[np.float64],
    sprite: QPixmap,
    sizes: NDArray[np.float64],
    opacities: NDArray[np.float64],
    sources: NDArray[np.float64] | None = None,
) -> None:
    """Draw a sprite around each point, float64 ``[n, 2]``, enlarged by ``sizes`` and with ``opacities`` of 0 to 1 (both ``[n]``).

    The sprite has as many pixels as it is to take on the screen; ``sources`` are the parts of it to draw, float64 ``[n, 4]`` of
    left, top, width, height in its pixels, by default the whole.
    """
    if not len(middles):
        return
    scale = painter.worldTransform().m11() * painter.device().devicePixelRatio()
    fragments = np.zeros((len(middles), 10))
    fragments[:, :2] = middles
    fragments[:, 2:6] = (0, 0, sprite.width(), sprite.height()) if sources is None else sources
    fragments[:, 6] = fragments[:, 7] = sizes / scale
    fragments[:, 9] = opacities
    if _wrap is not None:
        painter.drawPixmapFragments(_wrap(fragments.ctypes.data, QPainter.PixmapFragment), len(fragments), sprite)
        return
    for x, y, left, top, wide, high, across, down, turn, opacity in fragments.tolist():
        fragment = QPainter.PixmapFragment.create(QPointF(x, y), QRectF(left, top, wide, high), across, down, turn, opacity)
        painter.drawPixmapFragments(fragment, 1, sprite)


@lru_cache(maxsize=16)
def _dot(name: str, size: float) -> QPixmap:
    side = math.ceil(size) + 2
    sprite = QPixmap(side, side)
    sprite.fill(Qt.GlobalColor.transparent)
    painter = QPainter(sprite)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(name))
    painter.drawEllipse(QPointF(side / 2, side / 2), size / 2, size / 2)
    painter.end()
    return sprite
