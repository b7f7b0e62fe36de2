"""Statistics of one tensor: at once on the CPU, in one transfer per step from a device."""

from __future__ import annotations

from collections import deque

import torch

from .capture import whole_on_the_way
from .device_batches import DeviceBatch
from .host import Array, has_memory, local_part
from .records import Copied, Measured, Row
from .rows import COUNTED, EMPTY, row_of
from .transfers import Parcel, Transfer, Transfers, is_capturing

_ASKED = 8
"""So many device batches of before say whether NaN and Inf are to be counted: those of two steps, with four streams each."""


class Statistics:
    """Measures tensors. Call it without grad and with torch functions unwatched."""

    def __init__(self, transfers: Transfers | None = None) -> None:
        self._transfers = transfers or Transfers()
        self._devices: dict[Transfer, DeviceBatch] = {}
        self._sent: deque[DeviceBatch] = deque(maxlen=_ASKED)
        """The device batches of the steps before, asked whether they saw NaN or Inf."""

    def measure(self, tensor: torch.Tensor, array: Array | None, late: Copied | None = None) -> Measured | None:
        """The statistics of a tensor, or None for one that has none.

        ``array`` is its memory, if it is a plain CPU tensor; ``late`` is a copy of a device's tensor, on its way.
        """
        if array is not None:
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
            return EMPTY
        if not has_memory(tensor):
            return None
        if not tensor.is_floating_point():
            if count > COUNTED:
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
