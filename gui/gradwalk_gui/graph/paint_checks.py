"""Painting the marks of the check: on the upper right corner of cards and in the titles of frames, one batch per kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter

from gradwalk.verdicts import Mark

from ..check_mark import mark_sprite, paint_mark
from .batches import draw_sprites
from .curves import Points
from .look import Look, State
from .scene import Scene
from .surface import Level, Surface

Ints = NDArray[np.intp]
SIZE, SMALLEST = 16.0, 9.0
"""The side of a mark in pixels of the scene, and its least in pixels of the screen."""
IN_TITLE = (18.0, 17.0)
"""How far from the right and from the top of a frame its mark stands."""


def paint_checks(painter: QPainter, surface: Surface, scene: Scene, look: Look, cards: Ints, frames: Ints) -> None:
    """The marks of some cards and frames; far away only those of what differs."""
    if not look.checks.any:
        return
    size = size_of(surface.zoom)
    for mark in (Mark.DIFFERS,) if surface.level == Level.BLOCKS else (Mark.NO_REFERENCE, Mark.AGREES, Mark.DIFFERS):
        on_cards = cards[look.checks.cards[cards] == mark]
        in_frames = frames[look.checks.frames[frames] == mark] if mark is Mark.DIFFERS else frames[:0]
        run = passed(look, on_cards)
        marks = np.concatenate([corners(scene.cards[on_cards[run]], size), titles(scene.frames[in_frames])])
        _paint(painter, surface, mark, marks, size, there=True)
        _paint(painter, surface, mark, corners(scene.cards[on_cards[~run]], size), size, there=False)


def _paint(painter: QPainter, surface: Surface, mark: Mark, middles: Points, size: float, *, there: bool) -> None:
    """Equal marks around some points."""
    if surface.vector:
        for x, y in middles.tolist():
            paint_mark(painter, surface.theme, mark, QPointF(x, y), size, there=there)
    elif len(middles):
        scale = painter.worldTransform().m11() * painter.device().devicePixelRatio()
        sprite = mark_sprite(surface.theme, mark, max(round(size * scale), 1), there=there)
        draw_sprites(painter, middles, sprite, np.ones(len(middles)), np.ones(len(middles)))


def passed(look: Look, cards: Ints) -> NDArray[np.bool_]:
    """Of which cards the playhead has passed all that their mark speaks of: the op, and the gradients that it gives."""
    halves = look.halves[cards]
    to_come: NDArray[np.bool_] = ((halves == State.PENDING) | (halves == State.PARTLY)).max(axis=1, initial=False)
    return ~to_come


def size_of(zoom: float) -> float:
    """The side of a mark in pixels of the scene."""
    return max(SIZE, SMALLEST / zoom)


def corners(rects: Points, size: float) -> Points:
    """Where marks stand on cards: float64 ``[n, 2]``, across the corner."""
    left, top, width, _ = rects.reshape(-1, 4).T
    return np.stack([left + width - 0.3 * size, top + 0.12 * size], axis=1)


def titles(rects: Points) -> Points:
    """Where marks stand in the titles of frames: float64 ``[n, 2]``."""
    left, top, width, _ = rects.reshape(-1, 4).T
    return np.stack([left + width - IN_TITLE[0], top + IN_TITLE[1]], axis=1)


def title_marks(rects: Points, zoom: float) -> Points:
    """The marks of frames as float64 ``[n, 4]`` of left, top, width, height."""
    size = size_of(zoom)
    return np.concatenate([titles(rects) - size / 2, np.full((len(rects.reshape(-1, 4)), 2), size)], axis=1)
