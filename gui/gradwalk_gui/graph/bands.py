"""How many of many points lie in each of many rectangles, however crowded they are: by narrow bands, sorted. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .curves import Points

Keys = NDArray[np.int64]
HEIGHT = 2.0
"""Of a band, in pixels: so exact is the count up and down."""
FINE = 4.0
"""Parts of a pixel that a place within a band is told to."""


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """Points by band and place in it, sorted; once for all, once for each owner."""

    every: Keys
    owned: Keys
    wide: int
    """More than the places of a band."""
    many: int
    """More than the bands."""

    def counts(self, rects: NDArray[np.float64], owners: NDArray[np.intp]) -> tuple[Keys, Keys]:
        """How many points lie in each rectangle (left, top, right, bottom), and how many of these are its owner's."""
        left, right = (np.clip((side * FINE).astype(np.int64), 0, self.wide - 1) for side in (rects[:, 0], rects[:, 2]))
        first, last = (np.clip(np.floor(side / HEIGHT).astype(np.int64), 0, self.many - 1) for side in (rects[:, 1], rects[:, 3]))
        every, owned = np.zeros(len(rects), dtype=np.int64), np.zeros(len(rects), dtype=np.int64)
        for down in range(int((last - first).max(initial=-1)) + 1):
            band = np.minimum(first + down, last)
            there = first + down <= last
            for keys, rows, counted in ((self.every, band, every), (self.owned, owners * self.many + band, owned)):
                start, end = (np.searchsorted(keys, rows * self.wide + side) for side in (left, right))
                counted += np.where(there, end - start, 0)
        return every, owned


def bands_of(points: Points, owners: NDArray[np.intp]) -> Bands:
    """The bands of points, float64 ``[n, 2]``, none of which is left of or above the corner."""
    place, band = (points[:, 0] * FINE).astype(np.int64), np.floor(points[:, 1] / HEIGHT).astype(np.int64)
    place, band = np.maximum(place, 0), np.maximum(band, 0)
    wide, many = int(place.max(initial=0)) + 2, int(band.max(initial=0)) + 2
    return Bands(np.sort(band * wide + place), np.sort((owners * many + band) * wide + place), wide, many)
