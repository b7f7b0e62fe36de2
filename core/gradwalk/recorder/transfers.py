"""From a device to the CPU: what a step queues comes over in one transfer, and nothing waits for it before the next step ends.

One :class:`Transfer` per device and stream, so that a tensor is read in the order of the stream that it was made on. The tensors
of a transfer are laid one behind the other as bytes, wide dtypes first, so that each stands where its dtype may stand.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch

_SEND = 16 << 20
"""Bytes queued after which a transfer starts before the step ends, so that a long step does not hold them all twice."""

_AT_ONCE = frozenset(("cpu",))
"""Kinds of devices that are no way off."""


class Parcel:
    """A tensor on its way."""

    __slots__ = ("_there", "_transfer")

    def __init__(self, transfer: Transfer) -> None:
        self._transfer: Transfer | None = transfer
        self._there: torch.Tensor | None = None

    def arrive(self, there: torch.Tensor) -> None:
        """It is on the CPU."""
        self._there, self._transfer = there, None

    def tensor(self) -> torch.Tensor:
        """The tensor on the CPU; waits for the transfer if it is under way."""
        if self._transfer is not None:
            self._transfer.finish()
        assert self._there is not None
        return self._there


class Transfer:
    """What goes over together."""

    def __init__(self, stream: Any = None) -> None:
        self._stream = stream
        self._queued: list[tuple[torch.Tensor, Parcel]] = []
        self._bytes = 0
        self._sent: list[tuple[torch.Tensor, Any, list[tuple[torch.dtype, torch.Size, Parcel]]]] = []

    def add(self, tensor: torch.Tensor) -> Parcel:
        """Queue a contiguous tensor that nobody writes to any more."""
        parcel = Parcel(self)
        self._queued.append((tensor, parcel))
        self._bytes += tensor.numel() * tensor.element_size()
        if self._bytes > _SEND:
            self.send()
        return parcel

    def send(self) -> None:
        """Start the transfer of what is queued."""
        if not self._queued:
            return
        queued = sorted(self._queued, key=lambda pair: -pair[0].element_size())
        self._queued, self._bytes = [], 0
        with contextlib.nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            flat = torch.cat([tensor.reshape(-1).view(torch.uint8) for tensor, _ in queued])
            event = None
            if flat.device.type == "cuda":
                pinned = torch.empty(flat.shape, dtype=torch.uint8, pin_memory=True)
                flat = pinned.copy_(flat, non_blocking=True)
                event = torch.cuda.Event()  # type: ignore[no-untyped-call]
                event.record()
        self._sent.append((flat, event, [(tensor.dtype, tensor.shape, parcel) for tensor, parcel in queued]))

    def finish(self) -> None:
        """Wait for all that was queued, and hand it out."""
        self.send()
        sent, self._sent = self._sent, []
        for flat, event, parcels in sent:
            if event is not None:
                event.synchronize()
            there, at = flat.cpu().clone() if event is not None else flat.cpu(), 0
            for dtype, shape, parcel in parcels:
                size = shape.numel() * dtype.itemsize
                parcel.arrive(there[at : at + size].view(dtype).reshape(shape))
                at += size


class Transfers:
    """The open transfers of a step, by device and stream."""

    def __init__(self) -> None:
        self._open: dict[tuple[torch.device, int], Transfer] = {}

    def of(self, device: torch.device) -> Transfer:
        """That of the device's current stream."""
        stream = torch.cuda.current_stream(device) if device.type == "cuda" else None
        key = device, 0 if stream is None else stream.cuda_stream
        transfer = self._open.get(key)
        if transfer is None:
            transfer = self._open[key] = Transfer(stream)
        return transfer

    def end_step(self) -> bool:
        """Start every transfer; whether any is under way."""
        late = False
        for (device, _), transfer in self._open.items():
            if device.type in _AT_ONCE:
                transfer.finish()
            else:
                transfer.send()
                late = True
        self._open = {}
        return late


def is_capturing(device: torch.device) -> bool:
    """Whether a CUDA graph is being captured: what we ran now would become part of it."""
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()
