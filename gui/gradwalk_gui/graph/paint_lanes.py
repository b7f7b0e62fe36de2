"""Painting lanes: forward solid blue with its arrow out; backward beside it, dashed over its magnitude, with its arrow back."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath

from . import styles
from .curves import Points, shortened
from .look import Look, State
from .magnitudes import NOT_THERE, fraction, is_bad, text
from .parts import BACKWARD, FORWARD
from .scene import Scene
from .shapes import arrow_head, curve_path
from .surface import Level, Surface, colour, draw_text, magnitude_colour, pen, rect_of, text_height, text_width

ARROW = 9.0
PALE = 95
"""Alpha of what has not happened yet."""


def lane_width(magnitude: float, surface: Surface) -> float:
    """How wide a lane's body is: by decade of its gradient, 2 to 6 pixels."""
    return 2.0 if magnitude == NOT_THERE else 2.0 + 4.0 * fraction(magnitude, surface.measure)


def paint_lane(painter: QPainter, surface: Surface, scene: Scene, look: Look, lane: int) -> None:
    """Both directions of one lane."""
    if len(scene.backward[lane]):
        _paint_backward(painter, surface, scene.backward[lane], look, lane)
    if len(scene.forward[lane]):
        _paint_forward(painter, surface, scene.forward[lane], look.lanes[lane, FORWARD] == State.DONE, _enters_knot(scene, lane))


def _enters_knot(scene: Scene, lane: int) -> bool:
    return scene.picture.cards[scene.picture.lanes[lane].target].kind == "knot"


def _paint_forward(painter: QPainter, surface: Surface, curve: Points, done: bool, plain: bool) -> None:
    ink = colour(surface.theme.forward, 255 if done else PALE)
    _stroke(painter, curve_path(shortened(curve, 0, 0 if plain else ARROW * 0.8)), ink, 2.0 if done else 1.5)
    if not plain and surface.level > Level.BLOCKS:
        _head(painter, curve[-1, 3], curve[-1, 3] - curve[-1, 2], ink, ARROW)


def _paint_backward(painter: QPainter, surface: Surface, curve: Points, look: Look, lane: int) -> None:
    theme, state, magnitude = surface.theme, look.lanes[lane, BACKWARD], float(look.lane_magnitudes[lane])
    tip, away = curve[0, 0], curve[0, 0] - curve[0, 1]
    if state == State.NO_GRAD:
        _stroke(painter, curve_path(curve), colour(theme.ghost), 1.4, (0.1, 5.0))
        return
    if state != State.DONE:
        _stroke(painter, curve_path(shortened(curve, ARROW * 0.8, 0)), colour(theme.ghost), 1.4, (5.0, 4.5))
        _head(painter, tip, away, colour(theme.ghost), ARROW)
        return
    width = lane_width(magnitude, surface)
    body = curve_path(shortened(curve, ARROW * 0.8 + width * 0.5, 0))
    ink = colour(theme.ghost) if magnitude == NOT_THERE else magnitude_colour(theme, magnitude, surface.measure)
    _stroke(painter, body, _faded(ink, 44 if theme.dark else 34), width + 7)
    _stroke(painter, body, colour(theme.subtle), width + 1.8, cap=Qt.PenCapStyle.FlatCap)
    _stroke(painter, body, ink, width, cap=Qt.PenCapStyle.FlatCap)
    if is_bad(magnitude, surface.measure):
        _stroke(painter, body, colour(theme.ground), width, (1.6, 2.8), Qt.PenCapStyle.FlatCap)
    else:
        _stroke(painter, body, colour(theme.backward), max(width * 0.42, 1.4), (6.0, 5.0), Qt.PenCapStyle.FlatCap)
    _head(painter, tip, away, colour(theme.backward), ARROW + width * 0.6)
    if look.waiting[lane]:
        _paint_waiting(painter, surface, tip, away, ink, width)


def _paint_waiting(painter: QPainter, surface: Surface, tip: Points, away: Points, ink: QColor, width: float) -> None:
    """The pulse that waits at a card for the gradients that it is added to."""
    back = away / max(float(np.linalg.norm(away)), 1e-9) * (ARROW + width)
    at = QPointF(float(tip[0] - back[0]), float(tip[1] - back[1]))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_faded(ink, 90))
    painter.drawEllipse(at, width + 5, width + 5)
    painter.setPen(pen(ink, 1.6))
    painter.setBrush(colour(surface.theme.card))
    painter.drawEllipse(at, width * 0.5 + 2, width * 0.5 + 2)


def _faded(ink: QColor, alpha: int) -> QColor:
    faded = QColor(ink)
    faded.setAlpha(alpha)
    return faded


def _stroke(
    painter: QPainter,
    path: QPainterPath,
    ink: QColor,
    width: float,
    dashes: tuple[float, ...] = (),
    cap: Qt.PenCapStyle = Qt.PenCapStyle.RoundCap,
) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(ink, width, dashes, Qt.PenCapStyle.FlatCap if len(dashes) == 2 and dashes[0] > 1 else cap))
    painter.drawPath(path)


def _head(painter: QPainter, tip: Points, toward: Points, ink: QColor, size: float) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    painter.drawPath(arrow_head(tip, toward, size))


def paint_plate(painter: QPainter, surface: Surface, scene: Scene, look: Look, lane: int) -> None:
    """The number of one gradient, where it has come and there is room for it."""
    magnitude = float(look.lane_magnitudes[lane])
    plate = scene.plates[lane]
    if magnitude == NOT_THERE or np.isnan(plate[0]) or look.lanes[lane, BACKWARD] != State.DONE:
        return
    theme, whole = surface.theme, rect_of(plate)
    word, shown = styles.gradient_word(surface.measure), text(magnitude, surface.measure)
    shown = f"≥ {shown}" if look.facts.least else shown
    bad = is_bad(magnitude, surface.measure)
    sign = styles.SIGN if word == "‖g‖" else styles.PLATE
    number_width = text_width(surface, shown, styles.PLATE)
    word_width = text_width(surface, word, sign) + 5
    room = whole.width() - 10
    if word_width + number_width > room or bad or surface.level < Level.NUMBERS:
        word, word_width = "", 0.0
    if number_width > room + 4:
        return
    width = word_width + number_width + 12
    taller = max(0.0, text_height(surface, styles.PLATE) + 5 - whole.height()) / 2
    narrower = (whole.width() - width) / 2
    rect = whole.adjusted(narrower, -taller, -narrower, taller)
    ink = magnitude_colour(theme, magnitude, surface.measure)
    painter.setPen(pen(_faded(ink, 190), 1.0))
    painter.setBrush(colour(theme.ground, 238))
    painter.drawRoundedRect(rect, rect.height() / 2, rect.height() / 2)
    middle = rect.center().y()
    draw_text(painter, surface, QPointF(rect.left() + 6, middle), word_width, word, sign, colour(theme.subtle))
    number_ink = colour(theme.bad if bad else theme.text)
    draw_text(painter, surface, QPointF(rect.left() + 6 + word_width, middle), number_width + 2, shown, styles.PLATE, number_ink)
