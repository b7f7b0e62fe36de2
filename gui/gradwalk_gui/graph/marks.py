"""The marks of the playhead and of the selection: the halo of what has just run, the outline and caret of what is next, rings."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPolygonF

from ..theme import Theme
from .events_on_cards import Part, Place
from .look import Look, State
from .paint_pills import radius_of
from .parts import Card
from .scene import Scene
from .shapes import lower_half, rounded, upper_half
from .surface import NUMBERS_FROM, Surface, colour, pen, rect_of


def part_colour(theme: Theme, part: Part) -> str:
    """The colour of the phase that a part belongs to."""
    return {"forward": theme.forward, "backward": theme.backward, "update": theme.update}[part]


def part_path(scene: Scene, place: Place, zoom: float, grown: float = 0.0) -> QPainterPath:
    """The outline of the part of a card that an event is about; of a pill far away, its whole."""
    card, rect, split = scene.picture.cards[place.card], rect_of(scene.cards[place.card]), float(scene.splits[place.card])
    radius = radius_of(card, rect)
    far = card.kind in ("leaf", "tensor") and zoom < NUMBERS_FROM
    if (
        far
        or place.part == "update"
        or not (card.forward and card.backward)
        or card.kind == "knot"
        or not 0 < split < rect.height()
    ):
        return rounded(rect.adjusted(-grown, -grown, grown, grown), radius + grown)
    if place.part == "forward":
        return upper_half(rect.adjusted(-grown, -grown, grown, 0), radius + grown, split + grown)
    return lower_half(rect.adjusted(-grown, 0, grown, grown), radius + grown, split)


def paint_halo(painter: QPainter, surface: Surface, scene: Scene, look: Look) -> None:
    """The halo around the card of the event that has just run, under the card."""
    if look.just is None:
        return
    card, rect = scene.picture.cards[look.just.card], rect_of(scene.cards[look.just.card])
    name = _mark_colour(surface.theme, look, card, look.just)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for width, alpha in ((18.0, 16), (12.0, 30), (6.0, 52)):
        painter.setPen(pen(colour(name, alpha + (12 if surface.theme.dark else 0)), width))
        painter.drawRoundedRect(rect, radius_of(card, rect), radius_of(card, rect))


def paint_just(painter: QPainter, surface: Surface, scene: Scene, look: Look) -> None:
    """The line around the half that has just run, over the card."""
    if look.just is None:
        return
    name = _mark_colour(surface.theme, look, scene.picture.cards[look.just.card], look.just)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(colour(name), 1.6))
    painter.drawPath(part_path(scene, look.just, surface.zoom))


def paint_next(painter: QPainter, surface: Surface, scene: Scene, look: Look) -> None:
    """The thick outline and the caret of the half that runs next."""
    if look.next is None:
        return
    card = scene.picture.cards[look.next.card]
    ink = colour(_mark_colour(surface.theme, look, card, look.next))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    scale = max(1.0, 0.7 / surface.zoom)
    painter.setPen(pen(ink, 2.8 * scale))
    painter.drawPath(part_path(scene, look.next, surface.zoom, 1.0))
    painter.setPen(pen(colour(surface.theme.ground), 1.5))
    painter.setBrush(ink)
    painter.drawPolygon(_caret(scene, look.next, rect_of(scene.cards[look.next.card]), 8.0 * scale))


def _mark_colour(theme: Theme, look: Look, card: Card, place: Place) -> str:
    if State.ERROR in look.halves[place.card]:
        return theme.danger
    return theme.loss if card.kind == "loss" else part_colour(theme, place.part)


def _caret(scene: Scene, place: Place, rect: QRectF, size: float) -> QPolygonF:
    """A triangle that points at the half: from above or below where the flow goes right (and for leaves), else from the left."""
    leaf = scene.picture.cards[place.card].kind == "leaf"
    upper = place.part != "backward" or (leaf and bool(scene.marks_above[place.card]))
    if scene.picture.flow == "down" and not leaf:
        split = float(scene.splits[place.card])
        y = rect.top() + (split / 2 if upper else (split + rect.height()) / 2)
        x = rect.left() - 5
        points = [(x, y), (x - size * 1.25, y - size * 0.8), (x - size * 1.25, y + size * 0.8)]
    else:
        x = rect.center().x()
        y, away = (rect.top() - 5, -1) if upper else (rect.bottom() + 5, 1)
        points = [(x, y), (x - size * 0.8, y + away * size * 1.25), (x + size * 0.8, y + away * size * 1.25)]
    return QPolygonF([QPointF(a, b) for a, b in points])


def paint_ring(painter: QPainter, theme: Theme, scene: Scene, place: Place, zoom: float, *, focus: bool) -> None:
    """The ring around the selected card, a line around its selected half, and outside a dashed ring for the keyboard's focus."""
    card, rect = scene.picture.cards[place.card], rect_of(scene.cards[place.card])
    radius = radius_of(card, rect)
    scale = 1 / min(zoom, 1.0)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(colour(theme.accent, 70), 7 * scale))
    painter.drawRoundedRect(rect.adjusted(-1, -1, 1, 1), radius + 1, radius + 1)
    painter.setPen(pen(colour(theme.accent), 1.8 * scale))
    painter.drawPath(part_path(scene, place, zoom))
    if focus:
        out = 7 * scale
        painter.setPen(pen(colour(theme.accent), 1.4 * scale, (4.0, 3.0)))
        painter.drawRoundedRect(rect.adjusted(-out, -out, out, out), radius + out, radius + out)


def paint_frame_ring(painter: QPainter, theme: Theme, scene: Scene, frame: int, zoom: float) -> None:
    """The ring around a selected, unfolded module."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(colour(theme.accent), 2.2 / min(zoom, 1.0)))
    radius = frame_radius(scene.picture.frames[frame].depth)
    painter.drawRoundedRect(rect_of(scene.frames[frame]), radius, radius)


def frame_radius(depth: int) -> float:
    """The corner radius of a frame by its depth."""
    return max(14.0 - 3.0 * depth, 8.0)
