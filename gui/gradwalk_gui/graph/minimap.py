"""The minimap: the whole graph small, with a frame around what the canvas shows. Drag it to move there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPixmap, QWheelEvent
from PySide6.QtWidgets import QWidget

from ..theme import Theme
from .camera import Camera
from .look import Look
from .scene import Scene
from .surface import colour, pen, rect_of

LARGEST = (196.0, 132.0)
SMALLEST = 34.0
PAD = 6.0


class Shows(Protocol):
    """What the minimap needs of the canvas."""

    scene: Scene | None
    look: Look | None
    camera: Camera
    theme: Theme

    def size(self) -> QSize:
        """The size of the canvas."""


class Minimap(QWidget):
    """``go`` is called with the point of the scene that is wanted in the middle, ``zoom`` with a factor."""

    def __init__(self, shows: Shows, parent: QWidget, go: Callable[[float, float], None], zoom: Callable[[float], None]) -> None:
        super().__init__(parent)
        self._shows, self._go, self._zoom = shows, go, zoom
        self._pixmap: QPixmap | None = None
        self._drawn: tuple[object, ...] = ()
        self._grip: QPointF | None = None
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Minimap")
        self.setToolTip("The whole graph: drag to move, wheel to zoom")

    @property
    def needed(self) -> bool:
        """Whether the graph is larger than the canvas shows."""
        scene, camera, size = self._shows.scene, self._shows.camera, self._shows.size()
        if scene is None or scene.empty:
            return False
        return scene.width * camera.zoom > size.width() + 1 or scene.height * camera.zoom > size.height() + 1

    def fit(self) -> None:
        """Take the shape of the scene."""
        scene = self._shows.scene
        if scene is not None and not scene.empty:
            scale = self._scale
            wide, high = scene.width * scale, scene.height * scale
            self.resize(QSize(round(max(wide, SMALLEST) + 2 * PAD), round(max(high, SMALLEST) + 2 * PAD)))

    @property
    def _scale(self) -> float:
        scene = self._shows.scene
        assert scene is not None
        return min(LARGEST[0] / max(scene.width, 1.0), LARGEST[1] / max(scene.height, 1.0))

    def _corner(self) -> QPointF:
        scene = self._shows.scene
        assert scene is not None
        return QPointF((self.width() - scene.width * self._scale) / 2, (self.height() - scene.height * self._scale) / 2)

    def viewport(self) -> QRectF:
        """What the canvas shows, on the minimap."""
        camera, size, scale, corner = self._shows.camera, self._shows.size(), self._scale, self._corner()
        left, top = camera.to_scene(0, 0)
        wide, high = size.width() / camera.zoom, size.height() / camera.zoom
        return QRectF(corner.x() + left * scale, corner.y() + top * scale, wide * scale, high * scale)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Ground, cards, the playhead's card, and the frame."""
        scene, look, theme = self._shows.scene, self._shows.look, self._shows.theme
        if scene is None or scene.empty:
            return
        key = (scene, theme, self.size().toTuple(), self.devicePixelRatioF())
        if self._pixmap is None or key != self._drawn:
            self._drawn, self._pixmap = key, self._made(scene, theme)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawPixmap(0, 0, self._pixmap)
        if look is not None and look.just is not None and look.just.card < len(scene.cards):
            left, top, width, height = (scene.cards[look.just.card] * self._scale).tolist()
            middle = self._corner() + QPointF(left + width / 2, top + height / 2)
            painter.setPen(pen(colour(theme.panel), 1.5))
            painter.setBrush(colour(theme.backward if look.just.part == "backward" else theme.forward))
            painter.drawEllipse(middle, 4.0, 4.0)
        room = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        painter.setPen(pen(colour(theme.accent), 1.4))
        painter.setBrush(colour(theme.accent, 26))
        painter.drawRoundedRect(_at_least(self.viewport().intersected(room), 5.0), 2.5, 2.5)
        painter.end()

    def _made(self, scene: Scene, theme: Theme) -> QPixmap:
        ratio, scale, corner = self.devicePixelRatioF(), self._scale, self._corner()
        pixmap = QPixmap(self.size() * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(pen(colour(theme.border), 1.0))
        painter.setBrush(colour(theme.panel, 240))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        painter.translate(corner)
        painter.setPen(pen(colour(theme.box_border[1]), 0.6))
        painter.setBrush(colour(theme.box[0]))
        painter.drawRects([rect_of(row) for row in (scene.frames * scale).tolist()])
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(theme.faint, 200))
        painter.drawRects([_at_least(rect_of(row)) for row in (scene.cards * scale).tolist()])
        painter.end()
        return pixmap

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the frame, or bring it to where the press was."""
        if event.button() == Qt.MouseButton.LeftButton and self._shows.scene is not None:
            there = self.viewport()
            self._grip = event.position() - there.center() if there.contains(event.position()) else QPointF()
            self._move(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move what the canvas shows."""
        if self._grip is not None:
            self._move(event.position())

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """Let go."""
        self._grip = None

    def _move(self, at: QPointF) -> None:
        if self._grip is None or self._shows.scene is None:
            return
        there = (at - self._grip - self._corner()) / self._scale
        self._go(there.x(), there.y())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom the canvas about its middle."""
        event.accept()
        self._zoom(1.0015 ** event.angleDelta().y())


def _at_least(rect: QRectF, size: float = 1.2) -> QRectF:
    """The rectangle, no smaller than can be seen."""
    wide, high = max(rect.width(), size), max(rect.height(), size)
    return QRectF(rect.center().x() - wide / 2, rect.center().y() - high / 2, wide, high)
