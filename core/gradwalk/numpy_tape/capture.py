"""Statistics and copies of values, taken at the time: a later write must not change them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..recording.retention import FULL_STEP_BYTES, SMALL_BYTES, Keep
from ..recording.samples import sample_indices
from ..statistics import UNKNOWN, Row, row_of, row_of_number
from ..trace import Kept
from .records import Measured

KINDS = "biufc"


class Captor:
    """Measures the values of one step. ``statistics`` and ``keep`` say what of them is wanted."""

    def __init__(self) -> None:
        self.statistics = True
        self.keep = Keep.NONE
        self.limit: float = FULL_STEP_BYTES
        self._bytes = 0

    def begin(self, *, statistics: bool, keep: Keep, limit: float = FULL_STEP_BYTES) -> None:
        """A step begins: up to ``limit`` bytes of its values are kept in full where ``keep`` is FULL."""
        self.statistics, self.keep, self.limit, self._bytes = statistics, keep, limit, 0

    def reckon(self, copies: Iterable[Kept | None]) -> None:
        """What is still held of the copies; the others have been dropped."""
        self._bytes = sum(kept.data.nbytes for kept in copies if kept is not None)

    def measure(self, value: Any, row: Row | None = None) -> Measured:
        """The statistics (and elements) of a plain array or scalar. A scalar is always counted: it may be the loss.

        ``row`` is given where the statistics are known.
        """
        if not isinstance(value, np.ndarray):
            return self._scalar(value)
        if not self.statistics:
            return Measured(UNKNOWN)
        return Measured(row_of(value) if row is None else row, self._copy(value) if self.keep is not Keep.NONE else None)

    def _scalar(self, value: Any) -> Measured:
        if value.dtype.kind not in "biuf":
            return Measured(UNKNOWN)
        kept = self._copy(np.asarray(value)) if self.keep is not Keep.NONE else None
        return Measured(row_of_number(float(value)), kept)

    def _copy(self, array: NDArray[Any]) -> Kept | None:
        if array.dtype.kind not in KINDS:
            return None
        size = array.nbytes
        if self._bytes > 2 * self.limit:
            return None
        dtype = array.dtype.newbyteorder("=")
        if size <= SMALL_BYTES or (self.keep is Keep.FULL and self._bytes + size <= self.limit):
            self._bytes += size
            return _kept(np.array(array, dtype=dtype, order="C", copy=True, subok=False), array)
        if self.keep is not Keep.FULL:
            return None
        return _kept(array.flat[sample_indices(array.size)].astype(dtype), array, complete=False)


def _kept(data: NDArray[Any], of: NDArray[Any], *, complete: bool = True) -> Kept:
    data.flags.writeable = False
    return Kept(data, of.dtype.name, of.shape, complete)
