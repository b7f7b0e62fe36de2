"""The Sync record: what stands before each chunk, so that a file is indexed without decoding and found again after damage.

Its content, little-endian: marker (16 bytes), major and minor version (u8), entries (u16), own offset in the file (u64), length
of the chunk record (u64), length of the MessageIndex records behind it (u32), CRC of the chunk's records (u32), first step (i64),
steps (u32), reserved (u32); then one entry per message: channel (u16), flag (u16), offset of its data from the start of the chunk
record (u32), length of its data (u32), graph number (i32), first step (i64), steps (u32), reserved (u32); then the CRC of all
that.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias
from zlib import crc32

from .format import MAJOR, MARKER, MAX_CHUNK, MAX_STEPS, MAX_SYNC, MINOR, Damaged
from .mcap import CHUNK_HEAD, MESSAGE_HEAD

HEAD = struct.Struct("<16sBBHQQIIqII")
ENTRY = struct.Struct("<HHIIiqI4x")
CRC = struct.Struct("<I")
LENGTHS, LENGTHS_AT = struct.Struct("<QI"), 28
"""The lengths of the chunk record and of the MessageIndex records behind it, and where they stand in the content."""


class Entry(NamedTuple):
    """One message of a chunk. ``offset`` is where its data starts, from the start of the chunk record."""

    channel: int
    flag: int
    offset: int
    length: int
    graph: int
    first_step: int
    steps: int


Row: TypeAlias = tuple[int, int, int, int, int, int, int]


class Sync(NamedTuple):
    """The head of a chunk group: Sync record, Chunk record, MessageIndex records."""

    offset: int
    """Where the Sync record starts in the file."""
    size: int
    """Length of the Sync record itself."""
    chunk_length: int
    index_length: int
    crc: int
    first_step: int
    steps: int
    entries: tuple[Row, ...]
    """Each an Entry, or a plain tuple of the same fields: a long run has a hundred thousand of them."""
    version: tuple[int, int] = (MAJOR, MINOR)

    @property
    def chunk(self) -> int:
        """Where the chunk record starts in the file."""
        return self.offset + self.size

    @property
    def end(self) -> int:
        """Where the next group starts."""
        return self.offset + self.size + self.chunk_length + self.index_length


def sync_size(entries: int) -> int:
    """Bytes of a Sync record with so many entries, its opcode and length included."""
    return 9 + HEAD.size + entries * ENTRY.size + CRC.size


def pack_sync(sync: Sync) -> bytes:
    """The content of a Sync record."""
    head = HEAD.pack(
        MARKER,
        *sync.version,
        len(sync.entries),
        sync.offset,
        sync.chunk_length,
        sync.index_length,
        sync.crc,
        sync.first_step,
        sync.steps,
        0,
    )
    body = head + b"".join(ENTRY.pack(*entry) for entry in sync.entries)
    return body + CRC.pack(crc32(body))


def read_sync(content: bytes, offset: int) -> Sync:
    """The Sync record that starts at ``offset`` of its file, from its content. Raises Damaged where anything is off."""
    if not HEAD.size + CRC.size <= len(content) <= MAX_SYNC or content[:16] != MARKER:
        raise Damaged("no Sync record")
    (crc,) = CRC.unpack_from(content, len(content) - CRC.size)
    if crc32(content[: -CRC.size]) != crc:
        raise Damaged("the CRC of a Sync record is wrong")
    _, major, minor, count, own, chunk_length, index_length, chunk_crc, first, steps, _ = HEAD.unpack_from(content)
    if own != offset:
        raise Damaged("a Sync record stands where it does not belong")
    if major == MAJOR and HEAD.size + count * ENTRY.size + CRC.size > len(content):
        raise Damaged("a Sync record has too few entries")
    if chunk_length > MAX_CHUNK + MAX_SYNC or index_length > MAX_SYNC or steps > MAX_STEPS:
        raise Damaged("a Sync record declares more than is allowed")
    size = 9 + len(content)
    rows = ENTRY.iter_unpack(content[HEAD.size : HEAD.size + count * ENTRY.size]) if major == MAJOR else ()
    entries: tuple[Row, ...] = tuple(rows)
    _check(entries, chunk_length)
    return Sync(offset, size, chunk_length, index_length, chunk_crc, first, steps, entries, (major, minor))


def _check(entries: tuple[Row, ...], chunk_length: int) -> None:
    """Messages stand one behind the other, so that no byte of a file is read as more than one of them."""
    free = CHUNK_HEAD
    for _, _, offset, length, _, _, steps in entries:
        if offset + length > chunk_length or steps > MAX_STEPS:
            raise Damaged("a Sync record points outside its chunk")
        if offset < free + MESSAGE_HEAD:
            raise Damaged("a Sync record names overlapping messages")
        free = offset + length
