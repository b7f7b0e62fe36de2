"""MCAP records as bytes: what is needed to write a file that any MCAP reader reads, and to find our way in one."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from .columns import Part
from .format import MAX_TEXT, Damaged, Opcode

RECORD = struct.Struct("<BQ")
MESSAGE = struct.Struct("<HIQQ")
CHUNK = struct.Struct("<QQQIIQ")
"""A chunk's start and end time, size, CRC, an empty compression string, and the size of what follows."""
FOOTER = struct.Struct("<QQI")


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """Where a chunk is in the file, for the summary at its end."""

    offset: int
    length: int
    start_time: int
    end_time: int
    size: int
    index_offsets: tuple[tuple[int, int], ...]
    """Per channel, where its MessageIndex record starts."""
    index_length: int


def record(opcode: Opcode, content: bytes) -> bytes:
    """One record."""
    return RECORD.pack(opcode, len(content)) + content


def text(value: str) -> bytes:
    """A string with its length."""
    encoded = value.encode("utf-8", "replace")
    return struct.pack("<I", len(encoded)) + encoded


def _map(entries: Mapping[str, str]) -> bytes:
    content = b"".join(text(key) + text(value) for key, value in entries.items())
    return struct.pack("<I", len(content)) + content


def header(profile: str, library: str) -> bytes:
    """The first record of a file."""
    return record(Opcode.HEADER, text(profile) + text(library))


def channel(number: int, topic: str, encoding: str) -> bytes:
    """A channel without a schema."""
    return record(Opcode.CHANNEL, struct.pack("<HH", number, 0) + text(topic) + text(encoding) + _map({}))


def metadata(name: str, entries: Mapping[str, str]) -> bytes:
    """A Metadata record."""
    return record(Opcode.METADATA, text(name) + _map(entries))


def metadata_index(offset: int, length: int, name: str) -> bytes:
    """Where a Metadata record is."""
    return record(Opcode.METADATA_INDEX, struct.pack("<QQ", offset, length) + text(name))


def message_head(channel_id: int, sequence: int, time: int, size: int) -> bytes:
    """Everything of a Message record before its ``size`` bytes of data."""
    return RECORD.pack(Opcode.MESSAGE, MESSAGE.size + size) + MESSAGE.pack(channel_id, sequence & 0xFFFFFFFF, time, time)


def chunk_head(start: int, end: int, size: int, crc: int) -> bytes:
    """Everything of an uncompressed Chunk record before its ``size`` bytes of records."""
    return RECORD.pack(Opcode.CHUNK, CHUNK.size + size) + CHUNK.pack(start, end, size, crc, 0, size)


CHUNK_HEAD = RECORD.size + CHUNK.size
MESSAGE_HEAD = RECORD.size + MESSAGE.size


def message_index(channel_id: int, entries: Sequence[tuple[int, int]]) -> bytes:
    """The (time, offset within the chunk's records) of a channel's messages in a chunk."""
    packed = b"".join(struct.pack("<QQ", time, offset) for time, offset in entries)
    return record(Opcode.MESSAGE_INDEX, struct.pack("<HI", channel_id, len(packed)) + packed)


def chunk_index(place: ChunkPlace) -> bytes:
    """The summary's record of a chunk."""
    offsets = b"".join(struct.pack("<HQ", channel_id, offset) for channel_id, offset in place.index_offsets)
    return record(
        Opcode.CHUNK_INDEX,
        struct.pack("<QQQQI", place.start_time, place.end_time, place.offset, place.length, len(offsets))
        + offsets
        + struct.pack("<Q", place.index_length)
        + text("")
        + struct.pack("<QQ", place.size, place.size),
    )


def attachment(name: str, media_type: str, time: int, data: bytes) -> bytes:
    """An Attachment record with its CRC."""
    content = struct.pack("<QQ", time, time) + text(name) + text(media_type) + struct.pack("<Q", len(data)) + data
    return record(Opcode.ATTACHMENT, content + struct.pack("<I", crc32(content)))


def attachment_index(offset: int, length: int, time: int, size: int, name: str, media_type: str) -> bytes:
    """Where an attachment is."""
    return record(
        Opcode.ATTACHMENT_INDEX, struct.pack("<QQQQQ", offset, length, time, time, size) + text(name) + text(media_type)
    )


def statistics(channels: Mapping[int, int], chunks: int, times: tuple[int, int], *, attachments: int, metadatas: int) -> bytes:
    """The summary's counts; ``channels`` are messages per channel."""
    counts = b"".join(struct.pack("<HQ", number, count) for number, count in channels.items())
    head = struct.pack("<QHIIII", sum(channels.values()), 0, len(channels), attachments, metadatas, chunks)
    return record(Opcode.STATISTICS, head + struct.pack("<QQI", *times, len(counts)) + counts)


def data_end(crc: int) -> bytes:
    """The end of the data; ``crc`` is over the file up to here, or 0 for unknown."""
    return record(Opcode.DATA_END, struct.pack("<I", crc))


def footer(summary_start: int, summary: Part) -> bytes:
    """The last record; its CRC covers the summary and its own first fields."""
    head = RECORD.pack(Opcode.FOOTER, FOOTER.size) + struct.pack("<QQ", summary_start, 0)
    return head + struct.pack("<I", crc32(head, crc32(summary)))


def read_text(content: bytes, offset: int) -> tuple[str, int]:
    """A string and where the next thing starts. Raises Damaged."""
    if offset + 4 > len(content):
        raise Damaged("a record is cut short")
    (length,) = struct.unpack_from("<I", content, offset)
    end = offset + 4 + length
    if length > MAX_TEXT or end > len(content):
        raise Damaged("a string in a record is too long")
    return content[offset + 4 : end].decode("utf-8", "replace"), end


def read_map(content: bytes, offset: int) -> dict[str, str]:
    """A map of strings. Raises Damaged."""
    if offset + 4 > len(content):
        raise Damaged("a record is cut short")
    (length,) = struct.unpack_from("<I", content, offset)
    place, end = offset + 4, offset + 4 + length
    if end > len(content):
        raise Damaged("a map in a record is too long")
    entries: dict[str, str] = {}
    while place < end:
        key, place = read_text(content, place)
        entries[key], place = read_text(content, place)
    return entries
