"""Statistics of many tensors at once: small ones on the CPU from their copies, those on a device there, in one transfer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .host import Array
from .records import Row

_FLUSH = 4 << 20
"""Bytes of copies after which the statistics are taken, so that a long step does not hold them all."""


class LateRow:
    """Statistics that a batch brings."""

    __slots__ = ("_batch", "_row")

    def __init__(self, batch: HostBatch | DeviceBatch) -> None:
        self._batch: HostBatch | DeviceBatch | None = batch
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


class DeviceBatch:
    """The tensors of a step on one device: reduced there, brought over together."""

    def __init__(self) -> None:
        self._queued: list[torch.Tensor] = []
        self._counts: list[int] = []
        self._rows: list[LateRow] = []
        self._sent: torch.Tensor | None = None
        self._event: Any = None

    def add(self, tensor: torch.Tensor) -> LateRow:
        """Queue the statistics of a non-empty floating point tensor on its device; waits for nothing."""
        low, high = torch.aminmax(tensor)
        zeros = tensor.numel() - torch.count_nonzero(tensor)
        numbers = (low, high, tensor.sum(), torch.linalg.vector_norm(tensor), tensor.isnan().sum(), tensor.isinf().sum(), zeros)
        wide = torch.float32 if tensor.device.type == "mps" else torch.float64
        self._queued.append(torch.stack([number.to(wide) for number in numbers]))
        self._counts.append(tensor.numel())
        self._rows.append(LateRow(self))
        return self._rows[-1]

    def send(self) -> None:
        """Start the transfer."""
        if self._sent is not None or not self._queued:
            return
        stacked = torch.stack(self._queued)
        self._queued = []
        if stacked.device.type == "cuda":
            pinned = torch.empty(stacked.shape, dtype=stacked.dtype, pin_memory=True)
            self._sent = pinned.copy_(stacked, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()
        else:
            self._sent = stacked

    def finish(self) -> None:
        """Wait for the transfer."""
        self.send()
        if self._sent is None:
            return
        if self._event is not None:
            self._event.synchronize()
        host: NDArray[np.generic] = self._sent.cpu().numpy()
        for row, count, (low, high, total, norm, *counts) in zip(self._rows, self._counts, host.tolist(), strict=True):
            row.arrive((float(count), low, high, total, norm * norm, *counts))
        self._sent, self._rows, self._counts = None, [], []
