"""The one painting code: window, PNG, SVG and PDF give it another painter and another surface, nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from .batches import draw_dots
from .curves import Points
from .look import Look
from .marks import paint_halo, paint_just, paint_next
from .paint_blocks import paint_blocks
from .paint_cards import paint_card
from .paint_checks import paint_checks
from .paint_frames import paint_frames
from .paint_lanes import paint_lane, paint_plate
from .paint_pills import paint_badge, paint_input, paint_knot, paint_leaf, paint_loss, paint_tensor
from .scene import Scene
from .surface import Level, Surface

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
    paint_frames(painter, surface, scene, inside(scene.frames, visible))
    paint_content(painter, surface, scene, look, visible)


def paint_content(painter: QPainter, surface: Surface, scene: Scene, look: Look, *visible: QRectF) -> None:
    """The same without the frames, which are there: what of cards and lanes lies in one of some places."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
    cards, lanes = inside(scene.cards, *visible), inside(scene.lane_bounds, *visible)
    if surface.level == Level.BLOCKS:
        paint_blocks(painter, surface, scene, look, cards, lanes)
        paint_just(painter, surface, scene, look)
        paint_next(painter, surface, scene, look)
        paint_checks(painter, surface, scene, look, cards, inside(scene.frames, *visible))
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
    paint_checks(painter, surface, scene, look, cards, inside(scene.frames, *visible))


def inside(rects: Points, *visible: QRectF) -> NDArray[np.intp]:
    """The indices of the rectangles (float64 ``[n, 4]``) that reach into one of some places."""
    left, top, width, height = rects.T
    hit = np.zeros(len(rects), dtype=np.bool_)
    for there in visible:
        across = (left - AROUND < there.right()) & (left + width + AROUND > there.left())
        hit |= across & (top - AROUND < there.bottom()) & (top + height + AROUND > there.top())
    return np.flatnonzero(hit)


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
    draw_dots(painter, middles, surface.theme.dot, 2.2)
