"""Looking at a CPU tensor's memory as a NumPy array, for a moment."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch._C import _to_dlpack as to_dlpack

Array = NDArray[np.generic]

_SEEN_BY_NUMPY = frozenset(
    (torch.float32, torch.float64, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
)
_PLAIN = frozenset((torch.Tensor, torch.nn.Parameter))
_DLPACK_CPU = (1, 0)
_FLOAT32, _STRIDED = torch.float32, torch.strided


_BEYOND = 1 << 40
"""An address above this cannot be the mere offset into a storage whose memory is not there."""


class _Capsule:
    """What ``numpy.from_dlpack`` asks for."""

    __slots__ = ("_capsule",)

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **wishes: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _DLPACK_CPU


def address_of(tensor: torch.Tensor) -> int:
    """Where a strided tensor's elements begin in memory; 0 where they are not there.

    Not through its storage: autograd adds in place to a gradient only while nothing else refers to that.
    """
    address = tensor.data_ptr()
    return 0 if address == tensor.storage_offset() * tensor.element_size() else address


def plain_address(tensor: torch.Tensor) -> int:
    """Where the elements of a plain float32 tensor on the CPU begin; 0 for any other, or where they are not there."""
    if tensor.dtype is not _FLOAT32 or type(tensor) not in _PLAIN or not tensor.is_cpu or tensor.layout is not _STRIDED:
        return 0
    address = tensor.data_ptr()
    if (address < _BEYOND and not address_of(tensor)) or tensor.is_neg():
        return 0
    return address


def has_memory(tensor: torch.Tensor) -> bool:
    """Whether a strided tensor's elements are there: FSDP gives the memory of what it has gathered back, and keeps the tensor."""
    try:
        if type(tensor) not in _PLAIN:
            return tensor.untyped_storage().nbytes() > 0 or tensor.numel() == 0
        return address_of(tensor) != 0 or tensor.numel() == 0
    except (RuntimeError, NotImplementedError):  # a tensor of functorch's has no storage
        return False


def local_part(tensor: torch.Tensor) -> torch.Tensor:
    """What this rank holds of a tensor that is spread over several (a DTensor); any other as it is."""
    local = None if type(tensor) in _PLAIN else getattr(tensor, "_local_tensor", None)
    return local if isinstance(local, torch.Tensor) else tensor


def host_array(tensor: torch.Tensor) -> Array | None:
    """The memory of a plain CPU tensor, or None for any other. It must not be written to, nor kept.

    Of bfloat16, which NumPy does not have, a float32 copy, in NumPy's memory: torch's is for the training.

    Not through ``Tensor.numpy``, which would mark the user's storage as one that cannot be resized.
    """
    if type(tensor) not in _PLAIN or not tensor.is_cpu or tensor.layout is not torch.strided:
        return None
    if tensor.dtype is torch.bfloat16:
        bits = _memory_of(tensor.detach().view(torch.int16))
        return None if bits is None else _widened(bits.view(np.uint16))
    return _memory_of(tensor) if tensor.dtype in _SEEN_BY_NUMPY else None


def _widened(bits: NDArray[np.uint16]) -> Array:
    if bits.size and not any(bits.strides):  # one element, seen many times
        return np.broadcast_to(_widened(bits.flat[:1]).reshape(()), bits.shape)
    wide = bits.astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32)


def _memory_of(tensor: torch.Tensor) -> Array | None:
    if tensor.is_neg() or not has_memory(tensor):
        return None
    try:
        array: Array = np.from_dlpack(_Capsule(to_dlpack(tensor)))
    except (RuntimeError, TypeError, BufferError):  # a tensor of functorch's has no memory of its own
        return None
    return array
