"""The static layer: the scene painted once into a pixmap, larger than the widget, and painted anew only where it changed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap, QRegion

from .camera import Camera
from .look import Look
from .paint import AROUND, paint_dots, paint_scene
from .scene import Scene
from .surface import Surface

MARGIN = 128
"""Logical pixels around the widget that are painted ahead, so that a short pan only moves the pixmap."""
MANY = 48
"""More changed parts than these: paint everything."""


@dataclass(slots=True)
class StaticLayer:
    """The cached pixmap, and what it shows."""

    pixmap: QPixmap | None = None
    surface: Surface | None = None
    scene: Scene | None = None
    look: Look | None = None
    camera: Camera = field(default_factory=Camera)
    size: QSize = field(default_factory=QSize)
    painted: int = 0
    """How often anything was painted into it; tests and benchmarks look at it."""

    def draw(
        self, painter: QPainter, size: QSize, ratio: float, surface: Surface, scene: Scene, look: Look, camera: Camera
    ) -> None:
        """Draw the layer on a widget of ``size``, painting first what is out of date."""
        if not self._fits(size, ratio, surface, scene, camera) or self.look is None or self.look.facts is not look.facts:
            self._paint_all(size, ratio, surface, scene, look, camera)
        elif self.look is not look:
            self._paint_changed(scene, self.look, look)
        assert self.pixmap is not None
        painter.drawPixmap(QPointF(camera.x - self.camera.x - MARGIN, camera.y - self.camera.y - MARGIN), self.pixmap)

    def forget(self) -> None:
        """Paint everything next time."""
        self.pixmap = None

    def _fits(self, size: QSize, ratio: float, surface: Surface, scene: Scene, camera: Camera) -> bool:
        return (
            self.pixmap is not None
            and self.size == size
            and self.pixmap.devicePixelRatio() == ratio
            and self.surface == surface
            and self.scene is scene
            and self.camera.zoom == camera.zoom
            and abs(self.camera.x - camera.x) <= MARGIN
            and abs(self.camera.y - camera.y) <= MARGIN
        )

    def _paint_all(self, size: QSize, ratio: float, surface: Surface, scene: Scene, look: Look, camera: Camera) -> None:
        whole = QSize(size.width() + 2 * MARGIN, size.height() + 2 * MARGIN)
        if self.pixmap is None or self.size != size or self.pixmap.devicePixelRatio() != ratio:
            self.pixmap = QPixmap(whole * ratio)
            self.pixmap.setDevicePixelRatio(ratio)
        self.size, self.surface, self.scene, self.look, self.camera = size, surface, scene, look, camera
        self._paint(QRegion(self._whole()), clipped=False)

    def _paint_changed(self, scene: Scene, old: Look, new: Look) -> None:
        self.look = new
        cards, lanes = changed_cards(scene, old, new), changed_lanes(old, new)
        if len(cards) + len(lanes) > MANY:
            self._paint(QRegion(self._whole()), clipped=False)
            return
        region = QRegion()
        for row in (*scene.cards[cards], *scene.lane_bounds[lanes]):
            region += self._on_pixmap(row)
        if not region.isEmpty():
            self._paint(region, clipped=True)

    def _whole(self) -> QRect:
        return QRect(0, 0, self.size.width() + 2 * MARGIN, self.size.height() + 2 * MARGIN)

    def _on_pixmap(self, row: np.ndarray) -> QRect:
        left, top, width, height = row.tolist()
        zoom = self.camera.zoom
        x, y = self.camera.to_screen(left - AROUND, top - AROUND)
        rect = QRectF(x + MARGIN, y + MARGIN, (width + 2 * AROUND) * zoom, (height + 2 * AROUND) * zoom)
        return rect.toAlignedRect().adjusted(-1, -1, 1, 1).intersected(self._whole())

    def _paint(self, region: QRegion, *, clipped: bool) -> None:
        assert self.pixmap is not None
        assert self.surface is not None
        assert self.scene is not None
        assert self.look is not None
        self.painted += 1
        painter = QPainter(self.pixmap)
        if clipped:
            painter.setClipRegion(region)
        bounds = region.boundingRect()
        painter.fillRect(bounds, QColor(self.surface.theme.ground))
        painter.translate(MARGIN + self.camera.x, MARGIN + self.camera.y)
        painter.scale(self.camera.zoom, self.camera.zoom)
        left, top = self.camera.to_scene(bounds.left() - MARGIN, bounds.top() - MARGIN)
        visible = QRectF(left, top, bounds.width() / self.camera.zoom, bounds.height() / self.camera.zoom)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_dots(painter, self.surface, visible)
        painter.setPen(Qt.PenStyle.NoPen)
        paint_scene(painter, self.surface, self.scene, self.look, visible)
        painter.end()


def changed_cards(scene: Scene, old: Look, new: Look) -> list[int]:
    """The cards that look different."""
    states = (old.halves != new.halves).any(axis=1)
    numbers = ~np.isclose(old.card_magnitudes, new.card_magnitudes, rtol=0, atol=0, equal_nan=True)
    changed = set(np.flatnonzero(states | numbers).tolist())
    changed |= {place.card for place in (old.just, old.next, new.just, new.next) if place is not None}
    changed |= {i for i, card in enumerate(scene.picture.cards) if card.meets or card.strip}
    return sorted(changed)


def changed_lanes(old: Look, new: Look) -> list[int]:
    """The lanes that look different."""
    states = (old.lanes != new.lanes).any(axis=1) | (old.waiting != new.waiting)
    numbers = ~np.isclose(old.lane_magnitudes, new.lane_magnitudes, rtol=0, atol=0, equal_nan=True)
    return [int(lane) for lane in np.flatnonzero(states | numbers)]
