"""Statistics of one tensor: at once on the CPU, in one transfer per step from a device.

NaN and Inf are counted only where the sum shows one, zeros only where ``min <= 0 <= max``. Where float32 is too narrow for a
sum or a square (a diverging run, a vanishing gradient), float64 does it again.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import torch

from .batches import HostBatch
from .capture import whole_on_the_way
from .device_batches import DeviceBatch
from .host import Array, has_memory, local_part
from .large import row_of_large
from .records import Copied, Measured, Row
from .transfers import Parcel, Transfer, Transfers, is_capturing

_COUNTED = 1 << 20
"""Integer and bool tensors of up to this many elements are counted, through float64."""
_SMALL = 16384
"""Tensors of up to this many elements are measured together, from their copies."""
_ASKED = 8
"""So many device batches of before say whether NaN and Inf are to be counted: those of two steps, with four streams each."""
_EMPTY: Row = (0.0, math.nan, math.nan, 0.0, 0.0, 0.0, 0.0, 0.0)


class Statistics:
    """Measures tensors. Call it without grad and with torch functions unwatched."""

    def __init__(self, transfers: Transfers | None = None) -> None:
        self._host = HostBatch()
        self._transfers = transfers or Transfers()
        self._devices: dict[Transfer, DeviceBatch] = {}
        self._sent: deque[DeviceBatch] = deque(maxlen=_ASKED)
        """The device batches of the steps before, asked whether they saw NaN or Inf."""

    def measure(
        self, tensor: torch.Tensor, array: Array | None, copy: Array | None = None, late: Copied | None = None
    ) -> Measured | None:
        """The statistics of a tensor, or None for one that has none.

        ``array`` is its memory, if it is a plain CPU tensor, and ``copy`` a copy that was made of that; ``late`` is a copy of a
        device's tensor, on its way.
        """
        if array is not None:
            if array.dtype == np.float32 and 1 < array.size <= _SMALL:
                return self._host.add(array.copy() if copy is None else copy)
            return row_of(array, tensor)
        try:
            return self._measure(local_part(tensor), whole_on_the_way(late))
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            return None

    def _measure(self, tensor: torch.Tensor, copy: Parcel | None = None) -> Measured | None:
        if tensor.layout is not torch.strided:
            tensor = _stored(tensor)
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type == "meta":
            return None
        count = tensor.numel()
        if count == 0:
            return _EMPTY
        if not has_memory(tensor):
            return None
        if not tensor.is_floating_point():
            if count > _COUNTED:
                return None
            tensor = tensor.double()
        elif tensor.element_size() < 4 and (tensor.device.type == "cpu" or tensor.element_size() < 2):
            tensor = tensor.float()
        if tensor.device.type != "cpu":
            return None if is_capturing(tensor.device) else self._on_device(tensor, copy)
        tensor = tensor.detach().clone().resolve_neg()
        return row_of(tensor.numpy(), tensor)

    def end_step(self) -> bool:
        """Take or send what the step collected; whether anything is under way from a device."""
        self._host.finish()
        for batch in self._devices.values():
            batch.send()
            self._sent.append(batch)
        self._devices = {}
        return self._transfers.end_step()

    def _on_device(self, tensor: torch.Tensor, copy: Parcel | None) -> Measured:
        transfer = self._transfers.of(tensor.device)
        batch = self._devices.get(transfer)
        if batch is None:
            counting = any([sent.bad for sent in self._sent])  # noqa: C419  (a list is faster)
            batch = self._devices[transfer] = DeviceBatch(transfer, counting=counting)
        return batch.add(tensor, copy)


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    """The elements that a sparse tensor stores; any other tensor as it is."""
    if tensor.layout is torch.sparse_coo:
        return tensor._values()
    compressed = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)
    return tensor.values() if tensor.layout in compressed else tensor


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
        if tensor.dtype is torch.bfloat16 and count > _SMALL:
            return row_of_large(array, tensor)
        if array.dtype.kind != "f" or array.dtype.itemsize < 4 or count <= _SMALL:
            return _careful_row(array) if array.dtype.kind == "f" or count <= _COUNTED else None
        low, high = float(np.minimum.reduce(array, axis=None)), float(np.maximum.reduce(array, axis=None))
        norm = torch.linalg.vector_norm(tensor).item()
        total, squares = tensor.sum().item(), norm * norm
        if not (math.isfinite(total) and 1e-30 < squares < math.inf) and not low == high == 0:
            return _careful_row(array)
        zero = float(np.count_nonzero(array == 0)) if low <= 0 <= high else 0.0
    return float(count), low, high, total, squares, 0.0, 0.0, zero


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
