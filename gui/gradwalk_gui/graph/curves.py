"""Smooth curves through the points of routes, parallel lanes beside them, and points along them. NumPy only.

A curve is a chain of cubic Bezier pieces, float64 ``[pieces, 4, 2]``. What is done to one is done to all of a picture at once:
thousands of curves of a few pieces each take as long as some hundred NumPy calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Ints = NDArray[np.intp]
PIECES = 4
"""Into how many pieces one S is cut when it is moved sideways."""
FINE = 12
"""Into how many straight steps a bent piece is cut to be walked along."""
EPSILON = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Points along a curve with their distance from its start: where a pulse is after a fraction of the way."""

    points: Points
    distances: NDArray[np.float64]

    @property
    def length(self) -> float:
        """The length in pixels."""
        return float(self.distances[-1]) if len(self.distances) else 0.0

    def at(self, fractions: NDArray[np.float64]) -> Points:
        """Points at fractions of the length, float64 ``[len(fractions), 2]``."""
        wanted = np.clip(fractions, 0.0, 1.0) * self.length
        return np.stack([np.interp(wanted, self.distances, self.points[:, axis]) for axis in (0, 1)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Curves one behind the other: ``pieces`` float64 ``[n, 4, 2]``; curve ``i`` is ``bounds[i]`` to ``bounds[i + 1]``."""

    pieces: Points
    bounds: Ints

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, number: int) -> Points:
        return self.pieces[self.bounds[number] : self.bounds[number + 1]]

    def __iter__(self) -> Iterator[Points]:
        return map(self.__getitem__, range(len(self)))

    @property
    def of(self) -> Ints:
        """Per piece the number of its curve."""
        return np.repeat(np.arange(len(self)), np.diff(self.bounds))

    def only(self, wanted: NDArray[np.bool_]) -> Curves:
        """The same, those that are not wanted without pieces."""
        of = self.of
        return _curves(self.pieces[wanted[of]], of[wanted[of]], len(self))

    def beside(self, distances: NDArray[np.float64]) -> Curves:
        """Each curve moved sideways: to the right of its direction (down, where it runs to the right) for a positive distance."""
        of = self.of
        away, straight = distances[of], _are_straight(self.pieces)
        cuts = np.linspace(0.0, 1.0, PIECES + 1)
        direction = _direction(self.pieces, cuts)
        normal = np.stack([-direction[..., 1], direction[..., 0]], axis=-1)
        moved = _at(self.pieces, cuts) + away[:, None, None] * normal
        cut = _joined(moved[:, :-1], moved[:, 1:], direction[:, :-1], direction[:, 1:])
        whole = _joined(moved[:, 0], moved[:, -1], direction[:, 0], direction[:, -1])
        cut[straight, 0] = whole[straight]
        cut[away == 0, 0] = self.pieces[away == 0]
        keep = np.ones(cut.shape[:2], dtype=np.bool_)
        keep[straight | (away == 0), 1:] = False
        return _curves(cut[keep], np.repeat(of, PIECES).reshape(keep.shape)[keep], len(self))


def _curves(pieces: Points, of: Ints, count: int) -> Curves:
    return Curves(pieces, _bounds(of, count))


def _bounds(of: Ints, count: int) -> Ints:
    return np.concatenate([[0], np.cumsum(np.bincount(of, minlength=count))]).astype(np.intp)


def _joined(start: Points, end: Points, start_direction: Points, end_direction: Points) -> Points:
    """Pieces ``[..., 4, 2]`` from points to points that leave and arrive in given directions."""
    chord = np.linalg.norm(end - start, axis=-1, keepdims=True) / 3
    return np.stack([start, start + start_direction * chord, end - end_direction * chord, end], axis=-2)


def smooth(routes: Sequence[Points], flow: Literal["right", "down"]) -> Curves:
    """The curves through the points of routes: straight along the flow, an S wherever a route changes its lane."""
    along = 0 if flow == "right" else 1
    of = np.repeat(np.arange(len(routes)), [len(route) for route in routes])
    points, of = _without_doubles(np.concatenate([np.zeros((0, 2)), *routes]), of)
    together = of[1:] == of[:-1]
    start, end = points[:-1][together], points[1:][together]
    way = end - start
    reach = np.zeros_like(start)
    reach[:, along] = way[:, along] * 0.5
    plain = (np.abs(way[:, 1 - along]) < EPSILON) | (np.abs(way[:, along]) < EPSILON)
    reach[plain] = way[plain] / 3
    return _curves(np.stack([start, start + reach, end - reach, end], axis=1), of[:-1][together], len(routes))


def _without_doubles(points: Points, of: Ints) -> tuple[Points, Ints]:
    """The points without those that stand where the one before does, and without those on the straight way between two others."""
    if not len(points):
        return points, of
    moved = np.abs(np.diff(points, axis=0)).max(axis=1) > EPSILON
    keep = np.concatenate([[True], moved | (of[1:] != of[:-1])])
    points, of = points[keep], of[keep]
    before, after = np.diff(points[:-1], axis=0), np.diff(points[1:], axis=0)
    bends = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > EPSILON
    keep = np.ones(len(points), dtype=np.bool_)
    keep[1:-1] = bends | (of[1:-1] != of[:-2]) | (of[1:-1] != of[2:])
    return points[keep], of[keep]


def _are_straight(pieces: Points) -> NDArray[np.bool_]:
    away = pieces - pieces[:, :1]
    end = away[:, -1:]
    off = np.abs(away[..., 0] * end[..., 1] - away[..., 1] * end[..., 0]).max(axis=1, initial=0.0)
    straight: NDArray[np.bool_] = off < EPSILON * np.maximum(np.linalg.norm(end[:, 0], axis=1), 1.0)
    return straight


def _at(pieces: Points, cuts: Points) -> Points:
    """Points of each piece, float64 ``[pieces, cuts, 2]``."""
    t = cuts[None, :, None]
    a, b, c, d = (pieces[:, None, i] for i in range(4))
    there: Points = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    return there


def _direction(pieces: Points, cuts: Points) -> Points:
    t = cuts[None, :, None]
    a, b, c, d = (pieces[:, None, i] for i in range(4))
    slope = (1 - t) ** 2 * (b - a) + 2 * (1 - t) * t * (c - b) + t**2 * (d - c)
    length = np.linalg.norm(slope, axis=-1, keepdims=True)
    direction: Points = np.where(length > 0, slope / np.where(length > 0, length, 1), np.array([1.0, 0.0]))
    return direction


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The tracks of curves, one behind the other: points, their distances from the starts of their curves, and the bounds."""

    points: Points
    distances: NDArray[np.float64]
    bounds: Ints

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, number: int) -> Track:
        part = slice(self.bounds[number], self.bounds[number + 1])
        return Track(self.points[part], self.distances[part])

    def __iter__(self) -> Iterator[Track]:
        return map(self.__getitem__, range(len(self)))

    @property
    def lengths(self) -> NDArray[np.float64]:
        """The length of each track in pixels; 0 of an empty one."""
        there = np.diff(self.bounds) > 0
        lengths = np.zeros(len(self))
        lengths[there] = self.distances[self.bounds[1:][there] - 1]
        return lengths

    def only(self, which: Ints) -> Tracks:
        """Some of the tracks, in the order of ``which``."""
        starts, counts = self.bounds[which], self.bounds[which + 1] - self.bounds[which]
        bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        rows = np.arange(bounds[-1]) - np.repeat(bounds[:-1] - starts, counts)
        return Tracks(self.points[rows], self.distances[rows], bounds)

    def at(self, which: Ints, fractions: NDArray[np.float64]) -> Points:
        """Points of tracks that are not empty, at fractions of their lengths; both ``[n, ...]``, gives ``[n, ..., 2]``."""
        if not len(which):
            return np.zeros((*fractions.shape, 2))
        starts, lengths = self._starts(), self.lengths
        apart = self.distances + np.repeat(starts, np.diff(self.bounds))
        each = which.reshape(-1, *(1,) * (fractions.ndim - 1))
        wanted = starts[each] + np.clip(fractions, 0.0, 1.0) * lengths[each]
        return np.stack([np.interp(wanted, apart, self.points[:, axis]) for axis in (0, 1)], axis=-1)

    def _starts(self) -> NDArray[np.float64]:
        """Where each track begins on one line on which all stand behind each other, with a gap between them."""
        taken = self.lengths + 1.0
        starts: NDArray[np.float64] = np.cumsum(taken) - taken
        return starts

    def spread(self, step: float) -> tuple[Points, Ints]:
        """Points about ``step`` apart along all tracks that have a length, and the tracks that they are on."""
        which = np.flatnonzero(self.lengths > 0)
        counts = np.maximum((self.lengths[which] / step).astype(np.intp), 2)
        of = np.repeat(which, counts)
        place = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.at(of, place / np.repeat(counts - 1, counts)), of

    def boxes(self) -> Points:
        """Left, top, right, bottom of each track, float64 ``[n, 4]``; the infinite for an empty one."""
        boxes = np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(self), 1))
        there = np.flatnonzero(np.diff(self.bounds) > 0)
        if len(there):
            starts = self.bounds[there]
            boxes[there, :2] = np.minimum.reduceat(self.points, starts, axis=0)
            boxes[there, 2:] = np.maximum.reduceat(self.points, starts, axis=0)
        return boxes


