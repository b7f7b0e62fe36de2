"""Statistics of many small tensors at once: their elements are moved into a strip of memory, which is reduced as a whole.

One strip serves tensors of up to SHORT elements, in float64; the other those of up to LONG, each padded to whole rows of ROW
elements, so that sums are one dot product a row. The results go straight into a statistics table, with no object per number.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..recording.retention import SMALL_BYTES
from ..statistics import Row
from .sums import dots

FLOAT = 4
SHORT = 8000
LONG = SMALL_BYTES // FLOAT
ROW = 1024
CAPACITY = 1 << 17
"""Elements after which a strip is reduced: few enough to be still in the cache."""
Table = NDArray[np.float64]
Floats = NDArray[np.float32]
move: Callable[[int, int, int], object] = ctypes.memmove


class Strip:
    """Elements of float32 tensors, one after the other, and the columns of the table that they belong to."""

    def __init__(self, *, rows: bool) -> None:
        self._rows = rows
        self.buffer: Floats = np.zeros(CAPACITY + LONG + ROW, np.float32)
        self.address = self.buffer.ctypes.data
        self.used = 0
        self.columns: list[int] = []
        self.starts: list[int] = []
        self.sizes: list[int] = []

    def add(self, column: int, address: int, size: int) -> None:
        """Take in ``size`` elements at ``address``. The caller reduces the strip once it holds CAPACITY."""
        move(self.address + FLOAT * self.used, address, FLOAT * size)
        self._added(column, size)

    def add_array(self, column: int, array: NDArray[np.generic]) -> None:
        """The same for elements that do not lie one after the other."""
        size = array.size
        self.buffer[self.used : self.used + size] = array.reshape(-1)
        self._added(column, size)

    def _added(self, column: int, size: int) -> None:
        start = self.used
        self.columns.append(column)
        self.starts.append(start)
        self.sizes.append(size)
        if self._rows:
            end = start + (size + ROW - 1) // ROW * ROW
            self.buffer[start + size : end] = 0
            self.used = end
        else:
            self.used = start + size

    def reduce(self, table: Table) -> None:
        """Write the statistics of what is here into its columns of the table, and forget it."""
        if self.columns:
            with np.errstate(all="ignore"):
                (self._reduce_rows if self._rows else self._reduce_short)(table)
        self.clear()

    def clear(self) -> None:
        """Forget what is here."""
        self.used = 0
        self.columns, self.starts, self.sizes = [], [], []

    def _reduce_short(self, table: Table) -> None:
        flat, starts = self.buffer[: self.used], np.array(self.starts)
        wide = flat.astype(np.float64)
        low, high = np.minimum.reduceat(flat, starts), np.maximum.reduceat(flat, starts)
        total, squares = np.add.reduceat(wide, starts), np.add.reduceat(np.square(wide, out=wide), starts)
        self._store(table, np.array([self.sizes, low, high, total, squares]), flat, math.inf)

    def _reduce_rows(self, table: Table) -> None:
        flat, starts = self.buffer[: self.used], np.array(self.starts)
        bounds = np.stack([starts, starts + self.sizes], axis=1).reshape(-1)
        if bounds[-1] == len(flat):
            bounds = bounds[:-1]
        low, high = np.minimum.reduceat(flat, bounds)[::2], np.maximum.reduceat(flat, bounds)[::2]
        sums, squares = dots(flat.reshape(-1, ROW))
        rows = starts // ROW
        numbers = [
            self.sizes,
            low,
            high,
            np.add.reduceat(sums, rows, dtype=np.float64),
            np.add.reduceat(squares, rows, dtype=np.float64),
        ]
        self._store(table, np.array(numbers), flat, 1e30)

    def _store(self, table: Table, numbers: Table, flat: Floats, most: float) -> None:
        """The numbers go into the table, with zeros counted; what is not finite, or too wide for float32, is looked at again."""
        columns = np.array(self.columns)
        table[:5, columns] = numbers
        table[5:, columns] = 0.0
        self._count_zeros(table, flat)
        squares = numbers[4]
        for place in np.flatnonzero(~((squares < most) & ((squares > 1 / most) | (numbers[1] == numbers[2])))).tolist():
            start, size = self.starts[place], self.sizes[place]
            table[:, self.columns[place]] = careful_row(flat[start : start + size])

    def _count_zeros(self, table: Table, flat: Floats) -> None:
        zero = flat == 0
        if not zero.any():
            return
        for column, start, size in zip(self.columns, self.starts, self.sizes, strict=True):
            table[7, column] = np.count_nonzero(zero[start : start + size])


def careful_row(array: NDArray[np.generic]) -> Row:
    """In float64, with NaN and Inf counted: something is not finite, or float32 is too narrow, or it is not float at all."""
    data = array.astype(np.float64)
    low, high, total, squares = data.min(), data.max(), data.sum(), np.square(data).sum()
    nan, inf, zero = np.isnan(data).sum(), np.isinf(data).sum(), (data == 0).sum()
    return tuple(float(x) for x in (array.size, low, high, total, squares, nan, inf, zero))
