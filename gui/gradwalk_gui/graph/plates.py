"""Where the number of each gradient stands: beside its lane, where it covers no card, no title and no other plate. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .curves import Ints, Points, Tracks
from .styles import LANE_OFFSET, NARROW_PLATE, PLATE_SIZE

FRACTIONS = np.array([0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78, 0.15, 0.85])
AWAY = 5.0
"""Between a plate and its lane."""
STEP = 5.0
"""Distance of the points by which a lane is kept free, in pixels."""
ON_OWN_LANE = 0.25
"""How bad it is to cover a point of one's own lanes, against a point of another's."""
NEIGHBOURHOOD = 120.0
"""How far from a lane its plates can reach, in pixels, with something to spare."""
NARROW = 2.0
"""How bad it is to leave out the measure's name."""
Plate: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What plates keep clear of: rectangles float64 ``[n, 4]`` (left, top, right, bottom), and points with their lane, by x."""

    rects: NDArray[np.float64]
    points: Points
    lanes: NDArray[np.int64]


def ground(cards: Points, titles: Points, tracks: Sequence[Tracks]) -> Ground:
    """The ground of a picture; cards (with 3 pixels around) and titles are float64 ``[n, 4]`` of left, top, width, height."""
    rects = np.concatenate([_edges(cards, 3.0), _edges(titles, 0.0)])
    spread = [each.spread(STEP) for each in tracks]
    points, lanes = (np.concatenate([part[i] for part in spread]) for i in (0, 1))
    order = np.argsort(points[:, 0], kind="stable")
    return Ground(rects, points[order], lanes[order])


def _edges(rects: Points, around: float) -> Points:
    left, top, width, height = rects.reshape(-1, 4).T
    return np.stack([left - around, top - around, left + width + around, top + height + around], axis=1)


def place(ground_: Ground, tracks: Tracks, lanes: Ints, facing: NDArray[np.float64], pair: bool) -> Points:
    """Plates for some ``lanes``: float64 ``[len(tracks), 4]`` of left, top, width, height, NaN for none.

    ``tracks`` are those of the backward lanes; ``facing`` is per lane 1 where its right side faces away from its forward lane,
    else -1. ``pair`` says that a forward lane runs beside each. Longer lanes choose last: they have more room.
    """
    plates = np.full((len(tracks), 4), np.nan)
    lengths = tracks.lengths
    lanes = lanes[lengths[lanes] >= 1]
    lanes = lanes[np.argsort(lengths[lanes], kind="stable")]
    candidates, reach = _candidates(tracks, lanes, facing, pair), _reach(tracks.boxes()[lanes])
    taken = _Taken(ground_.rects, len(lanes))
    for lane, rects, around in zip(lanes.tolist(), candidates, reach.tolist(), strict=True):
        found = _best(ground_, taken.near(around), lane, rects, around)
        if found is not None:
            plates[lane] = found
            taken.add(found)
    return plates


class _Taken:
    """The rectangles that plates may not cover, of which there will be ``more``."""

    def __init__(self, rects: Points, more: int) -> None:
        self._rects = np.concatenate([rects, np.full((more, 4), np.nan)])
        self._count = len(rects)

    def add(self, plate: Plate) -> None:
        left, top, width, height = plate
        self._rects[self._count] = (left - 2, top - 2, left + width + 2, top + height + 2)
        self._count += 1

    def near(self, around: Sequence[float]) -> Points:
        """Those that reach into a box of left, top, right, bottom."""
        rects = self._rects[: self._count]
        left, top, right, bottom = around
        return rects[(rects[:, 0] < right) & (rects[:, 2] > left) & (rects[:, 1] < bottom) & (rects[:, 3] > top)]


def _reach(boxes: Points) -> Points:
    """The boxes in which something can matter to the plates of lanes in ``boxes``."""
    return boxes + NEIGHBOURHOOD * np.array([-1.0, -1.0, 1.0, 1.0])


def _best(ground_: Ground, taken: Points, lane: int, rects: Points, around: Sequence[float]) -> Plate | None:
    """The place of least cost for a plate, or None where there is no room for one: of two equal ones the first."""
    free = np.flatnonzero(~_overlap(rects, taken).any(axis=1))
    if not len(free):
        return None
    rects, cost = rects[free], np.where(free < len(rects) // 2, 0.0, NARROW)
    left, top, right, bottom = around
    start, end = np.searchsorted(ground_.points[:, 0], [left, right])
    y = ground_.points[start:end, 1]
    close = start + np.flatnonzero((y > top) & (y < bottom))
    inside = _contain(rects, ground_.points[close])
    cost = cost + inside @ np.where(ground_.lanes[close] == lane, ON_OWN_LANE, 1.0)
    left, top, right, bottom = rects[int(np.argmin(cost))].tolist()
    return left, top, right - left, bottom - top


def _candidates(tracks: Tracks, lanes: Ints, facing: NDArray[np.float64], pair: bool) -> Points:
    """Places for the plates of lanes, best first, wide ones before narrow ones: float64 ``[lanes, places, 4]``.

    Each is left, top, right, bottom.
    """
    away = facing[lanes][:, None]
    along = np.where(away > 0, FRACTIONS, 1 - FRACTIONS)
    at = tracks.at(lanes, along)
    ahead = tracks.at(lanes, along + 0.02 * away) - tracks.at(lanes, along - 0.02 * away)
    direction = ahead / np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-9)
    normal = np.stack([-direction[..., 1], direction[..., 0]], axis=-1)
    places = []
    for size in (PLATE_SIZE, NARROW_PLATE):
        half = np.array(size) / 2
        reach = (np.abs(normal) @ half)[..., None] + AWAY
        beyond = reach + (2 * LANE_OFFSET if pair else 0)
        # the forward lane lies on the side against which the backward track's normal points: see scene.py
        middles = np.concatenate([at + normal * reach, at - normal * beyond, at], axis=1)
        places.append(np.concatenate([middles - half, middles + half], axis=-1))
    return np.concatenate(places, axis=1)


def _overlap(rects: Points, others: Points) -> NDArray[np.bool_]:
    a, b = rects[:, None, :], others[None, :, :]
    return (a[..., 0] < b[..., 2]) & (a[..., 2] > b[..., 0]) & (a[..., 1] < b[..., 3]) & (a[..., 3] > b[..., 1])


def _contain(rects: Points, points: Points) -> NDArray[np.bool_]:
    x, y = points[None, :, 0], points[None, :, 1]
    r = rects[:, :, None]
    return (x > r[:, 0] - 2) & (x < r[:, 2] + 2) & (y > r[:, 1] - 2) & (y < r[:, 3] + 2)
