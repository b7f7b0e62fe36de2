"""Painting over the static layer: flights, wavefronts, the selected lane. Cheap, for it happens sixty times a second."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QPainter

from .animation import Flash, Flight
from .batches import draw_lines, draw_rects
from .blocks import lines_of, octave_of
from .camera import Camera
from .comets import paint_comets
from .marks import part_colour
from .paint_pills import radius_of
from .scene import Scene
from .shapes import curve_path
from .surface import Surface, colour, pen, rect_of
from .wavefront import Wavefront

NEAR = 45.0
"""How far from its lanes and cards anything is painted that flies: in scene pixels, and so many pixels of the screen more."""
NEAR_ON_SCREEN = 4.0


@lru_cache(maxsize=32)
def reach_of(scene: Scene, flying: Flight | Wavefront) -> QRectF:
    """The part of a scene in which a flight or a wavefront is painted, from its start to its end; without what is around it."""
    if isinstance(flying, Flight):
        lanes, cards = [leg.lane for leg in flying.legs], [flash.card for flash in flying.flashes]
    else:
        lanes, cards = np.concatenate(flying.lanes).tolist(), np.concatenate(flying.cards).tolist()
    rows = np.vstack([scene.lane_bounds[lanes], scene.cards[cards]])
    if not len(rows):
        return QRectF()
    left, top = rows[:, :2].min(axis=0).tolist()
    right, bottom = (rows[:, :2] + rows[:, 2:]).max(axis=0).tolist()
    return QRectF(left, top, right - left, bottom - top)


def painted_around(reach: QRectF, camera: Camera) -> QRect:
    """Where on the screen that is, with what is painted around it."""
    left, top = camera.to_screen(reach.left(), reach.top())
    near = NEAR * camera.zoom + NEAR_ON_SCREEN
    rect = QRectF(left, top, reach.width() * camera.zoom, reach.height() * camera.zoom)
    return rect.adjusted(-near, -near, near, near).toAlignedRect()


def paint_flight(painter: QPainter, surface: Surface, scene: Scene, flight: Flight, time: float) -> None:
    """A flight at a fraction of its time."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for flash in flight.flashes:
        _paint_flash(painter, surface, scene, flash, flash.glow(time))
    paint_comets(painter, surface, scene, flight, time)


def paint_wavefront(painter: QPainter, surface: Surface, scene: Scene, wave: Wavefront, time: float) -> None:
    """A wavefront at a fraction of its time: bright at first, then fading."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    glow, theme = (1.0 - time) ** 1.5, surface.theme
    names = (theme.forward, theme.backward)
    octave = octave_of(surface.zoom)
    for back, name in enumerate(names):
        lines = lines_of(scene, octave, backward=bool(back))
        wanted = np.zeros(len(scene.picture.lanes), dtype=np.bool_)
        wanted[wave.lanes[back]] = True
        rows = lines.lines[wanted[lines.lanes]]
        for width, alpha in ((9.0, 70), (4.0, 150)):
            scaled = width / max(surface.zoom, 0.3) if surface.zoom > 0.05 else width / 3 / surface.zoom
            painter.setPen(pen(colour(name, int(alpha * glow)), scaled, cap=Qt.PenCapStyle.FlatCap))
            draw_lines(painter, rows)
    painter.setPen(Qt.PenStyle.NoPen)
    grown = 2.0 / surface.zoom
    for cards, name in zip(wave.cards, names, strict=True):
        painter.setBrush(colour(name, int(120 * glow)))
        draw_rects(painter, scene.cards[cards] + np.array([-grown, -grown, 2 * grown, 2 * grown]))


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
