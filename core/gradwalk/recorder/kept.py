"""The small tensors of a followed step for the ring of the last steps, in one piece of memory that is used again."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from ..recording.retention import SMALL_BYTES
from ..trace import Kept, Shape, TensorKey
from .host import host_array, plain_address
from .kernel import FLOAT
from .values import dtype_name

SMALL = SMALL_BYTES // FLOAT
"""Elements of the largest tensor that is kept."""


class Pool:
    """Pieces of memory that a step that left the ring gave back."""

    def __init__(self) -> None:
        self._free: list[NDArray[np.float32]] = []

    def take(self, floats: int) -> NDArray[np.float32]:
        """A piece of at least so many elements."""
        for place, piece in enumerate(self._free):
            if floats <= piece.size <= 2 * floats + SMALL:
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
        self._places: dict[int, tuple[int, Shape]] = {}
        self._others: dict[int, Kept] = {}
        self._masks: dict[int, Kept] = {}

    def place(self, column: int, tensor: torch.Tensor, size: int) -> int:
        """The address at which the elements of a float32 tensor of this size are to be kept; 0 where there is no room."""
        used = self._used
        if size > self._most or used + size > self._room:
            return 0
        self._places[column] = used, tensor.shape
        self._used = used + size
        return self._address + FLOAT * used

    def add(self, column: int, tensor: torch.Tensor) -> None:
        """Copy a tensor of up to ``most`` elements, while there is room."""
        size = tensor.numel()
        if size > self._most or self._used + size > self._room:
            return
        address = plain_address(tensor)
        if address and size and tensor.is_contiguous():
            ctypes.memmove(self.place(column, tensor, size), address, FLOAT * size)
            return
        array = host_array(tensor)
        if array is None or array.nbytes > SMALL_BYTES:
            return
        if tensor.dtype is torch.float32 and size:
            assert self._piece is not None
            self._piece[self._used : self._used + size].reshape(array.shape)[...] = array
            self._places[column] = self._used, array.shape
            self._used += size
        else:
            self._others[column] = Kept(_read_only(array.copy()), dtype_name(tensor.dtype), array.shape)
            self._used += array.nbytes // FLOAT

    def add_mask(self, op: int, noise: torch.Tensor) -> None:
        """Copy which elements of a small tensor are not 0: what an op kept."""
        array = host_array(noise) if noise.numel() <= SMALL_BYTES else None
        if array is not None:
            self._masks[op] = Kept(_read_only(np.asarray(array != 0)), "bool", array.shape)

    def tensors(self, values: int) -> KeptTensors:
        """What was copied, of so many Values and of the edges behind them; from now on the memory is its own."""
        piece, self._piece = self._piece, None
        assert piece is not None
        places = {_key(column, values): place for column, place in self._places.items()}
        others = {_key(column, values): kept for column, kept in self._others.items()}
        others |= {("mask", op): kept for op, kept in self._masks.items()}
        return KeptTensors(self._pool, piece, places, others)


def _key(column: int, values: int) -> TensorKey:
    return ("value", column) if column < values else ("gradient", column - values)


class KeptTensors(Mapping[TensorKey, Kept]):
    """The kept tensors of a step, made when somebody asks; where nobody did, the memory goes back to the pool at the end."""

    _shown = True

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
        return Kept(_read_only(self._piece[start : start + size].reshape(shape)), "float32", tuple(shape))

    def __iter__(self) -> Iterator[TensorKey]:
        yield from self._places
        yield from self._others

    def __len__(self) -> int:
        return len(self._places) + len(self._others)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            if not self._shown:
                self._pool.give_back(self._piece)


def _read_only(array: NDArray[np.generic]) -> NDArray[np.generic]:
    array.flags.writeable = False
    return array
