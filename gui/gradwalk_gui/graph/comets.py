"""Painting pulses: comets that run along lanes, hundreds of them in two calls, from one sheet of sprites."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap

from ..theme import Theme
from .animation import Flight, eased
from .batches import draw_sprites
from .curves import Tracks
from .inks import BAD, COARSE, FORWARD, NONE_YET, SHADES, inks_of, palette
from .scene import Scene
from .surface import Surface, colour, pen

TAIL, FEWEST, DOTS = 13, 4, 1200
"""Dots of a comet's tail, the fewest where many fly, and how many dots all tails share."""
TAIL_LENGTH = 52.0
SMALLEST, LARGEST, PLAIN = 3.4, 7.0, 4.0
"""Radius of a head by decade of its magnitude, and of one without."""
GLOW = 5.0
_INKS = (*range(COARSE // 2, SHADES, COARSE), BAD, NONE_YET, FORWARD)
"""The colours that comets have; a magnitude's colour says its size, too."""


def paint_comets(painter: QPainter, surface: Surface, scene: Scene, flight: Flight, time: float) -> None:
    """The pulses that are on their way at a fraction of a flight's time."""
    legs = _legs_of(flight)
    flying = (legs.starts <= time) & (time <= legs.ends)
    if not flying.any():
        return
    inks = np.where(legs.back, inks_of(legs.magnitudes, surface.measure), FORWARD)
    for back, tracks in ((False, scene.forward_tracks), (True, scene.backward_tracks)):
        here = flying & (legs.back == back)
        here[here] = tracks.lengths_of(legs.lanes[here]) >= 1
        if here.any():
            way = eased((time - legs.starts[here]) / (legs.ends[here] - legs.starts[here]))
            _paint_way(painter, surface, tracks.only(legs.lanes[here]), inks[here], 1 - way if back else way, back=back)


@dataclass(frozen=True, slots=True, eq=False)
class _Legs:
    """The legs of a flight as arrays; ``magnitudes`` is 0 forward."""

    lanes: NDArray[np.intp]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    back: NDArray[np.bool_]
    magnitudes: NDArray[np.float64]


@lru_cache(maxsize=8)
def _legs_of(flight: Flight) -> _Legs:
    legs = flight.legs
    return _Legs(
        np.array([leg.lane for leg in legs], dtype=np.intp),
        np.array([leg.start for leg in legs], dtype=np.float64),
        np.array([leg.end for leg in legs], dtype=np.float64),
        np.array([leg.magnitude is not None for leg in legs], dtype=np.bool_),
        np.array([leg.magnitude or 0.0 for leg in legs], dtype=np.float64),
    )


def _paint_way(
    painter: QPainter, surface: Surface, tracks: Tracks, inks: NDArray[np.intp], along: NDArray[np.float64], *, back: bool
) -> None:
    """Pulses of one direction, each on its track: the dots of all tails, then all heads."""
    tail = max(min(TAIL, DOTS // len(along)), FEWEST)
    steps, each = np.arange(tail, 0, -1) / tail, np.arange(len(along))
    reach = np.minimum(0.6, TAIL_LENGTH / tracks.lengths)[:, None] * steps
    places = along[:, None] + (reach if back else -reach)
    scale = painter.worldTransform().m11() * painter.device().devicePixelRatio()
    sheet = _sheet(surface.theme, round(1 / min(max(surface.zoom, 0.3), 1.0), 2), round(scale, 4))
    cells = np.searchsorted(_INKS, inks)
    on = (places >= 0) & (places <= 1)
    near = np.broadcast_to(1 - steps, on.shape)[on]
    sources = sheet.dots[np.broadcast_to(cells[:, None], on.shape)[on]]
    draw_sprites(painter, tracks.at(each, places)[on], sheet.pixmap, 0.35 + 0.6 * near, (20 + 190 * near**2) / 255, sources)
    ones = np.ones(len(along))
    draw_sprites(painter, tracks.at(each, along), sheet.pixmap, ones, ones, sheet.heads[cells])


class _Sheet:
    """A dot and a head for each colour, side by side; ``dots`` and ``heads`` are where, float64 ``[inks, 4]`` in its pixels."""

    def __init__(self, theme: Theme, enlarged: float, scale: float) -> None:
        radii = [_radius(ink) * enlarged for ink in _INKS]
        sides = [math.ceil(2 * (radius + GLOW + 1) * scale) for radius in radii]
        high = max(sides)
        self.pixmap = QPixmap(sum(sides), 2 * high)
        self.pixmap.fill(Qt.GlobalColor.transparent)
        lefts = np.cumsum([0, *sides[:-1]])
        self.dots = np.array([(left, 0, side, side) for left, side in zip(lefts, sides, strict=True)], dtype=np.float64)
        self.heads = self.dots + np.array([0, high, 0, 0])
        painter = QPainter(self.pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for ink, radius, dot, head in zip(_INKS, radii, self.dots.tolist(), self.heads.tolist(), strict=True):
            body = QColor(palette(theme)[ink].rgb()) if ink != NONE_YET else QColor(theme.backward)
            for (left, top, wide, high), paint in ((dot, _paint_dot), (head, _paint_head)):
                painter.save()
                painter.translate(left + wide / 2, top + high / 2)
                painter.scale(scale, scale)
                paint(painter, theme, body, radius, colour(theme.forward if ink == FORWARD else theme.backward))
                painter.restore()
        painter.end()


_sheet = lru_cache(maxsize=16)(_Sheet)


def _radius(ink: int) -> float:
    if ink >= SHADES:
        return LARGEST if ink == BAD else PLAIN
    return SMALLEST + (LARGEST - SMALLEST) * ink / (SHADES - 1)


def _paint_dot(painter: QPainter, theme: Theme, body: QColor, radius: float, _ring: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(body.lighter(125) if theme.dark else body)
    painter.drawEllipse(QPointF(0, 0), radius, radius)


def _paint_head(painter: QPainter, theme: Theme, body: QColor, radius: float, ring: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour(body.name(), 95))
    painter.drawEllipse(QPointF(0, 0), radius + GLOW, radius + GLOW)
    painter.setPen(pen(ring, 1.8))
    painter.setBrush(colour("#fff4d6" if theme.dark else "#ffffff"))
    painter.drawEllipse(QRectF(-radius, -radius, 2 * radius, 2 * radius))
