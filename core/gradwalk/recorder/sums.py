"""Sums and sums of squares of float32 rows, row by row, in short dot products: BLAS shares them out to no threads of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_ONES: Floats = np.ones(4096, np.float32)
_vecdot: Callable[..., Floats] | None = getattr(np, "vecdot", None)
"""NumPy 2 and later."""


def dots(rows: Floats) -> tuple[Floats, Floats]:
    """Of float32 ``[n, k]`` (k at most 4096) per row the sum and the sum of squares, float32 ``[n]`` each."""
    if _vecdot is None:
        sums, squares = np.einsum("ij->i", rows), np.einsum("ij,ij->i", rows, rows)
    else:
        sums, squares = _vecdot(rows, _ONES[: rows.shape[1]]), _vecdot(rows, rows)
    return sums, squares
