"""Paints the pictures of a film, with the painting of the window."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPointF, QRectF, QSize
from PySide6.QtGui import QImage, QPainter

from gradwalk.scales import is_unscaled, unscaled
from gradwalk.tape import event_at, name_of, variable_of
from gradwalk.trace import Trace

from ..graph import styles
from ..graph.animation import flight_of
from ..graph.camera import Camera, fitted
from ..graph.facts import gather
from ..graph.legend import legend_size, paint_legend
from ..graph.look import Look, look_at
from ..graph.overlay import paint_flight, paint_wavefront
from ..graph.scene import Scene, build
from ..graph.scenes import default_lay_out
from ..graph.static_layer import StaticLayer
from ..graph.surface import Surface, colour, draw_text, measure_for_scene
from ..graph.wavefront import wavefront_of
from ..showing import settled
from ..state import View
from ..theme import Theme
from ..verdicts import verdicts_of
from .plan import Picture, Wishes

LINE = 26.0
"""Height of the line of text under the graph."""
LARGEST = 1.0
"""A graph that fits is not enlarged."""


class Stage:
    """A step's graph on a sheet of fixed size; every picture is painted onto the same image."""

    def __init__(self, trace: Trace, view: View, theme: Theme, wishes: Wishes, scene: Scene | None = None) -> None:
        self.trace, self._theme, self._wishes = unscaled(trace), theme, wishes
        self._scene = scene_of(trace, view) if scene is None else scene
        self._facts = gather(self.trace, self._scene, view.measure)
        self._verdicts = verdicts_of(self.trace)
        self._notes = {"unscaled": is_unscaled(trace), "checked": bool(self._verdicts)}
        legend = legend_size(self._scene.picture, view.measure, **self._notes)
        self._camera, self.size, self._legend = _arranged((self._scene.width, self._scene.height), legend, wishes.size)
        self._surface = Surface(theme, self._camera.zoom, measure=view.measure)
        self._layer = StaticLayer(dots=False)
        self.look: Look | None = None
        self.image = QImage(QSize(*self.size), QImage.Format.Format_RGB32)

    def paint(self, picture: Picture) -> QImage:
        """Paint a picture; the image is overwritten by the next."""
        if self.look is None or self.look.position != picture.position:
            self.look = look_at(self._facts, picture.position, self._verdicts)
        painter = QPainter(self.image)
        self._layer.draw(painter, QSize(*self.size), 1.0, self._surface, self._scene, self.look, self._camera)
        painter.save()
        painter.translate(self._camera.x, self._camera.y)
        painter.scale(self._camera.zoom, self._camera.zoom)
        for beat in picture.flying:
            if beat.end - beat.start == 1:
                flight = flight_of(self._scene, self._facts, beat.start, self._wishes.speed)
                paint_flight(painter, self._surface, self._scene, flight, beat.time)
            else:
                wave = wavefront_of(self._facts.when, beat.start, beat.end)
                paint_wavefront(painter, self._surface, self._scene, wave, beat.time)
        painter.restore()
        self._paint_line(painter, picture)
        painter.end()
        return self.image

    def _paint_line(self, painter: QPainter, picture: Picture) -> None:
        """The legend, and which step and event this is."""
        if self._legend is not None:
            surface = replace(self._surface, zoom=1.0)
            paint_legend(painter, surface, self._scene.picture, *self._legend, **self._notes)
        room = (self._legend[0] if self._legend is not None else self.size[0]) - 2 * styles.MARGIN
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        at, ink = QPointF(styles.MARGIN, self.size[1] - LINE / 2 - 4), colour(self._theme.subtle)
        painter.fillRect(QRectF(0, self.size[1] - LINE - 4, room + styles.MARGIN, LINE), colour(self._theme.ground))
        draw_text(painter, Surface(self._theme), at, room, words_of(self.trace, picture.position), styles.NOTE, ink)


def scene_of(trace: Trace, view: View) -> Scene:
    """What a film of a step shows."""
    return build(trace.graph, settled(view, trace.graph), measure_for_scene, default_lay_out())


def words_of(trace: Trace, position: int) -> str:
    """``step 3   14 of 21   MmBackward0   y_pred``: what has just run."""
    words = [f"step {trace.step}", f"{position} of {len(trace.tape)}"]
    if position:
        event = event_at(trace, position - 1)
        words += [name_of(trace.graph, event), variable_of(trace.graph, event)]
    return "   ".join(word for word in words if word)


def _arranged(
    scene: tuple[float, float], legend: tuple[float, float], most: tuple[int, int]
) -> tuple[Camera, tuple[int, int], tuple[float, float] | None]:
    """Camera, size of the image (even, as video wants it) and the legend's corner (None where there is no room for it).

    The image is as small as the graph allows, and no larger than ``most``.
    """
    margin = styles.MARGIN
    legend_fits = legend[0] + 2 * margin <= most[0] and legend[1] + LINE + margin < most[1] / 2
    below = (legend[1] if legend_fits else LINE) + margin
    wide = min(max(scene[0] + 2 * margin, legend[0] + 12 * margin if legend_fits else 0), most[0])
    zoom = min((wide - 2 * margin) / max(scene[0], 1.0), LARGEST)
    high = min(scene[1] * zoom + 2 * margin + below, most[1])
    size = (int(wide) // 2 * 2, int(high) // 2 * 2)
    camera = fitted((0.0, 0.0, *scene), size[0], size[1] - below, margin, largest=LARGEST)
    corner = (size[0] - legend[0] - margin / 2, size[1] - legend[1] - margin / 2) if legend_fits else None
    return Camera(camera.zoom, round(camera.x), round(camera.y)), size, corner
