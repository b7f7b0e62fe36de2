"""The coarse back end: far away, cards are blocks of colour and lanes are plain lines, drawn in batches from arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter

from gradwalk.trace import NONE

from . import styles
from .batches import draw_lines, draw_rects
from .blocks import blocks_of, lines_of, octave_of
from .curves import Points
from .inks import CARD, FAMILY, FORWARD, GHOST, PALE, inks_of, palette
from .look import Look, State
from .magnitudes import NOT_THERE
from .parts import BACKWARD
from .parts import FORWARD as AHEAD
from .scene import Scene
from .surface import Surface, pen

Ints = NDArray[np.intp]
SMALLEST_LANE = 1.5
"""Pixels of the screen; a lane that is smaller both ways lies between cards that touch."""


def paint_blocks(painter: QPainter, surface: Surface, scene: Scene, look: Look, cards: Ints, lanes: Ints) -> None:
    """The cards and lanes of the given indices."""
    colours = palette(surface.theme)
    sizes = scene.lane_bounds[lanes, 2:].max(axis=1, initial=0.0)
    lanes = lanes[sizes * surface.zoom >= SMALLEST_LANE]
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for inks, lines, width in _lines(surface, scene, look, lanes):
        for ink, rows in _by_ink(inks, lines):
            painter.setPen(pen(colours[ink], width / surface.zoom, cap=Qt.PenCapStyle.FlatCap))  # five times as fast as round
            draw_lines(painter, rows)
    painter.setPen(Qt.PenStyle.NoPen)
    for inks, rects in _rects(surface, scene, look, cards):
        for ink, rows in _by_ink(inks, rects):
            painter.setBrush(colours[ink])
            draw_rects(painter, rows)


def _by_ink(inks: Ints, rows: Points) -> Iterator[tuple[int, Points]]:
    """The rows of each colour."""
    if not len(inks):
        return
    order = np.argsort(inks, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(inks[order]) != 0]))
    rows = rows[order]
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
        yield int(inks[order[start]]), rows[start:end]


def _lines(surface: Surface, scene: Scene, look: Look, lanes: Ints) -> Iterator[tuple[Ints, Points, float]]:
    """Colours, lines and width in pixels of the screen: forward, and over it backward; one of them where both would be one."""
    octave = octave_of(surface.zoom)
    wanted = np.zeros(len(look.lanes), dtype=np.bool_)
    wanted[lanes] = True
    done = (look.lanes[:, BACKWARD] == State.DONE) & (look.lane_magnitudes != NOT_THERE)
    there = wanted & done & (np.diff(scene.backward_tracks.bounds) > 0)
    alone = there if 2 * styles.LANE_OFFSET * surface.zoom < 1.0 else np.zeros_like(there)
    ahead, back = lines_of(scene, octave, backward=False), lines_of(scene, octave, backward=True)
    inks = np.where(look.lanes[:, AHEAD] == State.DONE, FORWARD, GHOST)
    kept = (wanted & ~alone)[ahead.lanes]
    yield inks[ahead.lanes[kept]], ahead.lines[kept], 1.0
    kept = there[back.lanes]
    yield inks_of(look.lane_magnitudes, surface.measure)[back.lanes[kept]], back.lines[kept], 2.0


def _rects(surface: Surface, scene: Scene, look: Look, cards: Ints) -> Iterator[tuple[Ints, Points]]:
    """Colours and rectangles: the card, over it its upper part in its family's colour, and the lower in that of its gradient."""
    blocks = blocks_of(scene)
    wanted = np.zeros(len(look.halves), dtype=np.bool_)
    wanted[cards] = True
    yield np.full(len(cards), CARD), scene.cards[cards]
    kept = wanted[blocks.upper_cards]
    of = blocks.upper_cards[kept]
    yield blocks.families[of] + np.where(look.halves[of, AHEAD] == State.DONE, FAMILY, PALE), blocks.upper[kept]
    kept = wanted[blocks.lower_cards]
    of, cells = blocks.lower_cards[kept], blocks.lower_cells[kept]
    magnitudes = look.card_magnitudes[of]
    magnitudes[cells != NONE] = look.cells[cells[cells != NONE]]
    yield inks_of(magnitudes, surface.measure), blocks.lower[kept]
