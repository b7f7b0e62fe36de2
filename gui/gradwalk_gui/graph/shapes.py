"""The outlines that cards are made of, as paths."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainterPath, QPolygonF

from .curves import Points


def rounded(rect: QRectF, radius: float) -> QPainterPath:
    """A rectangle with round corners."""
    path = QPainterPath()
    path.addRoundedRect(rect, radius, radius)
    return path


def upper_half(rect: QRectF, radius: float, split: float, *, closed: bool = True) -> QPainterPath:
    """The part of a rounded rectangle above ``split`` (from its top)."""
    radius = min(radius, rect.width() / 2, rect.height() / 2, max(split, 0.1))
    left, top, right, bottom = rect.left(), rect.top(), rect.right(), rect.top() + split
    path = QPainterPath(QPointF(left, bottom))
    path.lineTo(left, top + radius)
    path.arcTo(QRectF(left, top, 2 * radius, 2 * radius), 180, -90)
    path.lineTo(right - radius, top)
    path.arcTo(QRectF(right - 2 * radius, top, 2 * radius, 2 * radius), 90, -90)
    path.lineTo(right, bottom)
    if closed:
        path.closeSubpath()
    return path


def lower_half(rect: QRectF, radius: float, split: float, *, closed: bool = True) -> QPainterPath:
    """The part of a rounded rectangle below ``split`` (from its top)."""
    height = rect.height() - split
    radius = min(radius, rect.width() / 2, rect.height() / 2, max(height, 0.1))
    left, top, right, bottom = rect.left(), rect.top() + split, rect.right(), rect.bottom()
    path = QPainterPath(QPointF(left, top))
    path.lineTo(left, bottom - radius)
    path.arcTo(QRectF(left, bottom - 2 * radius, 2 * radius, 2 * radius), 180, 90)
    path.lineTo(right - radius, bottom)
    path.arcTo(QRectF(right - 2 * radius, bottom - 2 * radius, 2 * radius, 2 * radius), 270, 90)
    path.lineTo(right, top)
    if closed:
        path.closeSubpath()
    return path


def stripe(rect: QRectF, radius: float, width: float) -> QPainterPath:
    """The left ``width`` pixels of a rounded rectangle."""
    radius = min(radius, rect.height() / 2)
    angle = math.degrees(math.acos(min(max((radius - width) / radius, -1.0), 1.0)))
    left, top, bottom = rect.left(), rect.top(), rect.bottom()
    path = QPainterPath()
    path.arcMoveTo(QRectF(left, top, 2 * radius, 2 * radius), 180 - angle)
    path.arcTo(QRectF(left, top, 2 * radius, 2 * radius), 180 - angle, angle)
    path.lineTo(left, bottom - radius)
    path.arcTo(QRectF(left, bottom - 2 * radius, 2 * radius, 2 * radius), 180, angle)
    path.closeSubpath()
    return path


def hatch(shape: QPainterPath, gap: float, width: float, *, crossed: bool) -> QPainterPath:
    """Diagonal bars inside a shape, in both directions where ``crossed``. Real geometry: clipping is not for every surface."""
    box = shape.boundingRect()
    bars = QPainterPath()
    bars.setFillRule(Qt.FillRule.WindingFill)
    reach = box.height()
    offset = -reach
    while offset < box.width():
        x, top, bottom = box.left() + offset, box.top(), box.bottom()
        bars.addPolygon(_bar(x, bottom, x + reach, top, width))
        if crossed:
            bars.addPolygon(_bar(x, top, x + reach, bottom, width))
        offset += gap
    return bars.intersected(shape)


def _bar(x0: float, y0: float, x1: float, y1: float, width: float) -> QPolygonF:
    half = width * 0.7071
    corners = [(x0 - half, y0), (x0 + half, y0), (x1 + half, y1), (x1 - half, y1)]
    if y0 < y1:
        corners.reverse()
    return QPolygonF([QPointF(x, y) for x, y in (*corners, corners[0])])


def curve_path(curve: Points) -> QPainterPath:
    """A chain of Bezier pieces, float64 ``[pieces, 4, 2]``, as a path."""
    path = QPainterPath()
    if not len(curve):
        return path
    numbers = curve.reshape(-1, 8).tolist()
    path.moveTo(numbers[0][0], numbers[0][1])
    for _, _, ax, ay, bx, by, x, y in numbers:
        path.cubicTo(ax, ay, bx, by, x, y)
    return path


def arrow_head(tip: Points, toward: Points, size: float) -> QPainterPath:
    """A filled arrow head at ``tip``, pointing along ``toward`` (float64 ``[2]`` each)."""
    length = float(np.linalg.norm(toward)) or 1.0
    ux, uy = float(toward[0]) / length, float(toward[1]) / length
    x, y = float(tip[0]), float(tip[1])
    back, side = size, size * 0.52
    path = QPainterPath(QPointF(x, y))
    path.lineTo(x - ux * back - uy * side, y - uy * back + ux * side)
    path.lineTo(x - ux * back * 0.82, y - uy * back * 0.82)
    path.lineTo(x - ux * back + uy * side, y - uy * back - ux * side)
    path.closeSubpath()
    return path
