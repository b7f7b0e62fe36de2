"""Where the scene lies on the widget: a zoom and an offset. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST, LARGEST = 0.02, 8.0
"""Of zooms by hand; what is too large for the smallest is shown whole all the same."""
TINIEST = 1e-5
FIT_LARGEST = 1.25
"""A small picture is not blown up further than this."""


@dataclass(frozen=True, slots=True)
class Camera:
    """Screen = scene * zoom + offset, in logical pixels."""

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0

    def to_scene(self, x: float, y: float) -> tuple[float, float]:
        """A point of the widget in the scene."""
        return (x - self.x) / self.zoom, (y - self.y) / self.zoom

    def to_screen(self, x: float, y: float) -> tuple[float, float]:
        """A point of the scene on the widget."""
        return x * self.zoom + self.x, y * self.zoom + self.y

    def moved(self, dx: float, dy: float) -> Camera:
        """Moved by pixels of the screen."""
        return Camera(self.zoom, self.x + dx, self.y + dy)

    def zoomed(self, factor: float, x: float, y: float, smallest: float = SMALLEST) -> Camera:
        """Zoomed so that what is at ``(x, y)`` on the widget stays there."""
        zoom = min(max(self.zoom * factor, smallest), LARGEST)
        real = zoom / self.zoom
        return Camera(zoom, x - (x - self.x) * real, y - (y - self.y) * real)


def fitted(
    rect: tuple[float, float, float, float], width: float, height: float, margin: float, largest: float = FIT_LARGEST
) -> Camera:
    """The camera that shows a rectangle of the scene (left, top, width, height) in the middle of a widget."""
    left, top, wide, high = rect
    zoom = min((width - 2 * margin) / max(wide, 1.0), (height - 2 * margin) / max(high, 1.0), largest)
    zoom = min(max(zoom, TINIEST), LARGEST)
    return Camera(zoom, width / 2 - (left + wide / 2) * zoom, height / 2 - (top + high / 2) * zoom)


def shown_whole(camera: Camera, rect: tuple[float, float, float, float], width: float, height: float, margin: float) -> Camera:
    """The camera moved, as little as can be, so that a rectangle of the scene is inside the widget."""
    x, y = camera.to_screen(rect[0], rect[1])
    wide, high = rect[2] * camera.zoom, rect[3] * camera.zoom
    return camera.moved(_into(x, wide, width, margin), _into(y, high, height, margin))


def _into(start: float, size: float, room: float, margin: float) -> float:
    if start < margin or size > room - 2 * margin:
        return margin - start
    return min(room - margin - (start + size), 0.0)
