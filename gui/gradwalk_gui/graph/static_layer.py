"""The static layer: the scene painted once into pixmaps that are larger than the widget, and painted anew only where it changed.

Two pixmaps: the ground with the frames of modules, and that with cards and lanes on it. What moves by a short way is drawn from
elsewhere in the pixmap; by a longer way it is scrolled and only what comes into sight is painted; while much is in sight and the
zoom changes, the pixmap is stretched until the picture stands still.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap, QRegion

from .camera import Camera
from .look import Look
from .paint import AROUND, inside, paint_content, paint_dots
from .paint_checks import title_marks
from .paint_frames import paint_frames
from .scene import Scene
from .surface import Level, Surface

MARGIN = 128
"""Logical pixels around the widget that are painted ahead, so that a short pan only moves the pixmap."""
MANY = 48
"""More changed parts than these: paint everything."""
HEAVY = {Level.BLOCKS: 100, Level.NAMES: 8, Level.NUMBERS: 8}
"""From so many cards in sight on the pixmap is stretched while the zoom changes."""
STRETCH = 1.5
"""How far at most."""


@dataclass(slots=True)
class StaticLayer:
    """The cached pixmaps, and what they show."""

    pixmap: QPixmap | None = None
    ground: QPixmap | None = None
    surface: Surface | None = None
    scene: Scene | None = None
    look: Look | None = None
    camera: Camera = field(default_factory=Camera)
    size: QSize = field(default_factory=QSize)
    dots: bool = True
    """Whether the ground has its grid."""
    painted: int = 0
    """How often anything was painted into them; tests and benchmarks look at it."""

    def draw(
        self,
        painter: QPainter,
        size: QSize,
        ratio: float,
        surface: Surface,
        scene: Scene,
        look: Look,
        camera: Camera,
        *,
        moving: bool = False,
    ) -> None:
        """Draw the layer on a widget of ``size``, painting first what is out of date; ``moving`` may leave it coarse for now."""
        if not self._is_of(size, ratio, surface, scene):
            self._paint_all(size, ratio, surface, scene, look, camera)
        elif self.camera.zoom != camera.zoom:
            if moving and self.look is look and self._stretches_to(camera):
                self._draw_stretched(painter, camera)
                return
            self._paint_all(size, ratio, surface, scene, look, camera)
        else:
            self._scroll_to(camera)
            if self.look is not look:
                self._paint_changed(look)
        assert self.pixmap is not None
        painter.drawPixmap(QPointF(camera.x - self.camera.x - MARGIN, camera.y - self.camera.y - MARGIN), self.pixmap)

    def forget(self) -> None:
        """Paint everything next time."""
        self.pixmap = None

    # What the pixmaps serve for

    def _is_of(self, size: QSize, ratio: float, surface: Surface, scene: Scene) -> bool:
        return (
            self.pixmap is not None
            and self.surface is not None
            and self.size == size
            and self.pixmap.devicePixelRatio() == ratio
            and replace(self.surface, zoom=surface.zoom) == surface
            and self.scene is scene
        )

    def _stretches_to(self, camera: Camera) -> bool:
        """Whether there is much in sight, and the pixmap, stretched, covers what is to be seen of the scene."""
        assert self.surface is not None
        assert self.scene is not None
        if camera.zoom > self.camera.zoom * STRETCH or self._in_sight() < HEAVY[self.surface.level]:
            return False
        seen = QRectF(*camera.to_screen(0, 0), self.scene.width * camera.zoom, self.scene.height * camera.zoom)
        seen = seen.intersected(QRectF(QPointF(0, 0), self.size.toSizeF()))
        return self._stretched(camera).contains(seen)

    def _in_sight(self) -> int:
        assert self.scene is not None
        left, top = self.camera.to_scene(0, 0)
        wide, high = self.size.width() / self.camera.zoom, self.size.height() / self.camera.zoom
        return len(inside(self.scene.cards, QRectF(left, top, wide, high)))

    def _stretched(self, camera: Camera) -> QRectF:
        """Where the pixmap lies on the widget under another camera."""
        factor = camera.zoom / self.camera.zoom
        corner = camera.to_screen(*self.camera.to_scene(-MARGIN, -MARGIN))
        return QRectF(QPointF(*corner), QSizeF(self._whole().size()) * factor)

    def _draw_stretched(self, painter: QPainter, camera: Camera) -> None:
        assert self.pixmap is not None
        assert self.surface is not None
        there = self._stretched(camera)
        if not there.contains(QRectF(QPointF(0, 0), self.size.toSizeF())):
            painter.fillRect(QRect(0, 0, self.size.width(), self.size.height()), QColor(self.surface.theme.ground))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(there, self.pixmap, QRectF(self.pixmap.rect()))
        painter.restore()

    # Painting into them

    def _paint_all(self, size: QSize, ratio: float, surface: Surface, scene: Scene, look: Look, camera: Camera) -> None:
        whole = QSize(size.width() + 2 * MARGIN, size.height() + 2 * MARGIN)
        if self.pixmap is None or self.ground is None or self.size != size or self.pixmap.devicePixelRatio() != ratio:
            self.pixmap, self.ground = QPixmap(whole * ratio), QPixmap(whole * ratio)
            self.pixmap.setDevicePixelRatio(ratio)
            self.ground.setDevicePixelRatio(ratio)
        self.size, self.surface, self.scene, self.look, self.camera = size, surface, scene, look, camera
        self._paint_ground([self._whole()])
        self._paint_content([self._whole()])

    def _scroll_to(self, camera: Camera) -> None:
        """Move what is painted where the margin does not do, and paint what comes into sight."""
        right, down = camera.x - self.camera.x, camera.y - self.camera.y
        if abs(right) <= MARGIN and abs(down) <= MARGIN:
            return
        assert self.pixmap is not None
        assert self.ground is not None
        self.camera, ratio, whole = camera, self.pixmap.devicePixelRatio(), self._whole()
        parts = [whole]
        if abs(right) < whole.width() and abs(down) < whole.height():
            for pixmap in (self.pixmap, self.ground):
                pixmap.scroll(round(right * ratio), round(down * ratio), pixmap.rect())
            parts = _rects(QRegion(whole) - QRegion(whole.translated(round(right), round(down)).adjusted(1, 1, -1, -1)))
        self._paint_ground(parts)
        self._paint_content(parts)

    def _paint_changed(self, look: Look) -> None:
        assert self.scene is not None
        assert self.look is not None
        old, self.look = self.look, look
        whole = self._on_pixmap(np.array([0.0, 0.0, self.scene.width, self.scene.height]))
        if old.facts is not look.facts:
            self._paint_content([whole] if not whole.isEmpty() else [])
            return
        cards, lanes = changed_cards(self.scene, old, look), changed_lanes(old, look)
        frames = np.flatnonzero(old.checks.frames != look.checks.frames)
        if len(cards) + len(lanes) + len(frames) > MANY:
            self._paint_content([whole] if not whole.isEmpty() else [])
            return
        marks = title_marks(self.scene.frames[frames], self.camera.zoom)
        parts = [self._on_pixmap(row) for row in (*self.scene.cards[cards], *self.scene.lane_bounds[lanes], *marks)]
        self._paint_content([part for part in parts if not part.isEmpty()])

    def _whole(self) -> QRect:
        return QRect(0, 0, self.size.width() + 2 * MARGIN, self.size.height() + 2 * MARGIN)

    def _on_pixmap(self, row: np.ndarray) -> QRect:
        left, top, width, height = row.tolist()
        zoom = self.camera.zoom
        x, y = self.camera.to_screen(left - AROUND, top - AROUND)
        rect = QRectF(x + MARGIN, y + MARGIN, (width + 2 * AROUND) * zoom, (height + 2 * AROUND) * zoom)
        return rect.toAlignedRect().adjusted(-1, -1, 1, 1).intersected(self._whole())

    def _in_scene(self, part: QRect) -> QRectF:
        left, top = self.camera.to_scene(part.left() - MARGIN, part.top() - MARGIN)
        return QRectF(left, top, part.width() / self.camera.zoom, part.height() / self.camera.zoom)

    def _painter(self, pixmap: QPixmap, parts: Sequence[QRect]) -> QPainter:
        """A painter of scene pixels that paints in some parts of a pixmap only."""
        painter = QPainter(pixmap)
        if parts[0] != self._whole():
            region = QRegion()
            for part in parts:
                region += part
            painter.setClipRegion(region)
        return painter

    def _to_scene(self, painter: QPainter) -> None:
        painter.translate(MARGIN + self.camera.x, MARGIN + self.camera.y)
        painter.scale(self.camera.zoom, self.camera.zoom)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)

    def _paint_ground(self, parts: Sequence[QRect]) -> None:
        assert self.ground is not None
        assert self.surface is not None
        assert self.scene is not None
        painter = self._painter(self.ground, parts)
        for part in parts:
            painter.fillRect(part, QColor(self.surface.theme.ground))
        self._to_scene(painter)
        visible = [self._in_scene(part) for part in parts]
        for there in visible if self.dots else ():
            paint_dots(painter, self.surface, there)
        paint_frames(painter, self.surface, self.scene, inside(self.scene.frames, *visible))
        painter.end()

    def _paint_content(self, parts: Sequence[QRect]) -> None:
        if not parts:
            return
        assert self.pixmap is not None
        assert self.ground is not None
        assert self.surface is not None
        assert self.scene is not None
        assert self.look is not None
        self.painted += 1
        painter = self._painter(self.pixmap, parts)
        painter.drawPixmap(0, 0, self.ground)
        self._to_scene(painter)
        paint_content(painter, self.surface, self.scene, self.look, *(self._in_scene(part) for part in parts))
        painter.end()


def _rects(region: QRegion) -> list[QRect]:
    return [QRect(rect) for rect in cast("Iterable[QRect]", region)]


def changed_cards(scene: Scene, old: Look, new: Look) -> list[int]:
    """The cards that look different."""
    states = (old.halves != new.halves).any(axis=1)
    numbers = ~_same(old.card_magnitudes, new.card_magnitudes)
    fixed = new.facts.when.fixed
    cells = np.flatnonzero(~_same(old.cells, new.cells))
    checks = old.checks.cards != new.checks.cards
    changed = set(np.flatnonzero(states | numbers | checks).tolist())
    changed |= set((np.searchsorted(fixed.cell_bounds, cells, side="right") - 1).tolist())
    changed |= {place.card for place in (old.just, old.next, new.just, new.next) if place is not None}
    between = sorted((old.position, new.position))
    changed |= {card for card, edges in fixed.meets.items() if any(_moved(new, edge, *between) for edge in edges)}
    return sorted(changed)


def _moved(look: Look, edge: int, start: int, end: int) -> bool:
    return start <= int(look.facts.when.edges[edge]) < end


def _same(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (old == new) | (np.isnan(old) & np.isnan(new))
    return same


def changed_lanes(old: Look, new: Look) -> list[int]:
    """The lanes that look different."""
    states = (old.lanes != new.lanes).any(axis=1) | (old.waiting != new.waiting)
    return [int(lane) for lane in np.flatnonzero(states | ~_same(old.lane_magnitudes, new.lane_magnitudes))]
