"""A block of named columns: a small checked header, then each column's bytes with their own CRC.

Every message of ours that holds arrays is such a block. It reads column by column, so one tensor of a large step, or one
statistic of a batch, comes without the rest.
"""

from __future__ import annotations

import json
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias, cast
from zlib import crc32

import numpy as np
import zstandard
from numpy.typing import NDArray

from .dtypes import STORED, DType
from .format import MAX_CHUNK, MAX_HEADER, MAX_RATIO, MAX_TEXT, RATIO_FROM, Damaged, Encoding

Part: TypeAlias = bytes | memoryview
Array: TypeAlias = NDArray[Any]
ReadAt: TypeAlias = Callable[[int, int], bytes]
"""``read(offset, length)`` within a block; raises Damaged where that is not there."""

HEAD = struct.Struct("<4sIII")
BLOCK_MAGIC = b"GWC1"
HEAD_GUESS = 4096
PACK_BYTES = 1 << 20
"""So many bytes of columns are compressed at once."""
IN_ONE_GO = 32 << 10
"""Bytes that are put in order without letting other threads run: what a training that computes makes us wait takes longer."""
BY_PLANE = 1500
"""So many elements are put together byte by byte faster than all at once."""
MAX_FLOAT = sys.float_info.max
_thread = threading.local()


@dataclass(frozen=True, slots=True)
class Column:
    """Where a column is in its block, and what it is."""

    name: str
    dtype: DType
    encoding: Encoding
    shape: tuple[int, ...]
    offset: int
    stored: int
    crc: int

    @property
    def raw(self) -> int:
        """Bytes of the column when decoded."""
        return prod(self.shape) * STORED[self.dtype].itemsize


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a block: free ``meta`` data and the columns by name. ``payload`` is where column offsets count from."""

    meta: dict[str, Any]
    columns: dict[str, Column]
    payload: int
    gain: int = 0
    """Bytes by which the header's text grew when it was expanded."""
    skipped: tuple[str, ...] = ()
    """Names of the columns whose type or encoding this version does not know."""


class Block:
    """Collects columns, then gives the block as parts that are written one after the other."""

    def __init__(self, **meta: Any) -> None:
        self.meta = meta
        self._rows: list[list[Any]] = []
        self._parts: list[Part] = []
        self._size = 0
        self._loose: list[tuple[list[Any], Part | None, Part | None]] = []
        self._unpacked = 0

    def add(self, name: str, array: Array, code: DType, *, encoding: Encoding = Encoding.SHUFFLED) -> None:
        """Add a column: an array as stored, C-contiguous. A column that does not shrink stays raw."""
        planes = shuffled(array) if encoding is Encoding.SHUFFLED else None
        self._add([name, int(code), list(array.shape)], as_bytes(array), planes)

    def add_planes(self, name: str, planes: NDArray[np.uint8], code: DType) -> None:
        """Add a column that is shuffled already: uint8 ``[bytes of an element, *shape]``, C-contiguous."""
        self._add([name, int(code), list(planes.shape[1:])], None, as_bytes(planes))

    def _add(self, row: list[Any], raw: Part | None, planes: Part | None) -> None:
        self._loose.append((row, raw, planes))
        self._unpacked += len(planes or raw or b"")
        if self._unpacked >= PACK_BYTES:
            self._pack()

    def _pack(self) -> None:
        """Place what was added since the last time, compressed in one call: each call waits for a training that computes."""
        loose, self._loose, self._unpacked = self._loose, [], 0
        frames = iter(compressed([planes for _, _, planes in loose if planes is not None]))
        for (name, code, shape), raw, planes in loose:
            part, encoding = raw, Encoding.RAW
            if planes is not None:
                part, encoding = next(frames), Encoding.SHUFFLED
                if len(part) >= len(planes):
                    part, encoding = raw if raw is not None else _unshuffled(planes, STORED[DType(code)].itemsize), Encoding.RAW
            assert part is not None
            self._rows.append([name, code, int(encoding), shape, self._size, len(part), crc32(part)])
            self._parts.append(part)
            self._size += len(part)

    def parts(self) -> list[Part]:
        """The finished block."""
        self._pack()
        text = json.dumps({"meta": self.meta, "columns": self._rows}, separators=(",", ":"), allow_nan=False).encode()
        packed = zstd().compress(text)
        return [HEAD.pack(BLOCK_MAGIC, len(packed), len(text), crc32(packed)) + packed, *self._parts]


