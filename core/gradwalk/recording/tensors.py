"""Kept tensors as a block, one column each; read lazily: the names are known without decoding any."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..trace import Kept, TensorKey
from .columns import Block, Column, Header, Part, ReadAt, is_count, read_column, read_header, shuffled, zstd
from .dtypes import to_stored, widened
from .format import MAX_TEXT, Damaged, Encoding, RecordingError
from .samples import sample_of

Array: TypeAlias = NDArray[Any]
Tensors: TypeAlias = Mapping[TensorKey, Kept]
PROBE = 4096
BLOCK_BYTES, BLOCK_TENSORS = 1 << 20, 1 << 14
"""A block of tensors is closed at this size and this number."""
TENSOR_BYTES = 60 << 20
"""Of a tensor larger than this a sample is stored."""
_KINDS: Mapping[str, Literal["value", "gradient", "mask"]] = {"v": "value", "g": "gradient", "m": "mask"}
"""By the first letter of their columns; a reader leaves out columns of kinds that it does not know."""


def bytes_of(tensors: Tensors) -> int:
    """How many bytes tensors take."""
    size = getattr(tensors, "nbytes", None)  # of those that are copied together, without making each
    return size if isinstance(size, int) else sum(kept.data.nbytes for kept in tensors.values())


def is_too_large(kept: Kept) -> bool:
    """Whether a tensor is too large to be stored in full."""
    return kept.data.nbytes > TENSOR_BYTES


def blocks_of(step: int, tensors: Tensors) -> Generator[list[Part], None, list[TensorKey]]:
    """The blocks that hold a step's tensors, made one by one, and at the end the keys of those that cannot be stored."""
    refused: list[TensorKey] = []
    block, size = Block(), 0
    rows: dict[str, Any] = {}
    for key, tensor in tensors.items():
        kept = sample_of(tensor) if is_too_large(tensor) else tensor
        stored = to_stored(kept.data, kept.dtype)
        if stored is None or len(kept.dtype) > 64:
            refused.append(key)
            continue
        if len(rows) == BLOCK_TENSORS or (size and size + stored[1].nbytes > BLOCK_BYTES):
            yield _finished(block, step, rows)
            block, rows, size = Block(), {}, 0
        code, array = stored
        name = f"{key[0][0]}{key[1]}"
        block.add(name, array, code, encoding=_encoding_for(array))
        rows[name] = [kept.dtype, list(kept.shape), kept.complete]
        size += array.nbytes
    if rows:
        yield _finished(block, step, rows)
    return refused


def _finished(block: Block, step: int, rows: dict[str, Any]) -> list[Part]:
    block.meta.update(step=step, tensors=rows)
    return block.parts()


def _encoding_for(array: Array) -> Encoding:
    """Shuffled and compressed where a probe from the middle shrinks by a quarter or more."""
    flat = array.reshape(-1)
    count = PROBE // array.dtype.itemsize
    start = max(0, (flat.size - count) // 2)
    probe = np.ascontiguousarray(flat[start : start + count])
    return Encoding.SHUFFLED if len(zstd().compress(shuffled(probe))) <= probe.nbytes * 3 // 4 else Encoding.RAW


class DamagedTensorError(RecordingError, KeyError):
    """A tensor whose bytes are damaged: as if it had not been kept, for those who ask with ``get``."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class LazyTensors(Mapping[TensorKey, Kept]):
    """The tensors of one step, from one or more blocks of a file; a later block replaces what an earlier one holds.

    ``sources`` are the blocks as ``(read, length)``. Nothing is read before the first look; then the headers, and each tensor
    when it is asked for. Indexing raises RecordingError (which is a KeyError here) for a tensor whose bytes are damaged;
    ``damaged`` is called with what was found.
    """

    def __init__(self, sources: list[tuple[ReadAt, int]], where: str, damaged: Callable[[str], None]) -> None:
        self._sources = sources
        self._where = where
        self._damaged = damaged
        self._table: dict[TensorKey, _Place] | None = None

    def __getitem__(self, key: TensorKey) -> Kept:
        place = self._places()[key]
        try:
            return place.kept()
        except Damaged as error:
            self._damaged(str(error))
            raise DamagedTensorError(self._where, f"the {key[0]} tensor {key[1]} is damaged: {error}") from error

    def __iter__(self) -> Iterator[TensorKey]:
        return iter(self._places())

    def __len__(self) -> int:
        return len(self._places())

    def __contains__(self, key: object) -> bool:
        return key in self._places()

    def _places(self) -> dict[TensorKey, _Place]:
        if self._table is None:
            self._table = {}
            for read, length in self._sources:
                self._table.update(self._read_table(read, length))
        return self._table

    def _read_table(self, read: ReadAt, length: int) -> dict[TensorKey, _Place]:
        try:
            return _table_of(read, length)
        except Damaged as error:
            self._damaged(str(error))
            return {}


class _Place:
    __slots__ = ("column", "complete", "dtype", "header", "read", "shape")

    def __init__(self, read: ReadAt, header: Header, column: Column, row: Any) -> None:
        if not isinstance(row, list) or len(row) < 3:
            raise Damaged("a tensor's description is malformed")
        dtype, shape, complete = row[:3]
        if not isinstance(dtype, str) or len(dtype) > MAX_TEXT or type(complete) is not bool:
            raise Damaged("a tensor's description is malformed")
        if not isinstance(shape, list) or len(shape) > 64 or not all(is_count(size) for size in shape):
            raise Damaged("a tensor's shape is malformed")
        self.read, self.header, self.column = read, header, column
        self.dtype, self.shape, self.complete = dtype, tuple(shape), complete

    def kept(self) -> Kept:
        array = widened(read_column(self.read, self.header, self.column.name), self.column.dtype)
        try:
            array = array.reshape(self.shape) if self.complete else array.reshape(-1)
        except ValueError as error:
            raise Damaged("a tensor has another size than its shape") from error
        array.flags.writeable = False
        return Kept(array, self.dtype, self.shape, self.complete)


def _table_of(read: ReadAt, length: int) -> dict[TensorKey, _Place]:
    header = read_header(read, length)
    rows = header.meta.get("tensors")
    if not isinstance(rows, dict):
        raise Damaged("a block of tensors is malformed")
    places: dict[TensorKey, _Place] = {}
    for name, column in header.columns.items():
        key = _key(name)
        if key is not None:
            places[key] = _Place(read, header, column, rows.get(name))
    return places


def _key(name: str) -> TensorKey | None:
    kind, number = _KINDS.get(name[:1]), name[1:]
    if kind is None or not number.isascii() or not number.isdigit() or len(number) > 9:
        return None
    return kind, int(number)
