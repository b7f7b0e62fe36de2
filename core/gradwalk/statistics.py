"""The statistics of one array, as the columns of a statistics table are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .trace import STATISTICS

Row = tuple[float, ...]
"""One column of a statistics table, in the order of STATISTICS."""
_PIECE = 10_000
UNKNOWN: Row = (-1.0, *[math.nan] * 4, -1.0, -1.0, -1.0)
"""The row of what was not counted."""
assert len(UNKNOWN) == len(STATISTICS)


def statistics_of(array: NDArray[np.generic]) -> NDArray[np.float64]:
    """The statistics of an array as one column of a statistics table, float64 ``[8]``."""
    return np.array(row_of(array), dtype=np.float64)


def row_of(array: NDArray[np.generic]) -> Row:
    """The statistics of an array. Complex numbers count with their real part; what is no number was not counted.

    NaN and Inf are counted only where the sums show one, zeros only where the extremes leave room for one.
    """
    if array.dtype.kind not in "biufc":
        return UNKNOWN
    data = _as_float64(array)
    if not data.size:
        return (0.0, math.nan, math.nan, 0.0, 0.0, 0.0, 0.0, 0.0)
    with np.errstate(all="ignore"):
        total, squares = float(np.add.reduce(data)), _sum_of_squares(data)
        low, high = float(np.minimum.reduce(data)), float(np.maximum.reduce(data))
        nan, inf = (0, 0) if math.isfinite(total) else _not_finite(data)
        zero = 0 if low > 0 or high < 0 else int(np.count_nonzero(data == 0))
    return (float(data.size), low, high, total, squares, float(nan), float(inf), float(zero))


def row_of_number(number: float) -> Row:
    """The statistics of a scalar."""
    finite = math.isfinite(number)
    nan = math.isnan(number)
    try:
        square = number * number
    except OverflowError:  # pragma: no cover - floats do not raise it
        square = math.inf
    return (1.0, number, number, number, square, float(nan), float(not finite and not nan), float(number == 0))


def _sum_of_squares(data: NDArray[np.float64]) -> float:
    """In pieces that BLAS does not share out to threads: waking them costs more, and their sum depends on how many there are."""
    if data.size <= _PIECE:
        return float(np.dot(data, data))
    pieces = (data[start : start + _PIECE] for start in range(0, data.size, _PIECE))
    return math.fsum(float(np.dot(piece, piece)) for piece in pieces)


def _as_float64(array: NDArray[np.generic]) -> NDArray[np.float64]:
    """The elements in some order, as a vector."""
    flat: NDArray[Any] = array.ravel("K")
    if flat.dtype.kind == "c":
        flat = flat.real
    with np.errstate(all="ignore"):
        return flat if flat.dtype == np.float64 and flat.dtype.isnative else flat.astype(np.float64)


def _not_finite(data: NDArray[np.float64]) -> tuple[int, int]:
    finite = int(np.count_nonzero(np.isfinite(data)))
    nan = int(np.count_nonzero(np.isnan(data)))
    return nan, data.size - finite - nan
