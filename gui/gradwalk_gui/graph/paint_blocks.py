"""The coarse back end: far away, cards are blocks of colour and lanes are plain lines, drawn in batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter

from .batches import draw_lines, draw_rects
from .curves import Track
from .look import Look, State
from .magnitudes import NOT_THERE
from .paint_cards import category_colour
from .parts import BACKWARD, FORWARD
from .scene import Scene
from .strip import cell_magnitudes
from .surface import Surface, colour, magnitude_colour, pen

Rows = NDArray[np.float64]


def paint_blocks(
    painter: QPainter, surface: Surface, scene: Scene, look: Look, cards: NDArray[np.intp], lanes: NDArray[np.intp]
) -> None:
    """The cards and lanes of the given indices."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for (name, width), rows in _lines(surface, scene, look, lanes).items():
        painter.setPen(pen(colour(name), width / surface.zoom))
        draw_lines(painter, np.concatenate(rows))
    painter.setPen(Qt.PenStyle.NoPen)
    for (name, alpha), rows in _rects(surface, scene, look, cards).items():
        painter.setBrush(colour(name, alpha))
        draw_rects(painter, np.array(rows))


def _lines(surface: Surface, scene: Scene, look: Look, lanes: NDArray[np.intp]) -> dict[tuple[str, float], list[Rows]]:
    theme = surface.theme
    groups: dict[tuple[str, float], list[Rows]] = {}
    for lane in lanes.tolist():
        if len(scene.forward[lane]):
            done = look.lanes[lane, FORWARD] == State.DONE
            groups.setdefault((theme.forward if done else theme.ghost, 1.0), []).append(_segments(scene.forward_tracks[lane]))
        magnitude = float(look.lane_magnitudes[lane])
        if len(scene.backward[lane]) and look.lanes[lane, BACKWARD] == State.DONE and magnitude != NOT_THERE:
            name = magnitude_colour(theme, magnitude, surface.measure).name()
            groups.setdefault((name, 2.0), []).append(_segments(scene.backward_tracks[lane]))
    return groups


def _segments(track: Track) -> Rows:
    return np.concatenate([track.points[:-1], track.points[1:]], axis=1)


def _rects(surface: Surface, scene: Scene, look: Look, cards: NDArray[np.intp]) -> dict[tuple[str, int], list[Rows]]:
    """Per colour and alpha the rectangles: the upper part in the colour of the op's family, the lower in that of its gradient."""
    theme = surface.theme
    groups: dict[tuple[str, int], list[Rows]] = {}
    for place in cards.tolist():
        card, rect, split = scene.picture.cards[place], scene.cards[place], float(scene.splits[place])
        left, top, width, height = rect
        done = look.halves[place, FORWARD] == State.DONE
        groups.setdefault((theme.card, 255), []).append(rect)
        if split > 0:
            groups.setdefault((category_colour(theme, card), 255 if done else 80), []).append(np.array([left, top, width, split]))
        if card.backward and height > split:
            cells = cell_magnitudes(look, card).tolist() if card.strip else [float(look.card_magnitudes[place])]
            wide = width / len(cells)
            for cell, magnitude in enumerate(cells):
                row = np.array([left + cell * wide, top + split, wide, height - split])
                groups.setdefault(_gradient_colour(surface, magnitude), []).append(row)
    return groups


def _gradient_colour(surface: Surface, magnitude: float) -> tuple[str, int]:
    """Name and alpha."""
    if magnitude == NOT_THERE:
        return surface.theme.ghost, 110
    return magnitude_colour(surface.theme, magnitude, surface.measure).name(), 255
