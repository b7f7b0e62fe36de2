"""Copies of tensors, made at the time: a later write must not change them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..recording.retention import FULL_STEP_BYTES, SMALL_BYTES, sample_indices
from ..trace import Kept, Shape
from .host import Array, has_memory, local_part
from .records import Copied
from .values import dtype_name

NOTHING, SMALL, FULL, ALL = range(4)
"""What to copy: no tensor; those up to 64 KB; all up to 32 MB a step, beyond that samples of the large ones; all."""


class LateCopy:
    """A copy that is still on a device."""

    __slots__ = ("_data", "_kept", "_name", "_shape")

    def __init__(self, data: torch.Tensor, name: str, shape: Shape) -> None:
        self._data: torch.Tensor | None = data
        self._kept: Kept | None = None
        self._name, self._shape = name, shape

    def kept(self) -> Kept:
        """The copy as the record keeps it; brought to the CPU once."""
        if self._kept is None:
            assert self._data is not None
            array = _to_numpy(self._data)
            self._kept, self._data = Kept(_read_only(array), self._name, self._shape, array.shape == self._shape), None
        return self._kept


def _to_numpy(data: torch.Tensor) -> NDArray[np.generic]:
    data = data.cpu().resolve_conj().resolve_neg()
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

    def __init__(self) -> None:
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
        whole = size <= SMALL_BYTES or self._level == ALL or (self._level == FULL and self._bytes + size <= FULL_STEP_BYTES)
        if not whole and self._level < FULL:
            return None
        self._bytes += size if whole else 0
        if array is not None:
            copy = array.copy() if whole else array.reshape(-1)[sample_indices(array.size)]
            return Kept(_read_only(copy), dtype_name(tensor.dtype), array.shape, whole)
        try:
            return _copy_on_device(local_part(tensor), whole)
        except (RuntimeError, NotImplementedError, TypeError):
            return None


def whole_copy(copied: Copied | None) -> Array | None:
    """The copy's elements, if it is there and has all of them."""
    return copied.data if isinstance(copied, Kept) and copied.complete else None


def _copy_on_device(tensor: torch.Tensor, whole: bool) -> LateCopy | None:
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type == "meta" or not has_memory(tensor):
        return None
    data = tensor.detach()
    if whole:
        data = data.clone(memory_format=torch.contiguous_format)
    else:
        data = data.reshape(-1)[torch.from_numpy(sample_indices(tensor.numel())).to(tensor.device)]
    return LateCopy(data, dtype_name(tensor.dtype), tuple(tensor.shape))
