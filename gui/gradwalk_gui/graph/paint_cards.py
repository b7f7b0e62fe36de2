"""Painting cards: a forward half over a backward half, in the state that each has at the playhead."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath

from ..numbers import EXACTLY_ZERO
from ..panel import mix
from ..theme import Theme
from . import styles
from .look import CLEARED, Look, State, gradient_text, shape_line, sum_text
from .magnitudes import NOT_THERE, fraction, is_bad
from .paint_strip import paint_strip
from .parts import BACKWARD, FORWARD, Card
from .scene import Scene
from .shadows import paint_shadow
from .shapes import hatch, lower_half, rounded, stripe, upper_half
from .surface import Level, Surface, colour, draw_text, magnitude_colour, pen, rect_of, text_width

PALE = 90
HATCH = 85
"""Alpha of hatching: seen, and the text on it still read."""


def category_colour(theme: Theme, card: Card) -> str:
    """The colour of a card's stripe."""
    return theme.backward if card.kind == "node" else str(getattr(theme, card.category))


def paint_card(painter: QPainter, surface: Surface, scene: Scene, look: Look, place: int) -> None:
    """The card of an op, of a folded module, or of a Node without an op."""
    card, rect, split = scene.picture.cards[place], rect_of(scene.cards[place]), float(scene.splits[place])
    forward, backward = State(look.halves[place, FORWARD]), State(look.halves[place, BACKWARD])
    if card.kind == "module":
        _paint_stack(painter, surface, rect)
    if State.DONE in (forward if card.forward else State.PENDING, backward if card.backward else State.PENDING):
        paint_shadow(painter, surface, rect, styles.RADIUS)
    if card.forward:
        outline = upper_half(rect, styles.RADIUS, split) if card.backward else rounded(rect, styles.RADIUS)
        edge = upper_half(rect, styles.RADIUS, split, closed=False) if card.backward else outline
        paint_half(
            painter, surface, (outline, edge), forward, surface.theme.card, look.facts.bad[place] if forward == State.DONE else ""
        )
    if card.backward:
        outline = lower_half(rect, styles.RADIUS, split) if card.forward else rounded(rect, styles.RADIUS)
        edge = lower_half(rect, styles.RADIUS, split, closed=False) if card.forward else outline
        bad = "bad" if is_bad(float(look.card_magnitudes[place]), surface.measure) else ""
        paint_half(painter, surface, (outline, edge), backward, _warm(surface.theme), bad)
    painter.setPen(Qt.PenStyle.NoPen)
    ran = State.DONE in (forward, backward) or State.PARTLY in (forward, backward)
    painter.setBrush(colour(category_colour(surface.theme, card), 255 if ran else PALE))
    painter.drawPath(stripe(rect.adjusted(0.5, 0.5, -0.5, -0.5), styles.RADIUS - 0.5, styles.STRIPE))
    if card.forward and card.backward:
        painter.setPen(pen(colour(surface.theme.card_border), 1.0))
        painter.drawLine(
            QPointF(rect.left() + styles.STRIPE + 1, rect.top() + split), QPointF(rect.right() - 1, rect.top() + split)
        )
    if surface.level > Level.BLOCKS:
        _paint_texts(painter, surface, look, place, card, rect, split)


def _warm(theme: Theme) -> str:
    """The fill of a backward half: the card with a breath of the backward colour."""
    return str(mix(theme.backward, theme.card, 0.05 if theme.dark else 0.035).name())


def _paint_stack(painter: QPainter, surface: Surface, rect: QRectF) -> None:
    """Two sheets behind: more is folded in here."""
    for away in (8.0, 4.0):
        painter.setPen(pen(colour(surface.theme.ghost, 200), 1.0))
        painter.setBrush(mix(surface.theme.card, surface.theme.ground, 0.7))
        painter.drawRoundedRect(rect.adjusted(away, 0, -away, away), styles.RADIUS, styles.RADIUS)


