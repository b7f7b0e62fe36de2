"""Statistics of one tensor: at once on the CPU, in one transfer per step from a device.

NaN and Inf are counted only where the sum shows one, zeros only where ``min <= 0 <= max``. Where float32 is too narrow for a
sum or a square (a diverging run, a vanishing gradient), float64 does it again.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .host import Array
from .records import Measured, Row

_COUNTED = 1 << 20
"""Integer and bool tensors of up to this many elements are counted, through float64."""
_SMALL = 8192
"""Up to this many elements NumPy sums faster than torch."""
_EMPTY: Row = (0.0, math.nan, math.nan, 0.0, 0.0, 0.0, 0.0, 0.0)


class LateRow:
    """Statistics that a :class:`Batch` brings."""

    __slots__ = ("_batch", "_count", "_index")

    def __init__(self, batch: Batch, index: int, count: int) -> None:
        self._batch, self._index, self._count = batch, index, count

    def row(self) -> Row:
        """The statistics; waits for the transfer if it is under way."""
        low, high, total, norm, zero, nan, inf = (float(x) for x in self._batch.host()[self._index])
        return float(self._count), low, high, total, norm * norm, nan, inf, zero


class Batch:
    """The statistics of one step on one device: collected there, brought over together."""

    def __init__(self) -> None:
        self._rows: list[torch.Tensor] = []
        self._sent: torch.Tensor | None = None
        self._event: Any = None
        self._host: NDArray[np.generic] | None = None

    def measure(self, tensor: torch.Tensor) -> LateRow:
        """Queue the statistics of a non-empty floating point tensor on its device; waits for nothing."""
        low, high = torch.aminmax(tensor)
        zeros = tensor.numel() - torch.count_nonzero(tensor)
        numbers = (low, high, tensor.sum(), torch.linalg.vector_norm(tensor), zeros, tensor.isnan().sum(), tensor.isinf().sum())
        wide = torch.float32 if tensor.device.type == "mps" else torch.float64
        self._rows.append(torch.stack([number.to(wide) for number in numbers]))
        return LateRow(self, len(self._rows) - 1, tensor.numel())

    def send(self) -> None:
        """Start the transfer."""
        if self._sent is None and self._rows:
            stacked = torch.stack(self._rows)
            self._rows = []
            if stacked.device.type == "cuda":
                pinned = torch.empty(stacked.shape, dtype=stacked.dtype, pin_memory=True)
                self._sent = pinned.copy_(stacked, non_blocking=True)
                self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
                self._event.record()
            else:
                self._sent = stacked

    def host(self) -> NDArray[np.generic]:
        """The numbers, ``[tensors, 7]``."""
        if self._host is None:
            self.send()
            if self._event is not None:
                self._event.synchronize()
            assert self._sent is not None
            self._host, self._sent = self._sent.cpu().numpy(), None
        return self._host


class Statistics:
    """Measures tensors. Call it without grad and with torch functions unwatched."""

    def __init__(self) -> None:
        self._batches: dict[torch.device, Batch] = {}

    def measure(self, tensor: torch.Tensor, array: Array | None) -> Measured | None:
        """The statistics of a tensor, or None for one that has none. ``array`` is its memory, if it is a plain CPU tensor."""
        if array is not None:
            return row_of(array, tensor)
        try:
            return self._measure(tensor)
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            return None

    def _measure(self, tensor: torch.Tensor) -> Measured | None:
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type == "meta":
            return None
        count = tensor.numel()
        if count == 0:
            return _EMPTY
        if not tensor.is_floating_point():
            if count > _COUNTED:
                return None
            tensor = tensor.double()
        elif tensor.element_size() < 4:
            tensor = tensor.float()
        if tensor.device.type != "cpu":
            return self._batches.setdefault(tensor.device, Batch()).measure(tensor)
        tensor = tensor.detach().clone().resolve_neg()
        return row_of(tensor.numpy(), tensor)

    def end_step(self) -> bool:
        """Send what the step collected; whether anything is under way."""
        late = bool(self._batches)
        for batch in self._batches.values():
            batch.send()
        self._batches = {}
        return late


def row_of_measured(measured: Measured) -> Row:
    """The statistics, once they are there."""
    return measured if isinstance(measured, tuple) else measured.row()


def row_of(array: Array, tensor: torch.Tensor) -> Row | None:
    """The statistics of a CPU tensor, whose memory is ``array``."""
    count = array.size
    if count <= 1:
        return _row_of_one(float(array.item())) if count else _EMPTY
    if not any(array.strides):
        return _row_of_equal(float(array.flat[0]), count)
    with np.errstate(all="ignore"):
        if array.dtype.kind != "f" or array.dtype.itemsize < 4:
            return _careful_row(array) if array.dtype.kind == "f" or count <= _COUNTED else None
        low, high = float(np.minimum.reduce(array, axis=None)), float(np.maximum.reduce(array, axis=None))
        total, squares = _sums(array, tensor)
        if not (math.isfinite(total) and 1e-30 < squares < math.inf) and not low == high == 0:
            return _careful_row(array)
        zero = float(np.count_nonzero(array == 0)) if low <= 0 <= high else 0.0
    return float(count), low, high, total, squares, 0.0, 0.0, zero


def _sums(array: Array, tensor: torch.Tensor) -> tuple[float, float]:
    """The sum of the elements and of their squares."""
    if array.size > _SMALL or not array.flags.c_contiguous:
        norm = torch.linalg.vector_norm(tensor).item()
        return tensor.sum().item(), norm * norm
    flat = array.reshape(-1)
    return float(np.add.reduce(flat)), float(np.dot(flat, flat))


def _row_of_equal(x: float, count: int) -> Row:
    """Of an expanded tensor, one element seen ``count`` times."""
    _, low, high, total, squares, nan, inf, zero = _row_of_one(x)
    return float(count), low, high, count * total, count * squares, count * nan, count * inf, count * zero


def _row_of_one(x: float) -> Row:
    squares = x * x if abs(x) < 1e150 or x != x else math.inf
    return 1.0, x, x, x, squares, float(x != x), float(math.isinf(x)), float(x == 0)


def _careful_row(array: Array) -> Row:
    """In float64, with NaN and Inf counted: something is not finite, or float32 is too narrow, or it is not float at all."""
    data = array.astype(np.float64)
    low, high, total, squares = data.min(), data.max(), data.sum(), np.square(data).sum()
    nan, inf, zero = np.isnan(data).sum(), np.isinf(data).sum(), (data == 0).sum()
    return tuple(float(x) for x in (array.size, low, high, total, squares, nan, inf, zero))
