"""The small tensors of a followed step for the ring of the last steps, in one piece of memory that is used again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from ..recording.retention import SMALL_BYTES
from ..trace import Kept, Shape, TensorKey
from .host import address_of, host_array
from .strips import FLOAT, move
from .values import dtype_name

_FLOATS = SMALL_BYTES // FLOAT


class Pool:
    """Pieces of memory that a step that left the ring gave back."""

    def __init__(self) -> None:
        self._free: list[NDArray[np.float32]] = []

    def take(self, floats: int) -> NDArray[np.float32]:
        """A piece of at least so many elements."""
        for place, piece in enumerate(self._free):
            if floats <= piece.size <= 2 * floats + _FLOATS:
                return self._free.pop(place)
        self._free.clear()
        return np.empty(floats, np.float32)

    def give_back(self, piece: NDArray[np.float32]) -> None:
        """Nobody reads it any more."""
        if len(self._free) < 2:
            self._free.append(piece)


class KeptStrip:
    """The tensors of one step, up to a number of elements in all."""

    def __init__(self, pool: Pool, floats: int, most: int) -> None:
        self._pool = pool
        self._room = floats
        self._most = most
        self._piece: NDArray[np.float32] | None = pool.take(floats)
        self._address = self._piece.ctypes.data
        self._used = 0
        self._places: dict[TensorKey, tuple[int, Shape]] = {}
        self._others: dict[TensorKey, Kept] = {}

    def add(self, key: TensorKey, tensor: torch.Tensor) -> None:
        """Copy a tensor of up to ``most`` elements, while there is room."""
        size = tensor.numel()
        if size > self._most or self._used + size > self._room:
            return
        if tensor.dtype is torch.float32 and tensor.is_cpu and tensor.is_contiguous() and size:
            address = address_of(tensor)
            if not address:
                return
            move(self._address + FLOAT * self._used, address, FLOAT * size)
            self._places[key] = self._used, tuple(tensor.shape)
            self._used += size
            return
        array = host_array(tensor)
        if array is not None and array.nbytes <= SMALL_BYTES:
            self._others[key] = Kept(_read_only(array.copy()), dtype_name(tensor.dtype), array.shape)
            self._used += array.nbytes // FLOAT

    def tensors(self) -> KeptTensors:
        """What was copied; from now on the memory is its own."""
        piece, self._piece = self._piece, None
        assert piece is not None
        return KeptTensors(self._pool, piece, self._places, self._others)


class KeptTensors(Mapping[TensorKey, Kept]):
    """The kept tensors of a step, made when somebody asks; where nobody did, the memory goes back to the pool at the end."""

    def __init__(
        self,
        pool: Pool,
        piece: NDArray[np.float32],
        places: dict[TensorKey, tuple[int, Shape]],
        others: dict[TensorKey, Kept],
    ) -> None:
        self._pool, self._piece, self._places, self._others = pool, piece, places, others
        self._shown = False

    @property
    def nbytes(self) -> int:
        """How many bytes they hold."""
        return self._piece.nbytes + sum(kept.data.nbytes for kept in self._others.values())

    def __getitem__(self, key: TensorKey) -> Kept:
        if key not in self._places:
            return self._others[key]
        self._shown = True
        start, shape = self._places[key]
        size = 1
        for length in shape:
            size *= length
        return Kept(_read_only(self._piece[start : start + size].reshape(shape)), "float32", shape)

    def __iter__(self) -> Iterator[TensorKey]:
        yield from self._places
        yield from self._others

    def __len__(self) -> int:
        return len(self._places) + len(self._others)

    def __del__(self) -> None:
        if not self._shown:
            self._pool.give_back(self._piece)


def _read_only(array: NDArray[np.generic]) -> NDArray[np.generic]:
    array.flags.writeable = False
    return array