def paint_half(
    painter: QPainter, surface: Surface, shape: tuple[QPainterPath, QPainterPath], state: State, fill: str, bad: str
) -> None:
    """One half, as ``(closed shape, border)``: filled once done, hollow before, dotted without a path, hatched if bad."""
    theme = surface.theme
    outline, edge = shape
    painter.setPen(Qt.PenStyle.NoPen)
    share = {State.PENDING: 0.4, State.PARTLY: 0.75, State.NO_GRAD: 0.25}.get(state, 1.0)
    painter.setBrush(mix(fill, theme.ground, share))
    painter.drawPath(outline)
    if bad:
        painter.fillPath(hatch(outline, 11.0, 1.1, crossed=True), colour(theme.bad, HATCH))
    elif state == State.ERROR:
        painter.fillPath(hatch(outline, 9.0, 1.6, crossed=False), colour(theme.danger, HATCH))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if state == State.NO_GRAD:
        painter.setPen(pen(colour(theme.faint), 1.3, (0.1, 4.0)))
    elif state == State.ERROR or bad:
        painter.setPen(pen(colour(theme.bad if bad else theme.danger), 1.4))
    else:
        painter.setPen(
            pen(colour(theme.card_border if state == State.DONE else theme.ghost, 255 if state == State.DONE else 190), 1.1)
        )
    painter.drawPath(edge)


def inks(theme: Theme, state: State) -> tuple[QColor, QColor]:
    """The colours of main text and side text in a state."""
    if state in (State.DONE, State.PARTLY, State.ERROR):
        return colour(theme.text), colour(theme.subtle)
    return colour(theme.subtle), colour(theme.faint)


def _paint_texts(painter: QPainter, surface: Surface, look: Look, place: int, card: Card, rect: QRectF, split: float) -> None:
    left, width = rect.left() + styles.LEFT, rect.width() - styles.LEFT - styles.RIGHT
    if card.forward:
        state = State(look.halves[place, FORWARD])
        _paint_forward_texts(painter, surface, look, card, QRectF(left, rect.top(), width, split), state, look.facts.bad[place])
    if card.backward:
        _paint_backward_texts(painter, surface, look, place, card, QRectF(left, rect.top() + split, width, rect.height() - split))


def _paint_forward_texts(
    painter: QPainter, surface: Surface, look: Look, card: Card, room: QRectF, state: State, bad: str
) -> None:
    main, side = inks(surface.theme, state)
    numbers = surface.level == Level.NUMBERS
    middle = room.center().y()
    row = middle - 9 if numbers else middle
    left, width = room.left(), room.width()
    if card.kind == "module":
        paint_chevron(painter, QPointF(left + 3, row), side, folded=True)
        left, width = left + 14, width - 14
    drawn = draw_text(painter, surface, QPointF(left, row), width, card.title, styles.TITLE, main)
    room_left = width - drawn - styles.GAP
    if card.note and ((numbers and room_left > 16) or room_left >= text_width(surface, card.note, styles.NOTE)):
        draw_text(painter, surface, QPointF(left + drawn + styles.GAP, row), room_left, card.note, styles.NOTE, side)
    if numbers:
        shape_ink = colour(surface.theme.bad) if bad and state == State.DONE else side
        word = f"{bad}  " if bad and state == State.DONE else ""
        draw_text(
            painter,
            surface,
            QPointF(room.left(), middle + 10),
            room.width(),
            f"{word}{shape_line(look, card)}",
            styles.SHAPE,
            shape_ink,
        )


