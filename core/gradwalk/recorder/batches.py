"""Statistics of many tensors at once: small ones on the CPU from their copies (see ``device_batches.py`` for a device)."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .host import Array
from .records import Row

_FLUSH = 4 << 20
"""Bytes of copies after which the statistics are taken, so that a long step does not hold them all."""


class Batch(Protocol):
    """What brings statistics."""

    def finish(self) -> None:
        """Wait for them."""
        ...


class LateRow:
    """Statistics that a batch brings."""

    __slots__ = ("_batch", "_row")

    def __init__(self, batch: Batch) -> None:
        self._batch: Batch | None = batch
        self._row: Row = ()

    def arrive(self, row: Row) -> None:
        """They are there."""
        self._row, self._batch = row, None

    def row(self) -> Row:
        """The statistics; waits for the transfer if it is under way."""
        if self._batch is not None:
            self._batch.finish()
        return self._row


class HostBatch:
    """Small float32 tensors of a step on the CPU: their copies are reduced together, in float64."""

    def __init__(self) -> None:
        self._arrays: list[Array] = []
        self._rows: list[LateRow] = []
        self._bytes = 0

    def add(self, copy: Array) -> LateRow:
        """Queue the statistics of a copy, which nobody writes to any more."""
        row = LateRow(self)
        self._arrays.append(copy.reshape(-1))
        self._rows.append(row)
        self._bytes += copy.nbytes
        if self._bytes > _FLUSH:
            self.finish()
        return row

    def finish(self) -> None:
        """Take the statistics of what is queued."""
        if not self._arrays:
            return
        sizes = np.array([array.size for array in self._arrays])
        flat = np.concatenate(self._arrays)
        starts = np.cumsum(sizes) - sizes
        with np.errstate(all="ignore"):
            wide = flat.astype(np.float64)
            low, high = np.minimum.reduceat(flat, starts), np.maximum.reduceat(flat, starts)
            total, squares = np.add.reduceat(wide, starts), np.add.reduceat(wide * wide, starts)
            table = np.stack([sizes, low, high, total, squares]).T.tolist()
        for row, array, numbers in zip(self._rows, self._arrays, table, strict=True):
            row.arrive((*numbers, *_counts(array, numbers)))
        self._arrays, self._rows, self._bytes = [], [], 0


def _counts(array: Array, numbers: list[float]) -> tuple[float, float, float]:
    """How many NaN, Inf and zero: the first two only where the sum of squares shows one, zeros only where there can be one."""
    _, low, high, _, squares = numbers
    nan = inf = 0.0
    if not squares < np.inf:
        nan, inf = float(np.count_nonzero(np.isnan(array))), float(np.count_nonzero(np.isinf(array)))
    zero = float(array.size - np.count_nonzero(array)) if not (low > 0 or high < 0) else 0.0
    return nan, inf, zero