def tracks(curves: Curves) -> Tracks:
    """The tracks of curves; straight pieces give their ends only."""
    pieces, of = curves.pieces, curves.of
    steps = np.concatenate([pieces[:, :1], _at(pieces, np.linspace(0.0, 1.0, FINE + 1)[1:])], axis=1)
    keep = np.ones(steps.shape[:2], dtype=np.bool_)
    straight = _are_straight(pieces)
    steps[straight, -1] = pieces[straight, 3]
    keep[straight, 1:-1] = False
    keep[:, 0] = np.concatenate([[True], of[1:] != of[:-1]]) if len(of) else False
    points, of = steps[keep], np.repeat(of, FINE + 1).reshape(keep.shape)[keep]
    bounds = _bounds(of, len(curves))
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])[: len(points)]
    starts = walked[bounds[:-1][np.diff(bounds) > 0]]
    return Tracks(points, walked - np.repeat(starts, np.diff(bounds)[np.diff(bounds) > 0]), bounds)


def shortened(curve: Points, start: float, end: float) -> Points:
    """The curve without ``start`` pixels at its beginning and ``end`` at its end (room for arrow heads)."""
    if not len(curve):
        return curve
    cut: Points = curve.copy()
    for piece, near, far, length in ((cut[0], 0, 3, start), (cut[-1], 3, 0, end)):
        reach = piece[far] - piece[near]
        chord = float(np.linalg.norm(reach))
        if length and chord > length + 1:
            toward = piece[1 if near == 0 else 2] - piece[near]
            size = float(np.linalg.norm(toward))
            step = toward / size * length if size > 0 else reach / chord * length
            piece[near] += step
            piece[1 if near == 0 else 2] += step * 0.5
    return cut
