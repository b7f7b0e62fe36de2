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
from .magnitudes import MeasureName
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
    for way in _ways(flight, scene, surface.measure):
        flying = np.flatnonzero((way.starts <= time) & (time <= way.ends))
        if not len(flying):
            continue
        gone = eased((time - way.starts[flying]) / (way.ends[flying] - way.starts[flying]))
        tracks = way.tracks if len(flying) == len(way.starts) else way.tracks.only(flying)
        _paint_way(painter, surface, tracks, way.cells[flying], 1 - gone if way.back else gone, back=way.back)


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """The pulses of a flight in one direction: their tracks, when they start and end, their colours as places in ``_INKS``."""

    back: bool
    tracks: Tracks
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    cells: NDArray[np.intp]


@lru_cache(maxsize=8)
def _ways(flight: Flight, scene: Scene, measure: MeasureName) -> tuple[_Way, ...]:
    ways = []
    for back, tracks in ((False, scene.forward_tracks), (True, scene.backward_tracks)):
        legs = [leg for leg in flight.legs if (leg.magnitude is not None) == back and tracks[leg.lane].length >= 1]
        starts, ends = (np.array([getattr(leg, end) for leg in legs], dtype=np.float64) for end in ("start", "end"))
        inks = inks_of(np.array([leg.magnitude or 0.0 for leg in legs]), measure) if back else np.full(len(legs), FORWARD)
        own = tracks.only(np.array([leg.lane for leg in legs], dtype=np.intp))
        ways.append(_Way(back, own, starts, ends, np.searchsorted(_INKS, inks)))
    return tuple(ways)


def _paint_way(
    painter: QPainter, surface: Surface, tracks: Tracks, cells: NDArray[np.intp], along: NDArray[np.float64], *, back: bool
) -> None:
    """Pulses of one direction, each on its track: the dots of all tails, then all heads."""
    tail = max(min(TAIL, DOTS // len(along)), FEWEST)
    steps = np.arange(tail, 0, -1) / tail
    reach = np.minimum(0.6, TAIL_LENGTH / tracks.lengths)[:, None] * steps
    places = along[:, None] + (reach if back else -reach)
    points = tracks.at(np.arange(len(along)), np.column_stack([places, along]))
    scale = painter.worldTransform().m11() * painter.device().devicePixelRatio()
    sheet = _sheet(surface.theme, round(1 / min(max(surface.zoom, 0.3), 1.0), 2), round(scale, 4))
    pulse, dot = np.nonzero((places >= 0) & (places <= 1))
    near = 1 - steps[dot]
    sizes, opacities = 0.35 + 0.6 * near, (20 + 190 * near**2) / 255
    draw_sprites(painter, points[pulse, dot], sheet.pixmap, sizes, opacities, sheet.dots[cells[pulse]])
    ones = np.ones(len(along))
    draw_sprites(painter, points[:, -1], sheet.pixmap, ones, ones, sheet.heads[cells])


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
