"""Where the number of each gradient stands: beside its lane, where it covers no card, no title and no other plate. No Qt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from gradwalk.layout.cancel import Check, watched

from .bands import Bands, bands_of
from .cells import SIZE, Cells, Rects, cells_of
from .curves import Ints, Points, Tracks
from .styles import LANE_OFFSET, NARROW_PLATE, PLATE_SIZE

FRACTIONS = np.array([0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78, 0.15, 0.85])
AWAY = 5.0
"""Between a plate and its lane."""
STEP = 5.0
"""Distance of the points by which a lane is kept free, in pixels; more where there would be too many points."""
MOST_POINTS = 2_000_000
ON_OWN_LANE = 0.25
"""How bad it is to cover a point of one's own lanes, against a point of another's."""
AT_ONCE = 20_000
"""How many places are looked at together: more take more memory."""
NARROW = 2.0
"""How bad it is to leave out the measure's name."""
Plate: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What plates keep clear of: rectangles float64 ``[n, 4]`` (left, top, right, bottom), and points of lanes."""

    rects: NDArray[np.float64]
    cells: Cells
    points: Bands

    def free(self, rects: Rects) -> NDArray[np.bool_]:
        """Which rectangles cover none of ours."""
        ours, theirs = self.cells.pairs(rects)
        free = np.ones(len(rects), dtype=np.bool_)
        free[ours[_overlap(rects[ours], self.rects[theirs])]] = False
        return free

    def costs(self, rects: Rects, lanes: Ints) -> NDArray[np.float64]:
        """How bad it is to cover the points under rectangles, with 2 pixels around, of which each is the plate of a lane."""
        every, own = self.points.counts(rects + np.array([-2.0, -2.0, 2.0, 2.0]), lanes)
        return every - (1.0 - ON_OWN_LANE) * own


def ground(cards: Points, titles: Points, tracks: Sequence[Tracks]) -> Ground:
    """The ground of a picture; cards (with 3 pixels around) and titles are float64 ``[n, 4]`` of left, top, width, height."""
    rects = np.concatenate([_edges(cards, 3.0), _edges(titles, 0.0)])
    step = max(STEP, sum(float(each.lengths.sum()) for each in tracks) / MOST_POINTS)
    spread = [each.spread(step) for each in tracks]
    points, lanes = (np.concatenate([part[i] for part in spread]) for i in (0, 1))
    return Ground(rects, cells_of(rects), bands_of(points, lanes))


def _edges(rects: Points, around: float) -> Points:
    left, top, width, height = rects.reshape(-1, 4).T
    return np.stack([left - around, top - around, left + width + around, top + height + around], axis=1)


def place(ground_: Ground, tracks: Tracks, lanes: Ints, facing: NDArray[np.float64], pair: bool, check: Check) -> Points:
    """Plates for some ``lanes``: float64 ``[len(tracks), 4]`` of left, top, width, height, NaN for none.

    ``tracks`` are those of the backward lanes; ``facing`` is per lane 1 where its right side faces away from its forward lane,
    else -1. ``pair`` says that a forward lane runs beside each. Longer lanes choose last: they have more room.
    """
    plates = np.full((len(tracks), 4), np.nan)
    lengths = tracks.lengths
    lanes = lanes[lengths[lanes] >= 1]
    lanes = lanes[np.argsort(lengths[lanes], kind="stable")]
    choices, taken = Choices(ground_, lanes, _candidates(tracks, lanes, facing, pair), check), Taken()
    for number, lane in watched(enumerate(lanes.tolist()), check):
        found = choices.best(number, taken)
        if found is not None:
            left, top, right, bottom = found
            plates[lane] = (left, top, right - left, bottom - top)
            taken.add(found)
    return plates


class Taken:
    """The plates that are there, by the cells that they lie in."""

    def __init__(self) -> None:
        self._plates: dict[tuple[int, int], list[Plate]] = {}

    def add(self, plate: Plate) -> None:
        """Another one, with 2 pixels around."""
        left, top, right, bottom = plate
        grown = (left - 2, top - 2, right + 2, bottom + 2)
        for cell in _cells(grown):
            self._plates.setdefault(cell, []).append(grown)

    def covers(self, rect: Plate) -> bool:
        """Whether one of them reaches into a rectangle."""
        left, top, right, bottom = rect
        for cell in _cells(rect):
            for x1, y1, x2, y2 in self._plates.get(cell, ()):
                if left < x2 and right > x1 and top < y2 and bottom > y1:
                    return True
        return False


def _cells(rect: Plate) -> Iterator[tuple[int, int]]:
    left, top, right, bottom = (int(side // SIZE) for side in rect)
    return product(range(left, right + 1), range(top, bottom + 1))


class Choices:
    """The places that lanes may choose from, float64 ``[lanes, places, 4]``, best first, with what is bad about each.

    The first few are looked at for all lanes at once; the others of a lane only where none of these will do.
    """

    def __init__(self, ground_: Ground, lanes: Ints, candidates: Points, check: Check) -> None:
        self._ground, self._lanes, self._candidates, self._check = ground_, lanes, candidates, check
        first = candidates[:, : len(FRACTIONS)]
        free, costs = self._looked_at(first.reshape(-1, 4), np.repeat(lanes, len(FRACTIONS)))
        self._good = (free & (costs == 0)).reshape(first.shape[:2])
        self._all: dict[int, tuple[NDArray[np.bool_], NDArray[np.float64]]] = {}
        self._look_at_all(np.flatnonzero(~self._good.any(axis=1)))

    def best(self, number: int, taken: Taken) -> Plate | None:
        """The place of least cost for a lane's plate, None where there is no room for one: of two equal ones the first."""
        for choice in np.flatnonzero(self._good[number]).tolist():
            rect = _plate(self._candidates[number, choice])
            if not taken.covers(rect):
                return rect
        if number not in self._all:
            self._look_at_all(np.array([number]))
        free, costs = self._all[number]
        for choice in np.argsort(costs, kind="stable").tolist():
            rect = _plate(self._candidates[number, choice])
            if free[choice] and not taken.covers(rect):
                return rect
        return None

    def _look_at_all(self, numbers: Ints) -> None:
        """Every place of some lanes."""
        places = self._candidates.shape[1]
        rects = self._candidates[numbers].reshape(-1, 4)
        free, costs = self._looked_at(rects, np.repeat(self._lanes[numbers], places))
        narrow = np.where(np.arange(places) < places // 2, 0.0, NARROW)
        for row, number in enumerate(numbers.tolist()):
            part = slice(row * places, (row + 1) * places)
            self._all[number] = free[part], costs[part] + narrow

    def _looked_at(self, rects: Rects, lanes: Ints) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Which are free, and what they cost where they are."""
        free, costs = np.ones(len(rects), dtype=np.bool_), np.zeros(len(rects))
        for start in range(0, len(rects), AT_ONCE):
            self._check()
            part = slice(start, start + AT_ONCE)
            free[part] = self._ground.free(rects[part])
            wanted = start + np.flatnonzero(free[part])
            costs[wanted] = self._ground.costs(rects[wanted], lanes[wanted])
        return free, costs


def _plate(row: NDArray[np.float64]) -> Plate:
    left, top, right, bottom = row.tolist()
    return left, top, right, bottom


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


def _overlap(a: Rects, b: Rects) -> NDArray[np.bool_]:
    """Which pairs of rectangles overlap."""
    hit: NDArray[np.bool_] = (a[:, 0] < b[:, 2]) & (a[:, 2] > b[:, 0]) & (a[:, 1] < b[:, 3]) & (a[:, 3] > b[:, 1])
    return hit
