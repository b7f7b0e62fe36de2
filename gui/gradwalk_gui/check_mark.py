"""What a verdict looks like, everywhere: a tick in a ring, a cross on a square, a dash in a dotted ring."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

from gradwalk.verdicts import Mark

from .panel import mix
from .theme import Theme

UNITS = 16.0
"""The side that the shapes below are drawn on."""
YET = 0.4
"""How strong the ink of a mark is on what has yet to run. A cross never pales: what is wrong is seen wherever one stands."""


def paint_mark(painter: QPainter, theme: Theme, mark: Mark, middle: QPointF, size: float, *, there: bool = True) -> None:
    """Paint a mark around a point, ``size`` pixels wide; paler where it is not ``there`` yet."""
    agrees, subtle = (mix(ink, theme.card, 1.0 if there else YET) for ink in (theme.update, theme.subtle))
    if mark is Mark.UNKNOWN:
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(middle.x() - size / 2, middle.y() - size / 2)
    painter.scale(size / UNITS, size / UNITS)
    if mark is Mark.DIFFERS:
        painter.setPen(QPen(QColor(theme.card), 1.0))
        painter.setBrush(QColor(theme.danger))
        painter.drawRoundedRect(QRectF(1, 1, 14, 14), 3.5, 3.5)
        painter.setPen(_pen(theme.accent_text, 2.0))
        painter.drawLine(QPointF(5.2, 5.2), QPointF(10.8, 10.8))
        painter.drawLine(QPointF(10.8, 5.2), QPointF(5.2, 10.8))
    elif mark is Mark.AGREES:
        painter.setPen(QPen(agrees, 1.3))
        painter.setBrush(QColor(theme.card))
        painter.drawEllipse(QRectF(1.2, 1.2, 13.6, 13.6))
        painter.setPen(_pen(agrees, 1.9))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF([QPointF(4.7, 8.3), QPointF(7.1, 10.7), QPointF(11.3, 5.5)]))
    else:
        ring = _pen(subtle, 1.3)
        ring.setDashPattern([0.1, 2.05])
        painter.setPen(ring)
        painter.setBrush(QColor(theme.card))
        painter.drawEllipse(QRectF(1.2, 1.2, 13.6, 13.6))
        painter.setPen(_pen(subtle, 1.9))
        painter.drawLine(QPointF(5.2, 8.0), QPointF(10.8, 8.0))
    painter.restore()


def _pen(ink: QColor | str, width: float) -> QPen:
    return QPen(QColor(ink), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)


@lru_cache(maxsize=64)
def mark_sprite(theme: Theme, mark: Mark, side: int, *, there: bool = True) -> QPixmap:
    """A mark as a pixmap of ``side`` device pixels; paler where it is not ``there`` yet."""
    sprite = QPixmap(side, side)
    sprite.fill(Qt.GlobalColor.transparent)
    painter = QPainter(sprite)
    paint_mark(painter, theme, mark, QPointF(side / 2, side / 2), side, there=there)
    painter.end()
    return sprite


@lru_cache(maxsize=16)
def mark_icon(theme: Theme, mark: Mark, *, there: bool = True) -> QIcon:
    """A mark beside a text in a table; paler where it is not ``there`` yet."""
    made = QIcon()
    for scale in (1, 2):
        pixmap = QPixmap(mark_sprite(theme, mark, 14 * scale, there=there))
        pixmap.setDevicePixelRatio(scale)
        made.addPixmap(pixmap)
    return made
