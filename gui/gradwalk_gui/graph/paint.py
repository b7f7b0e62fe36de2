"""The one painting code: window, PNG, SVG and PDF give it another painter and another surface, nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter

from . import styles
from .batches import draw_dots
from .curves import Points
from .look import Look
from .marks import frame_radius, paint_halo, paint_just, paint_next
from .paint_blocks import paint_blocks
from .paint_cards import paint_card, paint_chevron
from .paint_lanes import paint_lane, paint_plate
from .paint_pills import paint_badge, paint_input, paint_knot, paint_leaf, paint_loss, paint_tensor
from .scene import Scene
from .surface import Level, Surface, colour, draw_text, pen, rect_of

AROUND = 24.0
"""How far shadows, halos, rings and carets reach beyond a card."""
_PAINTERS = {
    "op": paint_card,
    "module": paint_card,
    "node": paint_card,
    "leaf": paint_leaf,
    "input": paint_input,
    "loss": paint_loss,
    "tensor": paint_tensor,
    "knot": paint_knot,
}


def paint_scene(painter: QPainter, surface: Surface, scene: Scene, look: Look, visible: QRectF) -> None:
    """Paint what of the scene lies in ``visible`` (in the scene's pixels), on a ground that is already there."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
    cards, lanes = inside(scene.cards, visible), lanes_inside(scene, visible)
    for frame in inside(scene.frames, visible).tolist():
        _paint_frame(painter, surface, scene, frame)
    if surface.level == Level.BLOCKS:
        paint_blocks(painter, surface, scene, look, cards, lanes)
        paint_just(painter, surface, scene, look)
        paint_next(painter, surface, scene, look)
        return
    for lane in lanes.tolist():
        paint_lane(painter, surface, scene, look, lane)
    paint_halo(painter, surface, scene, look)
    for place in cards.tolist():
        _PAINTERS[scene.picture.cards[place].kind](painter, surface, scene, look, place)
    paint_just(painter, surface, scene, look)
    paint_next(painter, surface, scene, look)
    for lane in lanes.tolist():
        paint_plate(painter, surface, scene, look, lane)
    if surface.level == Level.NUMBERS:
        for place in cards.tolist():
            if scene.picture.cards[place].kind == "leaf":
                paint_badge(painter, surface, scene, look, place)


def inside(rects: Points, visible: QRectF) -> NDArray[np.intp]:
    """The indices of the rectangles (float64 ``[n, 4]``) that reach into ``visible``."""
    if not len(rects):
        return np.zeros(0, dtype=np.intp)
    left, top, width, height = rects.T
    hit = (left - AROUND < visible.right()) & (left + width + AROUND > visible.left())
    return np.flatnonzero(hit & (top - AROUND < visible.bottom()) & (top + height + AROUND > visible.top()))


def lanes_inside(scene: Scene, visible: QRectF) -> NDArray[np.intp]:
    """The indices of the lanes whose bounds, plate included, reach into ``visible``."""
    return inside(scene.lane_bounds, visible)


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


def paint_dots(painter: QPainter, surface: Surface, visible: QRectF) -> None:
    """The dotted grid of the ground, on screen only; coarser when far away."""
    step = 24.0
    while step * surface.zoom < 14:
        step *= 2
    reach = 3 / surface.zoom  # dots whose middle is just outside show at the border
    xs = np.arange(np.ceil((visible.left() - reach) / step) * step, visible.right() + reach, step)
    ys = np.arange(np.ceil((visible.top() - reach) / step) * step, visible.bottom() + reach, step)
    if not len(xs) or not len(ys):
        return
    middles = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    draw_dots(painter, middles, surface.theme.dot, 2.2, surface.zoom)
