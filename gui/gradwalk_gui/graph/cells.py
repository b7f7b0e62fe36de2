"""Which of many rectangles or points meet which, by the cells of a grid that they lie in. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.intp]
Rects = NDArray[np.float64]
"""Left, top, right, bottom, float64 ``[n, 4]``."""
SIZE = 64.0
"""Side of a cell, in pixels."""
_ROW = 1 << 31


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The things in each cell: those of the cell ``keys[i]`` (sorted) are ``things[bounds[i]:bounds[i + 1]]``."""

    keys: NDArray[np.int64]
    bounds: Ints
    things: Ints

    def pairs(self, rects: Rects) -> tuple[Ints, Ints]:
        """Rectangles and the things in the cells that they reach into, as pairs of indices; a pair may come twice."""
        of, keys = _reached(rects)
        place = np.searchsorted(self.keys, keys)
        known = np.minimum(place, max(len(self.keys) - 1, 0))
        there = self.keys[known] == keys if len(self.keys) else np.zeros(len(keys), dtype=np.bool_)
        of, known = of[there], known[there]
        return _spread(of, self.things, self.bounds[known], self.bounds[known + 1] - self.bounds[known])


def cells_of(rects: Rects) -> Cells:
    """The cells of rectangles; of points these have no size."""
    of, keys = _reached(rects)
    order = np.argsort(keys, kind="stable")
    keys, starts = np.unique(keys[order], return_index=True)
    return Cells(keys, np.append(starts, len(of)).astype(np.intp), of[order])


def _reached(rects: Rects) -> tuple[Ints, NDArray[np.int64]]:
    """Per rectangle and cell that it reaches into: its index, and the key of the cell."""
    low, high = (np.floor(part / SIZE).astype(np.int64) for part in (rects[:, :2], rects[:, 2:]))
    across, down = (high - low + 1).T
    of, cell = _spread(np.arange(len(rects)), None, np.zeros(len(rects), dtype=np.intp), (across * down).astype(np.intp))
    return of, (low[of, 0] + cell % across[of]) * _ROW + low[of, 1] + cell // across[of]


def _spread(of: Ints, things: Ints | None, starts: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Each of ``of`` as often as it counts, with the things from its start on (the numbers themselves for None)."""
    ends = np.cumsum(counts)
    places = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts - starts, counts)
    return np.repeat(of, counts), places if things is None else things[places]
