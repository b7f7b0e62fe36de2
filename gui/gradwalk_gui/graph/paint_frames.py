"""Painting the frames of unfolded modules: two tints by depth, with their title; far away plain rectangles in batches."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter

from . import styles
from .batches import draw_rects
from .marks import frame_radius
from .paint_cards import paint_chevron
from .scene import Scene
from .surface import Level, Surface, colour, draw_text, pen, rect_of

ROUND = 0.14
"""The zoom from which on corners are seen to be round."""
SMALLEST = 2.0
"""Pixels of the screen; a frame that is smaller both ways is left out."""


def paint_frames(painter: QPainter, surface: Surface, scene: Scene, frames: NDArray[np.intp]) -> None:
    """The frames of the given indices, outer ones first."""
    if surface.zoom < ROUND:
        _paint_plain(painter, surface, scene, frames)
        return
    for frame in frames.tolist():
        _paint_frame(painter, surface, scene, frame)


def _paint_plain(painter: QPainter, surface: Surface, scene: Scene, frames: NDArray[np.intp]) -> None:
    seen = frames[scene.frames[frames, 2:].max(axis=1, initial=0.0) * surface.zoom >= SMALLEST]
    depths = _depths(scene)[seen]
    for depth in np.unique(depths).tolist():
        border = pen(colour(surface.theme.box_border[depth % 2]), 1.2)
        border.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(border)
        painter.setBrush(colour(surface.theme.box[depth % 2]))
        draw_rects(painter, scene.frames[seen[depths == depth]])


@lru_cache(maxsize=4)
def _depths(scene: Scene) -> NDArray[np.intp]:
    return np.array([frame.depth for frame in scene.picture.frames], dtype=np.intp)


def _paint_frame(painter: QPainter, surface: Surface, scene: Scene, index: int) -> None:
    frame, rect, theme = scene.picture.frames[index], rect_of(scene.frames[index]), surface.theme
    tint = frame.depth % 2
    radius = frame_radius(frame.depth)
    painter.setPen(pen(colour(theme.box_border[tint]), 1.2))
    painter.setBrush(colour(theme.box[tint]))
    painter.drawRoundedRect(rect, radius, radius)
    if surface.level == Level.BLOCKS:
        return
    middle, left, room = rect.top() + 17, rect.left() + 14, rect.width() - 42
    drawn = draw_text(painter, surface, QPointF(left, middle), room, frame.title, styles.FRAME_TITLE, colour(theme.subtle))
    if frame.note:
        at = QPointF(left + drawn + 7, middle)
        drawn += 7 + draw_text(painter, surface, at, room - drawn - 7, frame.note, styles.FRAME_NOTE, colour(theme.faint))
    paint_chevron(painter, QPointF(left + drawn + 12, middle), colour(theme.faint), folded=False)