def _paint_backward_texts(painter: QPainter, surface: Surface, look: Look, place: int, card: Card, room: QRectF) -> None:
    state = State(look.halves[place, BACKWARD])
    main, side = inks(surface.theme, state)
    row = styles.ROW if card.meets and surface.level == Level.NUMBERS else 0.0
    middle = room.center().y() - row / 2
    if surface.level == Level.NAMES:
        if card.strip:
            paint_strip(painter, surface, look, place, room)
        else:
            paint_number(painter, surface, look, place, QPointF(room.left(), middle), room.width())
        return
    if card.strip:
        paint_strip(painter, surface, look, place, QRectF(room.left(), middle - 15, room.width(), 12))
        paint_gradient(painter, surface, look, place, QPointF(room.left(), middle + 10), room.width())
        return
    name = card.under or (f"{len(card.nodes)} Nodes" if card.nodes else "no Node")
    draw_text(painter, surface, QPointF(room.left(), middle - 9), room.width(), name, styles.NODE, main if card.nodes else side)
    paint_gradient(painter, surface, look, place, QPointF(room.left(), middle + 10), room.width())
    if row:
        at = QPointF(room.left(), middle + 10 + row)
        draw_text(painter, surface, at, room.width(), sum_text(look, place, card), styles.PLATE, main)


def paint_gradient(painter: QPainter, surface: Surface, look: Look, place: int, at: QPointF, width: float) -> None:
    """A gradient as a gauge with its number, or in words where there is no number."""
    magnitude = float(look.card_magnitudes[place])
    shown = gradient_text(look, place)
    if magnitude == NOT_THERE or shown in (EXACTLY_ZERO, CLEARED):
        ink = (
            colour(surface.theme.update)
            if shown == CLEARED
            else colour(surface.theme.text if magnitude == 0 else surface.theme.faint)
        )
        draw_text(painter, surface, at, width, shown, styles.NOTE, ink)
        return
    ink = colour(surface.theme.bad if is_bad(magnitude, surface.measure) else surface.theme.text)
    number_width = text_width(surface, shown, styles.NUMBER)
    gauge = width - number_width - 10
    if gauge >= 16:
        paint_gauge(painter, surface, at, gauge, magnitude)
    draw_text(painter, surface, at, width, shown, styles.NUMBER, ink, 1.0 if gauge >= 16 else 0.0)


def paint_number(painter: QPainter, surface: Surface, look: Look, place: int, at: QPointF, width: float) -> None:
    """From further away: the gauge, with the number where there is room for both."""
    magnitude = float(look.card_magnitudes[place])
    number_width = text_width(surface, gradient_text(look, place), styles.NUMBER)
    if magnitude not in (NOT_THERE, 0.0) and width - number_width - 10 >= 16:
        paint_gradient(painter, surface, look, place, at, width)
    else:
        paint_gauge(painter, surface, at, width, magnitude)


def paint_gauge(painter: QPainter, surface: Surface, at: QPointF, width: float, magnitude: float) -> None:
    """A bar that is as long as a magnitude lies far along the scale."""
    theme = surface.theme
    track = QRectF(at.x(), at.y() - 2.5, width, 5.0)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour(theme.card_border, 150))
    painter.drawRoundedRect(track, 2.5, 2.5)
    if magnitude == NOT_THERE or (magnitude == 0 and surface.measure == "bad"):
        return
    filled = QRectF(track.left(), track.top(), max(width * fraction(magnitude, surface.measure), 5.0), 5.0)
    painter.setPen(pen(colour(theme.subtle), 0.8))
    painter.setBrush(magnitude_colour(theme, magnitude, surface.measure))
    painter.drawRoundedRect(filled, 2.5, 2.5)


def paint_chevron(painter: QPainter, at: QPointF, ink: QColor, *, folded: bool) -> None:
    """The sign that a module folds: pointing right where it is folded, down where it is open."""
    path = QPainterPath()
    reach = 3.2
    if folded:
        path.moveTo(at.x() - reach / 2, at.y() - reach)
        path.lineTo(at.x() + reach / 2, at.y())
        path.lineTo(at.x() - reach / 2, at.y() + reach)
    else:
        path.moveTo(at.x() - reach, at.y() - reach / 2)
        path.lineTo(at.x(), at.y() + reach / 2)
        path.lineTo(at.x() + reach, at.y() - reach / 2)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(ink, 1.6))
    painter.drawPath(path)
