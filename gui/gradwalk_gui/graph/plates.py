"""Where the number of each gradient stands: beside its lane, where it covers no card, no title and no other plate. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .curves import Points, Track
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


def ground(cards: Points, titles: Points, tracks: list[tuple[int, Track]]) -> Ground:
    """The ground of a picture; cards (with 3 pixels around) and titles are float64 ``[n, 4]`` of left, top, width, height."""
    rects = np.concatenate([_edges(cards, 3.0), _edges(titles, 0.0)])
    points, lanes = [np.zeros((0, 2))], [np.zeros(0, dtype=np.int64)]
    for lane, track in tracks:
        if track.length > 0:
            along = track.at(np.linspace(0, 1, max(int(track.length / STEP), 2)))
            points.append(along)
            lanes.append(np.full(len(along), lane))
    all_points, all_lanes = np.concatenate(points), np.concatenate(lanes)
    order = np.argsort(all_points[:, 0], kind="stable")
    return Ground(rects, all_points[order], all_lanes[order])


def _edges(rects: Points, around: float) -> Points:
    left, top, width, height = rects.reshape(-1, 4).T
    return np.stack([left - around, top - around, left + width + around, top + height + around], axis=1)


def place(ground_: Ground, wanted: list[tuple[int, Track]], lanes: int, pair: bool) -> Points:
    """Plates for the lanes ``wanted`` (their backward tracks): float64 ``[lanes, 4]`` of left, top, width, height, NaN for none.

    ``pair`` says that a forward lane runs beside each. Longer lanes choose last: they have more room.
    """
    plates = np.full((lanes, 4), np.nan)
    taken = ground_.rects
    for lane, track in sorted(wanted, key=lambda item: item[1].length):
        found = _best(ground_, taken, lane, track, pair)
        if found is not None:
            left, top, width, height = plates[lane] = found
            taken = np.concatenate([taken, [[left - 2, top - 2, left + width + 2, top + height + 2]]])
    return plates


def _best(ground_: Ground, taken: Points, lane: int, track: Track, pair: bool) -> Plate | None:
    """The place of least cost for a plate of either size, or None where there is no room for one."""
    if track.length < 1:
        return None
    near, around = _near(ground_, taken, track)
    found = [_best_of(near, around, lane, _candidates(track, pair, size)) for size in (PLATE_SIZE, NARROW_PLATE)]
    costs = [(cost + i * NARROW, plate) for i, (cost, plate) in enumerate(found) if plate is not None]
    return min(costs)[1] if costs else None


def _near(ground_: Ground, taken: Points, track: Track) -> tuple[Ground, Points]:
    """What of the ground, and which of the taken rectangles, can matter to plates beside a track."""
    low, high = track.points.min(axis=0) - NEIGHBOURHOOD, track.points.max(axis=0) + NEIGHBOURHOOD
    start, end = np.searchsorted(ground_.points[:, 0], [low[0], high[0]])
    points, lanes = ground_.points[start:end], ground_.lanes[start:end]
    close = (points[:, 1] > low[1]) & (points[:, 1] < high[1])
    around = _overlap(np.concatenate([low, high])[None], taken)[0]
    return Ground(ground_.rects, points[close], lanes[close]), taken[around]


def _best_of(ground_: Ground, taken: Points, lane: int, rects: Points) -> tuple[float, Plate | None]:
    rects = rects[~_overlap(rects, taken).any(axis=1)]
    if not len(rects):
        return 0.0, None
    inside = _contain(rects, ground_.points)
    own = ground_.lanes == lane
    bad = inside[:, ~own].sum(axis=1) + ON_OWN_LANE * inside[:, own].sum(axis=1)
    best = int(np.argmin(bad))
    left, top, right, bottom = rects[best].tolist()
    return float(bad[best]), (left, top, right - left, bottom - top)


def _candidates(track: Track, pair: bool, size: tuple[float, float]) -> Points:
    """Places for a plate, best first, float64 ``[n, 4]`` of left, top, right, bottom."""
    at = track.at(FRACTIONS)
    ahead = track.at(np.clip(FRACTIONS + 0.02, 0, 1)) - track.at(np.clip(FRACTIONS - 0.02, 0, 1))
    direction = ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    half = np.array(size) / 2
    reach = (np.abs(normal) @ half)[:, None] + AWAY
    beyond = reach + (2 * LANE_OFFSET if pair else 0)
    # the forward lane lies on the side against which the backward track's normal points: see scene.py
    middles = np.concatenate([at + normal * reach, at - normal * beyond, at])
    return np.concatenate([middles - half, middles + half], axis=1)


def _overlap(rects: Points, others: Points) -> NDArray[np.bool_]:
    a, b = rects[:, None, :], others[None, :, :]
    return (a[..., 0] < b[..., 2]) & (a[..., 2] > b[..., 0]) & (a[..., 1] < b[..., 3]) & (a[..., 3] > b[..., 1])


def _contain(rects: Points, points: Points) -> NDArray[np.bool_]:
    x, y = points[None, :, 0], points[None, :, 1]
    r = rects[:, :, None]
    return (x > r[:, 0] - 2) & (x < r[:, 2] + 2) & (y > r[:, 1] - 2) & (y < r[:, 3] + 2)
