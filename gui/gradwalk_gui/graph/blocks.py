"""What is painted far away, as arrays: a block per half of a card, a cell per layer of a stack, a line per lane. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.trace import NONE

from .curves import Points, Tracks
from .scene import Scene

Ints = NDArray[np.intp]
FAMILIES = ("input", "leaf", "linear", "activation", "shaping", "loss", "other", "backward")
"""Colours of the theme by name: those of the forward halves."""
PASSES = 4
"""How often every second point of a track may be left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Rectangles are float64 ``[n, 4]`` of left, top, width, height; ``*_cards`` says whose they are."""

    upper: Points
    upper_cards: Ints
    lower: Points
    lower_cards: Ints
    lower_cells: Ints
    """Per lower rectangle its cell in ``Look.cells``, NONE where it is a whole half."""
    families: Ints
    """Per card its place in ``FAMILIES``."""


@lru_cache(maxsize=4)
def blocks_of(scene: Scene) -> Blocks:
    """The blocks of a scene (cached)."""
    cards = scene.picture.cards
    upper = np.flatnonzero(scene.splits > 0)
    strips = np.array([len(card.strip) for card in cards], dtype=np.intp)
    backward = np.array([card.backward for card in cards], dtype=np.bool_)
    below = np.flatnonzero(backward & (scene.cards[:, 3] > scene.splits))
    counts = np.maximum(strips[below], 1)
    of = np.repeat(below, counts)
    number = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = np.cumsum(strips) - strips
    return Blocks(
        np.column_stack([scene.cards[upper, :3], scene.splits[upper]]),
        upper,
        _cells(scene, of, number),
        of,
        np.where(strips[of] > 0, first[of] + number, NONE),
        np.array([FAMILIES.index("backward" if card.kind == "node" else card.category) for card in cards], dtype=np.intp),
    )


def _cells(scene: Scene, of: Ints, number: Ints) -> Points:
    left, top, width, height = scene.cards[of].T
    split = scene.splits[of]
    wide = width / np.bincount(of, minlength=len(scene.cards))[of]
    return np.column_stack([left + number * wide, top + split, wide, height - split])


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Straight lines, float64 ``[n, 4]``, and the lane that each is part of."""

    lines: Points
    lanes: Ints


def octave_of(zoom: float) -> int:
    """The octave whose lines are right at a zoom."""
    return min(math.ceil(math.log2(zoom)), 0)


@lru_cache(maxsize=12)
def lines_of(scene: Scene, octave: int, *, backward: bool) -> Lines:
    """The lanes of one direction as lines that are right to a third of a pixel at zooms to ``2 ** octave`` (cached)."""
    tracks = scene.backward_tracks if backward else scene.forward_tracks
    points, of = _simpler(tracks, 0.3 / 2.0**octave)
    together = of[1:] == of[:-1]
    return Lines(np.concatenate([points[:-1][together], points[1:][together]], axis=1), of[:-1][together])


def _simpler(tracks: Tracks, tolerance: float) -> tuple[Points, Ints]:
    points, of = tracks.points, np.repeat(np.arange(len(tracks)), np.diff(tracks.bounds))
    for _ in range(PASSES):
        if len(points) < 3:
            break
        before, here, after = points[:-2], points[1:-1], points[2:]
        chord = after - before
        off = np.abs(chord[:, 0] * (here - before)[:, 1] - chord[:, 1] * (here - before)[:, 0])
        near = off <= tolerance * np.maximum(np.linalg.norm(chord, axis=1), 1e-9)
        inner = (of[1:-1] == of[:-2]) & (of[1:-1] == of[2:])
        drop = near & inner & (np.arange(1, len(points) - 1) % 2 == 1)
        keep = np.concatenate([[True], ~drop, [True]])
        points, of = points[keep], of[keep]
    return points, of
