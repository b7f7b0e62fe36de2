"""The rubber band: a rectangle that is drawn with the pointer, and the cards that lie in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter

from ..state import Selection
from ..theme import Theme
from .camera import Camera
from .hit import Hit, selection_of
from .scene import Scene
from .surface import colour, pen


@dataclass(frozen=True, slots=True)
class Band:
    """From where a button went down to where the pointer is, on the widget; ``adds`` to what is picked already."""

    start: QPointF
    end: QPointF
    adds: bool = False

    @property
    def rect(self) -> QRectF:
        """The rectangle, with a positive size."""
        return QRectF(self.start, self.end).normalized()

    def to(self, end: QPointF) -> Band:
        """Drawn on to another point."""
        return replace(self, end=end)


def picked_in(scene: Scene, camera: Camera, rect: QRectF) -> tuple[Selection, ...]:
    """What the cards stand for whose middles lie in a rectangle of the widget."""
    left, top = camera.to_scene(rect.left(), rect.top())
    right, bottom = camera.to_scene(rect.right(), rect.bottom())
    x, y = (scene.cards[:, :2] + scene.cards[:, 2:] / 2).T
    places = np.flatnonzero((left <= x) & (x <= right) & (top <= y) & (y <= bottom)).tolist()
    cards = scene.picture.cards
    found = (selection_of(scene, Hit("card", i, backward=not cards[i].forward and bool(cards[i].nodes))) for i in places)
    return tuple(one for one in found if one is not None)


def paint_band(painter: QPainter, theme: Theme, rect: QRectF) -> None:
    """A thin frame in the accent colour over a tint of it."""
    painter.setPen(pen(colour(theme.accent), 1.0))
    painter.setBrush(colour(theme.accent, 28))
    painter.drawRoundedRect(rect, 3, 3)
