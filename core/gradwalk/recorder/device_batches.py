"""Statistics of the tensors of a step on one device: reduced there, brought over together, a step late.

A small float32 tensor is copied (one kernel) and reduced on the CPU once it is there. A larger one takes four reductions: both
extremes, sum, norm, number of zeros. NaN and Inf show in these; how many there are is counted by further kernels, and only once
one has been seen, which is known when its step has come over: until then a count is the least that it can be, 1.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .batches import LateRow
from .records import Row
from .rows import EMPTY, row_of
from .transfers import Parcel, Transfer

_COPIED = 4096
"""Float32 tensors of up to this many elements are brought over whole."""


class DeviceBatch:
    """The tensors of one stream. ``counting``: NaN and Inf are counted."""

    def __init__(self, transfer: Transfer | None = None, *, counting: bool = False) -> None:
        self._transfer = transfer if transfer is not None else Transfer()
        self._counting = counting
        self._copies: list[tuple[LateRow, Parcel]] = []
        self._rows: list[tuple[LateRow, int]] = []
        self._numbers: dict[torch.dtype, list[torch.Tensor]] = {}
        self._places: list[tuple[tuple[torch.dtype, int], ...]] = []
        """Per row where each of its numbers is: low, high, sum, norm, zeros, and NaN and Inf where they were counted."""
        self._parcels: dict[torch.dtype, Parcel] = {}
        self.bad = False
        """Whether NaN or Inf was seen, known once the batch has finished."""

    def add(self, tensor: torch.Tensor, copy: Parcel | None = None) -> LateRow:
        """Queue the statistics of a non-empty floating point tensor on its device; waits for nothing.

        ``copy`` is a whole copy of it that is on its way already.
        """
        row = LateRow(self)
        if tensor.dtype == torch.float32 and tensor.numel() <= _COPIED:
            sent = copy or self._transfer.add(tensor.detach().clone(memory_format=torch.contiguous_format))
            self._copies.append((row, sent))
            return row
        low, high = torch.aminmax(tensor)
        wide = tensor.dtype if tensor.dtype == torch.float64 else torch.float32
        numbers = [low, high, tensor.sum(dtype=wide), torch.linalg.vector_norm(tensor, dtype=wide), torch.count_nonzero(tensor)]
        if self._counting:
            numbers += [torch.count_nonzero(tensor != tensor), torch.count_nonzero(tensor.isinf())]
        self._places.append(tuple(self._queue(number) for number in numbers))
        self._rows.append((row, tensor.numel()))
        return row

    def _queue(self, number: torch.Tensor) -> tuple[torch.dtype, int]:
        queued = self._numbers.setdefault(number.dtype, [])
        queued.append(number)
        return number.dtype, len(queued) - 1

    def send(self) -> None:
        """Start the transfer of what is queued."""
        for dtype, numbers in self._numbers.items():
            if dtype not in self._parcels:
                self._parcels[dtype] = self._transfer.add(torch.stack(numbers))
        self._numbers = {}
        self._transfer.send()

    def finish(self) -> None:
        """Wait for the transfer, and hand out the rows."""
        self.send()
        for row, parcel in self._copies:
            self._arrived(row, row_of(parcel.tensor().numpy()) or EMPTY)
        numbers = {dtype: parcel.tensor().double().tolist() for dtype, parcel in self._parcels.items()}
        for (row, count), places in zip(self._rows, self._places, strict=True):
            self._arrived(row, _row(count, [numbers[dtype][place] for dtype, place in places]))
        self._copies, self._rows, self._places, self._parcels = [], [], [], {}

    def _arrived(self, row: LateRow, numbers: Row) -> None:
        self.bad = self.bad or numbers[5] > 0 or numbers[6] > 0
        row.arrive(numbers)


def _row(count: int, numbers: list[Any]) -> Row:
    low, high, total, norm, nonzero, *counted = numbers
    nan, inf = counted or (float(low != low), float(math.isinf(low) or math.isinf(high)))
    return float(count), low, high, total, norm * norm, nan, inf, float(count - nonzero)
