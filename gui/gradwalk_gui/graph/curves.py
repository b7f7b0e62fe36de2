"""Smooth curves through the points of a route, parallel lanes beside them, and points along them. NumPy only.

A curve is a chain of cubic Bezier pieces, float64 ``[pieces, 4, 2]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
PIECES = 4
"""Into how many pieces one S is cut when it is moved sideways."""
EPSILON = 0.05


def smooth(route: Points, flow: Literal["right", "down"]) -> Points:
    """The curve through the points of a route: straight along the flow, an S wherever the route changes its lane."""
    along = 0 if flow == "right" else 1
    points = _without_doubles(np.asarray(route, dtype=np.float64))
    if len(points) < 2:
        return np.zeros((0, 4, 2))
    start, end = points[:-1], points[1:]
    reach = np.zeros_like(start)
    step = (end - start)[:, along]
    reach[:, along] = step * 0.5
    straight = np.abs((end - start)[:, 1 - along]) < EPSILON
    reach[straight] = (end - start)[straight] / 3
    across = np.abs(step) < EPSILON
    reach[across] = (end - start)[across] / 3
    return np.stack([start, start + reach, end - reach, end], axis=1)


def _without_doubles(points: Points) -> Points:
    if len(points) < 2:
        return points
    keep = np.concatenate([[True], np.abs(np.diff(points, axis=0)).max(axis=1) > EPSILON])
    kept: Points = points[keep]
    if len(kept) < 3:
        return kept
    before, after = np.diff(kept[:-1], axis=0), np.diff(kept[1:], axis=0)
    bends = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > EPSILON
    unbent: Points = kept[np.concatenate([[True], bends, [True]])]
    return unbent


def beside(curve: Points, distance: float) -> Points:
    """The curve moved sideways: to the right of its direction (down, where it runs to the right) for a positive distance."""
    if not len(curve) or distance == 0:
        return curve
    cuts = np.linspace(0.0, 1.0, PIECES + 1)
    pieces = []
    for piece in curve:
        at, direction = _at(piece, cuts), _direction(piece, cuts)
        moved = at + distance * np.stack([-direction[:, 1], direction[:, 0]], axis=1)
        if _is_straight(piece):
            moved, direction = moved[[0, -1]], direction[[0, -1]]
        chord = np.linalg.norm(np.diff(moved, axis=0), axis=1)[:, None] / 3
        pieces.append(
            np.stack([moved[:-1], moved[:-1] + direction[:-1] * chord, moved[1:] - direction[1:] * chord, moved[1:]], axis=1)
        )
    return np.concatenate(pieces)


def _is_straight(piece: Points) -> bool:
    away = piece - piece[0]
    end = away[-1]
    return bool(np.abs(away[:, 0] * end[1] - away[:, 1] * end[0]).max() < EPSILON * max(float(np.linalg.norm(end)), 1.0))


def _at(piece: Points, t: Points) -> Points:
    t = t[:, None]
    a, b, c, d = piece
    there: Points = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    return there


def _direction(piece: Points, t: Points) -> Points:
    t = t[:, None]
    a, b, c, d = piece
    slope = (1 - t) ** 2 * (b - a) + 2 * (1 - t) * t * (c - b) + t**2 * (d - c)
    length = np.linalg.norm(slope, axis=1, keepdims=True)
    direction: Points = np.where(length > 0, slope / np.where(length > 0, length, 1), np.array([1.0, 0.0]))
    return direction


def flatten(curve: Points, pieces: int = 6) -> Points:
    """Points along a curve, float64 ``[points, 2]``; straight pieces give their ends only."""
    if not len(curve):
        return np.zeros((0, 2))
    cuts = np.linspace(0.0, 1.0, pieces + 1)[1:]
    parts = [curve[0, :1]]
    parts += [piece[3:] if _is_straight(piece) else _at(piece, cuts) for piece in curve]
    return np.concatenate(parts)


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


def track(curve: Points) -> Track:
    """The track of a curve."""
    points = flatten(curve, 12)
    if not len(points):
        return Track(points, np.zeros(0))
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return Track(points, np.concatenate([[0.0], np.cumsum(steps)]))
