"""Painting over the static layer: comets, flashes, the selected lane. Cheap, for it happens sixty times a second."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter

from .animation import Flash, Flight, Leg
from .magnitudes import NOT_THERE, fraction
from .marks import part_colour
from .paint_pills import radius_of
from .scene import Scene
from .shapes import curve_path
from .surface import Surface, colour, magnitude_colour, pen, rect_of

TAIL = 13
"""Dots of a comet's tail."""
TAIL_LENGTH = 52.0


def paint_flight(painter: QPainter, surface: Surface, scene: Scene, flight: Flight, time: float) -> None:
    """A flight at a fraction of its time."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for flash in flight.flashes:
        _paint_flash(painter, surface, scene, flash, flash.glow(time))
    for leg in flight.legs:
        along = leg.along(time)
        if along is not None:
            _paint_comet(painter, surface, scene, leg, along)


def pulse_radius(magnitude: float | None, surface: Surface) -> float:
    """By decade of magnitude, 3.4 to 7 pixels."""
    if magnitude is None or magnitude == NOT_THERE:
        return 4.0
    return 3.4 + 3.6 * fraction(magnitude, surface.measure)


def _paint_comet(painter: QPainter, surface: Surface, scene: Scene, leg: Leg, along: float) -> None:
    back = leg.magnitude is not None
    track = (scene.backward_tracks if back else scene.forward_tracks)[leg.lane]
    if track.length < 1:
        return
    if leg.magnitude is None:
        ink = colour(surface.theme.forward)
    elif leg.magnitude == NOT_THERE:
        ink = colour(surface.theme.backward)
    else:
        ink = magnitude_colour(surface.theme, leg.magnitude, surface.measure)
    size = pulse_radius(leg.magnitude, surface) / min(max(surface.zoom, 0.3), 1.0)
    tail = min(0.6, TAIL_LENGTH / track.length)
    steps = np.arange(TAIL, 0, -1) / TAIL
    places = along + (tail * steps if back else -tail * steps)
    points = track.at(places)
    painter.setPen(Qt.PenStyle.NoPen)
    for (x, y), place, step in zip(points.tolist(), places.tolist(), steps.tolist(), strict=True):
        if 0 <= place <= 1:
            near = 1 - step
            painter.setBrush(_alpha(ink.lighter(125) if surface.theme.dark else ink, 20 + 190 * near * near))
            painter.drawEllipse(QPointF(x, y), size * (0.35 + 0.6 * near), size * (0.35 + 0.6 * near))
    x, y = track.at(np.array([along]))[0].tolist()
    painter.setBrush(_alpha(ink, 95))
    painter.drawEllipse(QPointF(x, y), size + 5, size + 5)
    painter.setPen(pen(colour(surface.theme.backward) if back else ink, 1.8))
    painter.setBrush(colour("#fff4d6" if surface.theme.dark else "#ffffff"))
    painter.drawEllipse(QPointF(x, y), size, size)


def _alpha(ink: QColor, alpha: float) -> QColor:
    faded = QColor(ink)
    faded.setAlpha(int(alpha))
    return faded


def _paint_flash(painter: QPainter, surface: Surface, scene: Scene, flash: Flash, glow: float) -> None:
    if glow <= 0:
        return
    card, rect = scene.picture.cards[flash.card], rect_of(scene.cards[flash.card])
    name = surface.theme.loss if flash.loss else part_colour(surface.theme, flash.part)
    radius = radius_of(card, rect)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for width, share in ((22.0, 0.16), (14.0, 0.3), (7.0, 0.5)):
        painter.setPen(pen(colour(name, int(255 * share * glow)), width))
        painter.drawRoundedRect(rect, radius, radius)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour(name, int(46 * glow)))
    painter.drawRoundedRect(rect, radius, radius)


def paint_selected_lane(painter: QPainter, surface: Surface, scene: Scene, lane: int, *, backward: bool) -> None:
    """The mark of a selected lane: a line of the accent colour along both its sides."""
    curve = scene.backward[lane] if backward and len(scene.backward[lane]) else scene.forward[lane]
    if not len(curve):
        curve = scene.backward[lane]
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(colour(surface.theme.accent, 110), 12.0 / min(surface.zoom, 1.0)))
    painter.drawPath(curve_path(curve))
