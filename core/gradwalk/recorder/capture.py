"""Copies of tensors, made at the time: a later write must not change them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..recording.retention import FULL_STEP_BYTES, SMALL_BYTES
from ..recording.samples import sample_indices
from ..trace import Kept, Shape
from .host import Array, has_memory, local_part
from .records import Copied
from .transfers import Parcel, Transfers, is_capturing
from .values import dtype_name

NOTHING, SMALL, FULL, ALL = range(4)
"""What to copy: no tensor; those up to 64 KB; all up to 32 MB a step, beyond that samples of the large ones; all."""

_SAMPLED = 512
"""Sizes of large tensors for which the places of the samples are held."""


class LateCopy:
    """A copy that is still on a device."""

    __slots__ = ("_kept", "_name", "_shape", "complete", "parcel")

    def __init__(self, parcel: Parcel, name: str, shape: Shape, complete: bool) -> None:
        self.parcel: Parcel | None = parcel
        self._kept: Kept | None = None
        self._name, self._shape, self.complete = name, shape, complete

    def kept(self) -> Kept:
        """The copy as the record keeps it; waits for it once."""
        if self._kept is None:
            assert self.parcel is not None
            array = _to_numpy(self.parcel.tensor()).copy()  # not the whole transfer
            self._kept, self.parcel = Kept(_read_only(array), self._name, self._shape, self.complete), None
        return self._kept


def is_on_cpu(tensor: torch.Tensor) -> bool:
    """Whether a tensor need not come over from a device."""
    return tensor.is_cpu


def whole_on_the_way(copied: Copied | None) -> Parcel | None:
    """The copy of a whole tensor that is on its way from a device."""
    return copied.parcel if isinstance(copied, LateCopy) and copied.complete else None


def _to_numpy(data: torch.Tensor) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] = data.numpy()
    except TypeError:  # bfloat16 and fp8
        array = data.float().numpy()
    return array


def _read_only(array: NDArray[np.generic]) -> NDArray[np.generic]:
    array.flags.writeable = False
    return array


def kept_of(copied: Copied) -> Kept:
    """The copy, once it is there."""
    return copied if isinstance(copied, Kept) else copied.kept()


class Captor:
    """Copies what a step is to keep."""

    def __init__(self, transfers: Transfers | None = None) -> None:
        self._transfers = transfers or Transfers()
        self._sampled: dict[tuple[int, torch.device], torch.Tensor] = {}
        self._bytes = 0
        self._level = NOTHING

    def begin_step(self, level: int) -> None:
        """From now on copy for a step of this level."""
        self._bytes, self._level = 0, level

    @property
    def wanted(self) -> bool:
        """Whether anything is to be copied."""
        return self._level > NOTHING

    def copy(self, tensor: torch.Tensor, array: Array | None) -> Copied | None:
        """A copy of the tensor as it is now, or None. ``array`` is its memory, if it is a plain CPU tensor."""
        size = tensor.numel() * tensor.element_size() if array is None else array.nbytes
        whole = self._takes_whole(size)
        if not whole and self._level < FULL:
            return None
        self._bytes += size if whole else 0
        if array is not None:
            copy = array.copy() if whole else array.reshape(-1)[sample_indices(array.size)]
            return Kept(_read_only(copy), dtype_name(tensor.dtype), array.shape, whole)
        try:
            return self._copy_on_device(local_part(tensor), whole)
        except (RuntimeError, NotImplementedError, TypeError):
            return None

    def copy_mask(self, noise: torch.Tensor, array: Array | None) -> Copied | None:
        """Which elements are not 0, one byte each. None also where there is no room for all: a sample of them says nothing."""
        if not self._takes_whole(noise.numel()):
            return None
        self._bytes += noise.numel()
        if array is not None:
            return Kept(_read_only(np.asarray(array != 0)), "bool", array.shape)
        try:
            return self._copy_on_device(noise.detach() != 0, whole=True)
        except (RuntimeError, NotImplementedError, TypeError):
            return None

    def _takes_whole(self, size: int) -> bool:
        """Whether a tensor of so many bytes is kept whole."""
        return size <= SMALL_BYTES or self._level == ALL or (self._level == FULL and self._bytes + size <= FULL_STEP_BYTES)

    def _indices(self, count: int, device: torch.device) -> torch.Tensor:
        """Which elements are sampled, on the device; brought there once."""
        found = self._sampled.get((count, device))
        if found is None:
            if len(self._sampled) >= _SAMPLED:
                self._sampled.clear()
            found = self._sampled[count, device] = torch.from_numpy(sample_indices(count)).to(device)
        return found

    def _copy_on_device(self, tensor: torch.Tensor, whole: bool) -> Copied | None:
        if (
            tensor.layout is not torch.strided
            or tensor.is_quantized
            or not has_memory(tensor)
            or tensor.device.type == "meta"
            or is_capturing(tensor.device)
        ):
            return None
        data = tensor.detach()
        if whole:
            data = data.clone(memory_format=torch.contiguous_format)
        else:
            data = data.reshape(-1)[self._indices(tensor.numel(), tensor.device)]
        data = data.resolve_conj().resolve_neg()
        if is_on_cpu(data):  # at once: a wrapped or batched tensor has no elements to copy, and says so here
            return Kept(_read_only(_to_numpy(data).copy()), dtype_name(tensor.dtype), tuple(tensor.shape), whole)
        parcel = self._transfers.of(tensor.device).add(data)
        return LateCopy(parcel, dtype_name(tensor.dtype), tuple(tensor.shape), whole)
