"""Statistics of one tensor: at once on the CPU, in one transfer per step from a device.

NaN and Inf are counted only where the sum shows one, zeros only where ``min <= 0 <= max``. Where float32 is too narrow for a
sum or a square (a diverging run, a vanishing gradient), float64 does it again.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .batches import DeviceBatch, HostBatch
from .host import Array, has_memory, local_part
from .records import Measured, Row

_COUNTED = 1 << 20
"""Integer and bool tensors of up to this many elements are counted, through float64."""
_SMALL = 16384
"""Tensors of up to this many elements are measured together, from their copies."""
_EMPTY: Row = (0.0, math.nan, math.nan, 0.0, 0.0, 0.0, 0.0, 0.0)


class Statistics:
    """Measures tensors. Call it without grad and with torch functions unwatched."""

    def __init__(self) -> None:
        self._host = HostBatch()
        self._devices: dict[torch.device, DeviceBatch] = {}

    def measure(self, tensor: torch.Tensor, array: Array | None, copy: Array | None = None) -> Measured | None:
        """The statistics of a tensor, or None for one that has none.

        ``array`` is its memory, if it is a plain CPU tensor, and ``copy`` a copy that was made of that.
        """
        if array is not None:
            if array.dtype == np.float32 and 1 < array.size <= _SMALL:
                return self._host.add(array.copy() if copy is None else copy)
            return row_of(array, tensor)
        try:
            return self._measure(local_part(tensor))
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            return None

    def _measure(self, tensor: torch.Tensor) -> Measured | None:
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
        elif tensor.element_size() < 4:
            tensor = tensor.float()
        if tensor.device.type != "cpu":
            return self._devices.setdefault(tensor.device, DeviceBatch()).add(tensor)
        tensor = tensor.detach().clone().resolve_neg()
        return row_of(tensor.numpy(), tensor)

    def end_step(self) -> bool:
        """Take or send what the step collected; whether anything is under way from a device."""
        self._host.finish()
        late = bool(self._devices)
        for batch in self._devices.values():
            batch.send()
        self._devices = {}
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
