"""From one scene to the next: cards that are in both glide from where they were, new ones come out of their module's place.

Plain data over time, no Qt. A card is known by what it is (its kind and the thing it stands for), a frame by its module call.
Where neither was there before, it is looked up outward which module was, as a frame or as a card, and the place inside it is
the same share of its width and height.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from gradwalk.trace import NONE

from ..folding import tree_of
from .curves import Ints, Points, Tracks
from .scene import Scene

DURATION = 180.0
"""Milliseconds."""
MOST = 300
"""More cards than these do not glide, the picture is another at once."""
LEAST = 0.5
"""Pixels of the scene; a card that moves less stands still."""

Way = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Glide:
    """``scene`` is where it ends; ``cards`` ``[n, 2]`` and ``frames`` ``[m, 4]`` are how far from there things begin."""

    scene: Scene
    cards: Points
    frames: Points

    def at(self, way: float) -> Scene:
        """The scene after a fraction of the time."""
        left = 1.0 - eased(way)
        if left <= 0:
            return self.scene
        return _moved(self.scene, self.cards * left, self.frames * left)


def eased(way: float) -> float:
    """Fast at first, slow at the end."""
    return 1.0 - (1.0 - min(max(way, 0.0), 1.0)) ** 3


def glide_of(before: Scene, after: Scene, shift: Way) -> Glide | None:
    """The glide between two scenes of one Graph; None where nothing moves, or too much.

    ``shift`` is what is added to a place in the scene before to have it, in the scene after, at the same point of the screen.
    """
    if len(after.cards) > MOST or after.empty:
        return None
    starts = _Starts(before, after, shift)
    frames = np.array(starts.frames).reshape(-1, 4) - after.frames
    cards = np.array([starts.card(i) for i in range(len(after.cards))]) - after.cards[:, :2]
    if not (np.abs(cards) > LEAST).any() and not (np.abs(frames) > LEAST).any():
        return None
    return Glide(after, cards, frames)


class _Starts:
    """Where the frames and cards of a scene come from; ``frames`` are rectangles ``[4]``, outer ones first."""

    def __init__(self, before: Scene, after: Scene, shift: Way) -> None:
        self._after = after
        there = np.array([*shift, 0.0, 0.0])
        self._cards = {(card.kind, card.ref): row + there for card, row in zip(before.picture.cards, before.cards, strict=True)}
        self._frames = {frame.module: row + there for frame, row in zip(before.picture.frames, before.frames, strict=True)}
        self.frames: list[Points] = []
        for frame, row in zip(after.picture.frames, after.frames, strict=True):
            known = self._module(frame.module)
            self.frames.append(known if known is not None else self._inside(row, frame.parent))

    def card(self, place: int) -> Points:
        """The corner ``[2]`` at which a card begins."""
        card = self._after.picture.cards[place]
        known = self._cards.get((card.kind, card.ref))
        if known is None and card.kind == "module":
            known = self._module(card.ref)
        return known[:2] if known is not None else self._inside(self._after.cards[place], card.frame)[:2]

    def _module(self, call: int) -> Points | None:
        """Where a module call was: its frame, its card, or the card of the stack that it was in."""
        stack = tree_of(self._after.graph).stack_of.get(call, (call,))
        known = self._frames.get(call)
        return known if known is not None else self._cards.get(("module", call), self._cards.get(("module", stack[0])))

    def _inside(self, row: Points, frame: int) -> Points:
        """Where a rectangle lies in its frame as that begins; outside of all frames it stays where it is."""
        if frame == NONE:
            return row
        start, end = self.frames[frame], self._after.frames[frame]
        scale = start[2:] / np.maximum(end[2:], 1.0)
        return np.concatenate([start[:2] + (row[:2] - end[:2]) * scale, row[2:] * scale])


def _moved(scene: Scene, cards: Points, frames: Points) -> Scene:
    """The scene with its cards and frames elsewhere, and its lanes between them."""
    lanes = scene.picture.lanes
    ends = np.array([(lane.source, lane.target) for lane in lanes], dtype=np.intp).reshape(-1, 2)
    start, end = cards[ends[:, 0]], cards[ends[:, 1]]
    forward, backward = _bent(scene.forward, start, end), _bent(scene.backward, start, end)
    low, high = np.minimum(start, end), np.maximum(start, end)
    plates = scene.plates.copy()
    plates[:, :2] += (start + end) / 2
    return replace(
        scene,
        cards=np.hstack([scene.cards[:, :2] + cards, scene.cards[:, 2:]]),
        frames=scene.frames + frames,
        forward=forward,
        backward=backward,
        forward_tracks=_tracks(scene.forward_tracks, start, end),
        backward_tracks=_tracks(scene.backward_tracks, start, end),
        plates=plates,
        lane_bounds=np.hstack([scene.lane_bounds[:, :2] + low, scene.lane_bounds[:, 2:] + high - low]),
    )


def _tracks(tracks: Tracks, start: Points, end: Points) -> Tracks:
    return Tracks(_shared(tracks.points, np.diff(tracks.bounds), start, end), tracks.distances, tracks.bounds)


def _shared(points: Points, sizes: Ints, start: Points, end: Points) -> Points:
    """Points of lines one behind the other, those between the ends moved by their share of the way."""
    lane = np.repeat(np.arange(len(sizes)), sizes)
    firsts = np.cumsum(sizes) - sizes
    share = ((np.arange(len(lane)) - firsts[lane]) / np.maximum(sizes[lane] - 1, 1))[:, None]
    moved: Points = points + (1 - share) * start[lane] + share * end[lane]
    return moved


def _bent(curves: Iterable[Points], start: Points, end: Points) -> tuple[Points, ...]:
    """Curves whose ends move along with their cards, and the points between by their share of the way."""
    whole = [curve.reshape(-1, 2) for curve in curves]
    sizes = np.array([len(curve) for curve in whole], dtype=np.intp)
    if not sizes.sum():
        return tuple(curve.reshape(-1, 4, 2) if curve.ndim == 3 else curve for curve in curves)
    moved = _shared(np.concatenate(whole), sizes, start, end)
    parts = np.split(moved, np.cumsum(sizes)[:-1])
    return tuple(there.reshape(curve.shape) for there, curve in zip(parts, curves, strict=True))