def compressed(texts: list[Part]) -> list[Part]:
    """A frame of each text, all in one call."""
    if not any(texts):  # which one call for all does not take
        return [zstd().compress(text) for text in texts]
    frames = zstd().multi_compress_to_buffer(cast(Any, texts))
    return [memoryview(cast(Any, frames[i])) for i in range(len(texts))]


def zstd() -> zstandard.ZstdCompressor:
    """The compressor of the calling thread, level 1."""
    if not hasattr(_thread, "compressor"):
        _thread.compressor = zstandard.ZstdCompressor(level=1)
    return cast(zstandard.ZstdCompressor, _thread.compressor)


def _unzstd() -> zstandard.ZstdDecompressor:
    if not hasattr(_thread, "decompressor"):
        _thread.decompressor = zstandard.ZstdDecompressor()
    return cast(zstandard.ZstdDecompressor, _thread.decompressor)


def expand(packed: bytes, size: int, limit: int) -> bytes:
    """Decompress exactly ``size`` bytes. Raises Damaged where it is more than ``limit`` or the frame says another size."""
    if size > limit:
        raise Damaged(f"{size:,} bytes declared where at most {limit:,} are allowed")
    try:
        if zstandard.frame_content_size(packed) != size:
            raise Damaged("a compressed block says another size than its header")
        raw = _unzstd().decompress(packed, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Damaged(f"a compressed block does not expand: {error}") from error
    if len(raw) != size:
        raise Damaged("a compressed block gave another size than declared")
    return raw


def expand_text(packed: bytes, size: int, limit: int) -> bytes:
    """The same for JSON, which takes twenty times its size in memory once it is parsed: little may not stand for much."""
    if size > max(RATIO_FROM, MAX_RATIO * len(packed)):
        raise Damaged(f"{size:,} bytes of text are said to be in {len(packed):,}")
    return expand(packed, size, limit)


def as_bytes(array: Array) -> memoryview:
    """The bytes of a C-contiguous array, without a copy."""
    return memoryview(array.reshape(-1).view(np.uint8).data) if array.size else memoryview(b"")


def shuffled(array: Array) -> bytes:
    """The bytes of an array, all first bytes first."""
    size = array.dtype.itemsize
    if array.nbytes <= IN_ONE_GO:
        raw = array.tobytes()
        return b"".join([raw[place::size] for place in range(size)])
    planes: NDArray[np.uint8] = array.reshape(-1).view(np.uint8).reshape(-1, size).T
    return planes.tobytes()


def read_header(read: ReadAt, length: int, limit: int = MAX_CHUNK, text_limit: int = MAX_HEADER) -> Header:
    """The header of a block of ``length`` bytes; ``limit`` bounds what its columns may expand to together, ``text_limit`` itself.

    Raises Damaged.
    """
    first = read(0, min(length, HEAD_GUESS))
    if len(first) < HEAD.size:
        raise Damaged("a block is cut short")
    magic, packed_size, size, crc = HEAD.unpack_from(first)
    if magic != BLOCK_MAGIC or HEAD.size + packed_size > length:
        raise Damaged("this is no block of columns")
    end = HEAD.size + packed_size
    packed = first[HEAD.size : end] if end <= len(first) else read(HEAD.size, packed_size)
    if crc32(packed) != crc:
        raise Damaged("the CRC of a block's header is wrong")
    record = read_json(expand_text(packed, size, text_limit))
    if not isinstance(record, dict) or not isinstance(record.get("meta"), dict) or not isinstance(record.get("columns"), list):
        raise Damaged("a block's header is malformed")
    columns, skipped = _columns(record["columns"], length - end, limit)
    return Header(record["meta"], columns, end, size - packed_size, skipped)


def _columns(rows: list[Any], room: int, limit: int) -> tuple[dict[str, Column], tuple[str, ...]]:
    columns: dict[str, Column] = {}
    skipped: list[str] = []
    total = 0
    for row in rows:
        column = _column(row, room)
        if isinstance(column, str):
            skipped.append(column)
            continue
        total += column.raw
        if total > limit or column.name in columns:
            raise Damaged("a block declares more than is allowed, or a column twice")
        columns[column.name] = column
    return columns, tuple(skipped)


def _column(row: Any, room: int) -> Column | str:
    if not isinstance(row, list) or len(row) < 7:
        raise Damaged("a column's description is malformed")
    name, code, encoding, shape, offset, stored, crc = row[:7]
    if not isinstance(name, str) or len(name) > MAX_TEXT or not all(is_count(x) for x in (code, encoding, offset, stored, crc)):
        raise Damaged("a column's description is malformed")
    if code not in STORED or encoding not in (Encoding.RAW, Encoding.SHUFFLED):
        return name
    if not isinstance(shape, list) or len(shape) > 32 or not all(is_count(x) for x in shape) or offset + stored > room:
        raise Damaged("a column's description is malformed")
    return Column(name, DType(code), Encoding(encoding), tuple(shape), offset, stored, crc)


def is_count(x: object) -> bool:
    """Whether a number from a file is a plain integer from 0 to 2**40."""
    return type(x) is int and 0 <= x <= 1 << 40


def is_number(x: object) -> bool:
    """Whether a number from a file is one that a float can hold."""
    return type(x) in (int, float) and -MAX_FLOAT <= cast(float, x) <= MAX_FLOAT


def read_column(read: ReadAt, header: Header, name: str) -> Array:
    """One column, read-only. Raises Damaged where it is missing, its CRC is wrong or it does not expand to its shape."""
    column = header.columns.get(name)
    if column is None:
        raise Damaged(f"the column {name!r} is missing")
    data: Part = read(header.payload + column.offset, column.stored)
    if crc32(data) != column.crc:
        raise Damaged(f"the CRC of the column {name!r} is wrong")
    if column.encoding is Encoding.SHUFFLED:
        data = _unshuffled(expand(bytes(data), column.raw, MAX_CHUNK), STORED[column.dtype].itemsize)
    if len(data) != column.raw:
        raise Damaged(f"the column {name!r} has another size than declared")
    try:
        return np.frombuffer(data, dtype=STORED[column.dtype]).reshape(column.shape)
    except ValueError as error:
        raise Damaged(f"the column {name!r} has an impossible shape") from error


def _unshuffled(raw: Part, itemsize: int) -> Part:
    planes: NDArray[np.uint8] = np.frombuffer(raw, np.uint8).reshape(itemsize, -1)
    if planes.shape[1] < BY_PLANE:
        return bytes(planes.T.tobytes())
    elements: NDArray[np.uint8] = np.empty((planes.shape[1], itemsize), np.uint8)
    for place, plane in enumerate(planes):
        elements[:, place] = plane
    elements.flags.writeable = False
    return memoryview(elements.reshape(-1).data)


def read_json(text: bytes) -> Any:
    """JSON without NaN or Infinity. Raises Damaged."""
    try:
        return _JSON.decode(str(text, "utf-8"))
    except (ValueError, RecursionError, UnicodeDecodeError) as error:
        raise Damaged("a header is no JSON") from error


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_JSON = json.JSONDecoder(parse_constant=_refuse)


def reader_of(block: bytes) -> ReadAt:
    """Read from a block that is in memory."""

    def read(offset: int, length: int) -> bytes:
        part = block[offset : offset + length]
        if len(part) != length:
            raise Damaged("a block is cut short")
        return part

    return read
