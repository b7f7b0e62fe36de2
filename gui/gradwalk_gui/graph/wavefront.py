"""The wavefront: where a beat of playing is many events, their lanes and cards light up together and fade. Plain data, no Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .parts import BACKWARD, FORWARD
from .when import When

Ints = NDArray[np.intp]
FADES = 900.0
"""Milliseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Wavefront:
    """Per phase, forward and backward: the lanes that something ran along, and the cards whose half ran."""

    lanes: tuple[Ints, Ints]
    cards: tuple[Ints, Ints]
    duration: float = FADES

    def __bool__(self) -> bool:
        return any(len(part) for part in (*self.lanes, *self.cards))


def wavefront_of(when: When, start: int, end: int) -> Wavefront:
    """What ran at the tape positions from ``start`` up to, not with, ``end``."""
    came = np.flatnonzero((when.coming_at >= start) & (when.coming_at < end))
    ran = (when.last >= start) & (when.last < end)
    ahead = np.flatnonzero((when.lane_forward >= start) & (when.lane_forward < end))
    cards = np.flatnonzero(ran[:, FORWARD]), np.flatnonzero(ran[:, BACKWARD])
    return Wavefront((ahead, when.coming.rows[came]), cards)
