"""A veil over all but some cards and lanes: what a highlight or a search leaves bright. Laid over the static layer."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPixmap

from .camera import Camera
from .paint import inside
from .paint_pills import radius_of
from .scene import Scene
from .shapes import curve_path
from .surface import Surface, colour, pen, rect_of
from .ways import Lit

ALPHA = 185
LANE = 16.0
"""Width of the bright way along a lane, in pixels of the scene."""


class Veil:
    """A pixmap of the size of the widget, made anew where anything under it has moved."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._pixmap: QPixmap | None = None

    def draw(
        self,
        painter: QPainter,
        size: QSize,
        ratio: float,
        surface: Surface,
        scene: Scene,
        camera: Camera,
        lit: Lit,
        *,
        ring: bool,
    ) -> None:
        """Draw the veil on a widget; with ``ring`` a line around each bright card."""
        key = (size.toTuple(), ratio, surface, scene, camera, lit, ring)
        if self._pixmap is None or key != self._key:
            self._key, self._pixmap = key, _made(size, ratio, surface, scene, camera, lit, ring=ring)
        painter.drawPixmap(0, 0, self._pixmap)


def _made(size: QSize, ratio: float, surface: Surface, scene: Scene, camera: Camera, lit: Lit, *, ring: bool) -> QPixmap:
    pixmap = QPixmap(size * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(colour(surface.theme.ground, ALPHA))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(camera.x, camera.y)
    painter.scale(camera.zoom, camera.zoom)
    left, top = camera.to_scene(0, 0)
    visible = rect_of((left, top, size.width() / camera.zoom, size.height() / camera.zoom))
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_DestinationOut)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(colour("#000000"), LANE))
    for lane in np.intersect1d(inside(scene.lane_bounds, visible), np.flatnonzero(lit.lanes)).tolist():
        for path in _paths(scene, lane):
            painter.drawPath(path)
        if not np.isnan(scene.plates[lane, 0]):
            painter.fillRect(rect_of(scene.plates[lane]), colour("#000000"))
    cards = np.intersect1d(inside(scene.cards, visible), np.flatnonzero(lit.cards)).tolist()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour("#000000"))
    for card in cards:
        rect = rect_of(scene.cards[card]).adjusted(-3, -3, 3, 3)
        painter.drawRoundedRect(
            rect, radius_of(scene.picture.cards[card], rect) + 3, radius_of(scene.picture.cards[card], rect) + 3
        )
    if ring:
        _rings(painter, surface, scene, cards)
    painter.end()
    return pixmap


def _rings(painter: QPainter, surface: Surface, scene: Scene, cards: list[int]) -> None:
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceOver)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(colour(surface.theme.accent, 190), 1.6 / min(surface.zoom, 1.0)))
    for card in cards:
        rect = rect_of(scene.cards[card]).adjusted(-3, -3, 3, 3)
        radius = radius_of(scene.picture.cards[card], rect) + 3
        painter.drawRoundedRect(rect, radius, radius)


def _paths(scene: Scene, lane: int) -> list[QPainterPath]:
    return [curve_path(curves[lane]) for curves in (scene.forward, scene.backward) if len(curves[lane])]
