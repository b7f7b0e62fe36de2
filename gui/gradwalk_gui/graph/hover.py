"""Painting the hover card."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter

from ..theme import Theme
from . import styles
from .hover_text import Hover
from .surface import Surface, colour, draw_text, measure_text, pen

PAD, LINE, TITLE_LINE = 12.0, 18.0, 22.0
LABEL, WIDEST = 128.0, 460.0


def hover_size(hover: Hover) -> tuple[float, float]:
    """Width and height of a hover card in logical pixels."""
    title = measure_text(hover.title, styles.TITLE) + 8 + measure_text(hover.note, styles.NOTE)
    label = _label_width(hover)
    rows = [label + measure_text(text, styles.SHAPE) for _, text in hover.rows]
    width = max([title, measure_text(hover.code, styles.CODE), *rows, 120.0]) + 2 * PAD
    height = TITLE_LINE + (LINE if hover.code else 0.0) + LINE * len(hover.rows) + 2 * PAD - 4
    return min(width, WIDEST), height + (6 if hover.rows else 0)


def _label_width(hover: Hover) -> float:
    return min(max((measure_text(label, styles.NOTE) for label, _ in hover.rows), default=0.0) + 10, LABEL)


def paint_hover(painter: QPainter, theme: Theme, hover: Hover, at: QPointF, room: QRectF) -> QRectF:
    """The card beside a point, inside ``room``; returns where it is."""
    width, height = hover_size(hover)
    left = min(at.x() + 16, room.right() - width - 6)
    top = at.y() + 18 if at.y() + 18 + height < room.bottom() - 6 else at.y() - height - 12
    rect = QRectF(max(left, room.left() + 6), max(top, room.top() + 6), width, height)
    surface = Surface(theme)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for i in range(5):
        painter.setPen(pen(colour("#000000", 7 if not theme.dark else 22), 2.0 * i + 1))
        painter.setBrush(colour(theme.raised))
        painter.drawRoundedRect(rect.translated(0, 2), 9, 9)
    painter.setPen(pen(colour(theme.border), 1.0))
    painter.setBrush(colour(theme.raised))
    painter.drawRoundedRect(rect, 9, 9)
    _paint_texts(painter, surface, hover, rect.adjusted(PAD, PAD - 2, -PAD, -PAD))
    return rect


def _paint_texts(painter: QPainter, surface: Surface, hover: Hover, room: QRectF) -> None:
    theme = surface.theme
    left, width, y = room.left(), room.width(), room.top() + TITLE_LINE / 2 - 2
    drawn = draw_text(painter, surface, QPointF(left, y), width, hover.title, styles.TITLE, colour(theme.text))
    note_at = QPointF(left + drawn + 8, y)
    draw_text(painter, surface, note_at, width - drawn - 8, hover.note, styles.NOTE, colour(theme.subtle))
    y += TITLE_LINE
    if hover.code:
        draw_text(painter, surface, QPointF(left, y - 3), width, hover.code, styles.CODE, colour(theme.accent))
        y += LINE
    if hover.rows:
        painter.setPen(pen(colour(theme.border), 1.0))
        painter.drawLine(QPointF(left, y - LINE / 2 - 1), QPointF(room.right(), y - LINE / 2 - 1))
        y += 5
    label = _label_width(hover)
    for name, text in hover.rows:
        draw_text(painter, surface, QPointF(left, y), label - 8, name, styles.NOTE, colour(theme.subtle))
        draw_text(painter, surface, QPointF(left + label, y), width - label, text, styles.SHAPE, colour(theme.text))
        y += LINE
