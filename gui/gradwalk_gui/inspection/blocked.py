"""A large matrix as a smaller one, of which each cell stands for a block. NumPy in, NumPy out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 1024
"""Rows and columns that a picture has at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocked:
    """``cells`` float64 ``[rows, columns]``: the largest of each block of ``down`` by ``across`` elements."""

    cells: NDArray[np.float64]
    down: int
    across: int


def blocked(matrix: NDArray[np.float64], most: int = MOST) -> Blocked:
    """A matrix with at most so many rows and columns; NaN counts as the largest."""
    rows, columns = matrix.shape
    down, across = max(-(-rows // most), 1), max(-(-columns // most), 1)
    if down > 1:
        matrix = np.maximum.reduceat(matrix, np.arange(0, rows, down), axis=0)
    if across > 1:
        matrix = np.maximum.reduceat(matrix, np.arange(0, columns, across), axis=1)
    return Blocked(matrix, down, across)
