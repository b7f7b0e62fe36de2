"""Painting what is not an op: leaves, inputs, the loss, tensors, and the knots that join the edges of a function."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter

from ..panel import mix
from . import styles
from .look import NOT_YET, Look, State, gradient_text, loss_text, shape_line, sum_text, version_text
from .magnitudes import NOT_THERE, is_bad
from .paint_cards import HATCH, PALE, category_colour, inks, paint_gauge, paint_number
from .parts import BACKWARD, FORWARD, Card
from .scene import Scene
from .shadows import paint_shadow
from .shapes import hatch, rounded
from .surface import Level, Surface, colour, draw_text, magnitude_colour, pen, rect_of, text_height, text_width

TENSOR_RADIUS = 15.0
SWATCH = 4.0


def radius_of(card: Card, rect: QRectF) -> float:
    """The corner radius of a card by its kind."""
    if card.kind in ("leaf", "loss", "knot"):
        return min(rect.height() / 2, 26.0)
    return {"input": 7.0, "tensor": TENSOR_RADIUS}.get(card.kind, styles.RADIUS)


def paint_leaf(painter: QPainter, surface: Surface, scene: Scene, look: Look, place: int) -> None:
    """The pill of a leaf: its name over the gradient that AccumulateGrad has put into its ``.grad``."""
    card, rect, split = scene.picture.cards[place], rect_of(scene.cards[place]), float(scene.splits[place])
    _paint_body(painter, surface, look, place, card, rect)
    if 0 <= look.facts.when.updates.get(place, (-1, ""))[0] < look.position:
        _paint_update(painter, surface, rect)
    if surface.level > Level.BLOCKS:
        _paint_rows(painter, surface, look, place, card, rect, split)


def paint_tensor(painter: QPainter, surface: Surface, scene: Scene, look: Look, place: int) -> None:
    """A result, where tensors are the cards."""
    card, rect, split = scene.picture.cards[place], rect_of(scene.cards[place]), float(scene.splits[place])
    _paint_body(painter, surface, look, place, card, rect)
    if surface.level > Level.BLOCKS:
        _paint_rows(painter, surface, look, place, card, rect, split)


def paint_input(painter: QPainter, surface: Surface, scene: Scene, look: Look, place: int) -> None:
    """An input or a constant: square-cut, dotted, for no gradient goes there."""
    card, rect = scene.picture.cards[place], rect_of(scene.cards[place])
    theme = surface.theme
    painter.setBrush(colour(theme.pill))
    painter.setPen(pen(colour(theme.faint), 1.4, (0.1, 4.0)))
    painter.drawRoundedRect(rect, radius_of(card, rect), radius_of(card, rect))
    if look.facts.bad[place]:
        painter.fillPath(hatch(rounded(rect, 7.0), 11.0, 1.1, crossed=True), colour(theme.bad, HATCH))
    if surface.level > Level.BLOCKS:
        _paint_name(painter, surface, look, place, card, rect, State.DONE)


def paint_loss(painter: QPainter, surface: Surface, scene: Scene, look: Look, place: int) -> None:
    """The loss with its value, under a double line."""
    card, rect = scene.picture.cards[place], rect_of(scene.cards[place])
    theme, done = surface.theme, look.halves[place, FORWARD] == State.DONE
    radius = radius_of(card, rect)
    paint_shadow(painter, surface, rect, radius)
    painter.setPen(pen(colour(theme.loss, 255 if done else 120), 1.3))
    painter.setBrush(mix(theme.loss, theme.pill, (0.13 if theme.dark else 0.09) if done else 0.02))
    painter.drawRoundedRect(rect, radius, radius)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(colour(theme.loss, 130 if done else 60), 1.0))
    painter.drawRoundedRect(rect.adjusted(3, 3, -3, -3), radius - 3, radius - 3)
    bad = look.facts.bad[place] if done else ""
    if bad:
        painter.fillPath(hatch(rounded(rect, radius), 11.0, 1.1, crossed=True), colour(theme.bad, HATCH))
    if surface.level == Level.BLOCKS:
        return
    main, side = inks(theme, State.DONE if done else State.PENDING)
    value = loss_text(look, place, card)
    value_style = styles.NOTE if value == NOT_YET else styles.TITLE
    if text_width(surface, card.title, styles.TITLE) + styles.GAP + text_width(surface, value, value_style) > rect.width() - 20:
        value = ""
    ink = colour(theme.bad) if bad else side if value == NOT_YET else main
    _paint_pair(painter, surface, rect, card.title, value, (styles.TITLE, value_style), (main, ink))


def paint_knot(painter: QPainter, surface: Surface, scene: Scene, look: Look, place: int) -> None:
    """A function, where tensors are the cards: the labelled knot in which its edges are joined."""
    card, rect = scene.picture.cards[place], rect_of(scene.cards[place])
    theme, state = surface.theme, State(look.halves[place, FORWARD])
    done = state in (State.DONE, State.PARTLY)
    radius = radius_of(card, rect)
    family = category_colour(theme, card)
    painter.setPen(pen(colour(family if state != State.ERROR else theme.danger, 255 if done else 120), 1.4))
    painter.setBrush(colour(theme.card, 255 if done else PALE))
    painter.drawRoundedRect(rect, radius, radius)
    bad = look.facts.bad[place] if done else ""
    if bad or state == State.ERROR:
        painter.fillPath(
            hatch(rounded(rect, radius), 9.0, 1.1, crossed=bool(bad)), colour(theme.bad if bad else theme.danger, HATCH)
        )
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour(family, 255 if done else 120))
    painter.drawEllipse(QPointF(rect.left() + 12, rect.center().y()), 3.2, 3.2)
    if surface.level > Level.BLOCKS:
        main, _ = inks(theme, state)
        draw_text(
            painter, surface, QPointF(rect.left() + 20, rect.center().y()), rect.width() - 28, card.title, styles.NODE, main
        )


def _paint_body(painter: QPainter, surface: Surface, look: Look, place: int, card: Card, rect: QRectF) -> None:
    theme, state, radius = surface.theme, State(look.halves[place, FORWARD]), radius_of(card, rect)
    done = state in (State.DONE, State.PARTLY) or not card.forward
    family = theme.leaf if card.kind == "leaf" else theme.shaping
    if done:
        paint_shadow(painter, surface, rect, radius)
    fill = mix(family, theme.pill, 0.12 if theme.dark else 0.08) if done else colour(theme.pill, PALE)
    painter.setPen(pen(colour(family, 170 if done else 90), 1.2))
    painter.setBrush(fill)
    painter.drawRoundedRect(rect, radius, radius)
    forward_bad = look.facts.bad[place] if done else ""
    if forward_bad or is_bad(float(look.card_magnitudes[place]), surface.measure):
        painter.fillPath(hatch(rounded(rect, radius), 11.0, 1.1, crossed=True), colour(theme.bad, HATCH))


def _paint_update(painter: QPainter, surface: Surface, rect: QRectF) -> None:
    """The green dotted ring around a leaf once its update has run."""
    ring = rect.adjusted(-4, -4, 4, 4)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(colour(surface.theme.update), 2.2, (0.1, 5.0)))
    painter.drawRoundedRect(ring, min(ring.height() / 2, 30.0), min(ring.height() / 2, 30.0))


def paint_badge(painter: QPainter, surface: Surface, scene: Scene, look: Look, place: int) -> None:
    """The versions before and after the update of a leaf, on the border of its pill."""
    theme, rect, shown = surface.theme, rect_of(scene.cards[place]), version_text(look, place)
    if not shown:
        return
    width = text_width(surface, shown, styles.PLATE) + 14
    top = rect.top() - 12.5 if scene.marks_above[place] else rect.bottom() - 4.5
    badge = QRectF(rect.center().x() - width / 2, top, width, 17)
    painter.setPen(pen(colour(theme.update), 1.1))
    painter.setBrush(colour(theme.ground))
    painter.drawRoundedRect(badge, 8.5, 8.5)
    draw_text(painter, surface, QPointF(badge.left() + 7, badge.center().y()), width, shown, styles.PLATE, colour(theme.update))


def _paint_rows(painter: QPainter, surface: Surface, look: Look, place: int, card: Card, rect: QRectF, split: float) -> None:
    state = State(look.halves[place, FORWARD])
    if not card.backward:
        _paint_name(painter, surface, look, place, card, rect, state)
        return
    if surface.level == Level.NAMES:
        _paint_far_rows(painter, surface, look, place, card, rect, split)
        return
    _paint_name(painter, surface, look, place, card, QRectF(rect.left(), rect.top() + 2, rect.width(), split - 2), state)
    row = styles.ROW if card.meets else 0.0
    lower = QRectF(rect.left(), rect.top() + split, rect.width(), rect.height() - split - row)
    painter.setPen(pen(colour(surface.theme.card_border), 1.0))
    painter.drawLine(QPointF(rect.left() + 14, lower.top()), QPointF(rect.right() - 14, lower.top()))
    _paint_gradient_row(painter, surface, look, place, card, lower.adjusted(0, 0, 0, -2))
    if row:
        main, _ = inks(surface.theme, State(look.halves[place, BACKWARD]))
        at = QPointF(rect.left() + 14, lower.bottom() + row / 2 - 5)
        draw_text(painter, surface, at, rect.width() - 28, sum_text(look, place, card), styles.PLATE, main, 0.5)


def _paint_far_rows(painter: QPainter, surface: Surface, look: Look, place: int, card: Card, rect: QRectF, split: float) -> None:
    """From further away: the name over the gauge, with the number where two lines have room."""
    left, width, state = rect.left() + 22, rect.width() - 44, State(look.halves[place, FORWARD])
    if text_height(surface, styles.TITLE) + text_height(surface, styles.NUMBER) < rect.height() - 10:
        _paint_name(painter, surface, look, place, card, QRectF(rect.left(), rect.top() + 2, rect.width(), split - 2), state)
        at = QPointF(left, (rect.top() + split + rect.bottom()) / 2 - 2)
        paint_number(painter, surface, look, place, at, width)
        return
    _paint_name(painter, surface, look, place, card, rect.adjusted(0, 0, 0, -9), state)
    paint_gauge(painter, surface, QPointF(left, rect.bottom() - 9), width, float(look.card_magnitudes[place]))


def _paint_gradient_row(painter: QPainter, surface: Surface, look: Look, place: int, card: Card, room: QRectF) -> None:
    theme, magnitude, shown = surface.theme, float(look.card_magnitudes[place]), gradient_text(look, place)
    there = magnitude != NOT_THERE
    style = styles.NUMBER if there and shown != "cleared" else styles.NOTE
    ink = (
        colour(theme.update)
        if shown == "cleared"
        else colour(theme.bad if is_bad(magnitude, surface.measure) else theme.text if there else theme.faint)
    )
    under = styles.gradient_word("update") if surface.measure == "update" else card.under
    name_width = text_width(surface, under, styles.NOTE) + 6
    width = text_width(surface, shown, style)
    swatch = 2 * SWATCH + 6 if there else 0.0
    total = min(name_width + swatch + width, room.width() - 24)
    left, middle = room.center().x() - total / 2, room.center().y()
    draw_text(painter, surface, QPointF(left, middle), name_width, under, styles.NOTE, colour(theme.subtle))
    if there:
        painter.setPen(pen(colour(theme.subtle), 0.8))
        painter.setBrush(magnitude_colour(theme, magnitude, surface.measure))
        painter.drawEllipse(QPointF(left + name_width + SWATCH, middle), SWATCH, SWATCH)
    room_left = total - name_width - swatch
    draw_text(painter, surface, QPointF(left + name_width + swatch, middle), room_left + 1, shown, style, ink)


def _paint_name(painter: QPainter, surface: Surface, look: Look, place: int, card: Card, room: QRectF, state: State) -> None:
    main, side = inks(surface.theme, state)
    bad = look.facts.bad[place] if state == State.DONE else ""
    shape = shape_line(look, card) if surface.level == Level.NUMBERS else ""
    shown = f"{bad} {shape}" if bad else shape
    _paint_pair(
        painter,
        surface,
        room,
        card.title,
        shown,
        (styles.TITLE, styles.SHAPE),
        (main, colour(surface.theme.bad) if bad else side),
    )


def _paint_pair(
    painter: QPainter,
    surface: Surface,
    room: QRectF,
    first: str,
    second: str,
    style: tuple[styles.Style, styles.Style],
    ink: tuple[QColor, QColor],
) -> None:
    """A name and what stands beside it, centred together."""
    inside = room.width() - 20
    widths = [text_width(surface, first, style[0]), text_width(surface, second, style[1]) if second else 0.0]
    gap = styles.GAP if second else 0.0
    if sum(widths) + gap > inside and second and widths[0] + gap + 24 > inside:
        second, gap, widths[1] = "", 0.0, 0.0
    total = min(sum(widths) + gap, inside)
    left, middle = room.center().x() - total / 2, room.center().y()
    drawn = draw_text(painter, surface, QPointF(left, middle), total, first, style[0], ink[0])
    if second:
        at = QPointF(left + drawn + gap, middle)
        draw_text(painter, surface, at, total - drawn - gap + 0.5, second, style[1], ink[1])
