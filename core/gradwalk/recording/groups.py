"""A chunk group as bytes: Sync record, Chunk record with its messages, MessageIndex records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

from . import mcap
from .columns import Part
from .format import Channel, Flag, Opcode
from .mcap import CHUNK_HEAD, MESSAGE_HEAD, ChunkPlace
from .sync import Entry, Sync, pack_sync, sync_size


@dataclass(frozen=True, slots=True)
class Message:
    """One message, and what the directory says about it. ``time`` is nanoseconds since the epoch."""

    channel: Channel
    parts: Sequence[Part]
    time: int
    flag: Flag = Flag.NONE
    graph: int = -1
    step: int = -1
    steps: int = 0

    @property
    def size(self) -> int:
        """Bytes of its data."""
        return sum(map(len, self.parts))


@dataclass(slots=True)
class Group:
    """Messages that go into the file together. ``steps`` counts complete steps."""

    messages: list[Message] = field(default_factory=list)
    steps: int = 0
    first_step: int = -1

    @property
    def size(self) -> int:
        """Bytes of all messages."""
        return sum(message.size for message in self.messages)


@dataclass(frozen=True, slots=True)
class Placed:
    """A group as bytes for one place in the file."""

    parts: list[Part]
    sync: bytes
    """The content of its Sync record, for the index at the end."""
    offset: int
    chunk: ChunkPlace


def place(group: Group, offset: int) -> Placed:
    """The bytes of a group that starts at ``offset`` of its file, and where everything in it is."""
    records: list[Part] = []
    entries: list[Entry] = []
    index: dict[int, list[tuple[int, int]]] = {}
    size = 0
    for message in group.messages:
        length = message.size
        records.append(mcap.message_head(message.channel, message.step, message.time, length))
        records.extend(message.parts)
        index.setdefault(message.channel, []).append((message.time, size))
        data = CHUNK_HEAD + size + MESSAGE_HEAD
        entries.append(Entry(message.channel, message.flag, data, length, message.graph, message.step, message.steps))
        size += MESSAGE_HEAD + length
    crc = 0
    for part in records:
        crc = crc32(part, crc)
    start, end = min(m.time for m in group.messages), max(m.time for m in group.messages)
    indexes = {channel: mcap.message_index(channel, places) for channel, places in index.items()}
    index_length = sum(map(len, indexes.values()))
    sync = Sync(
        offset, sync_size(len(entries)), CHUNK_HEAD + size, index_length, crc, group.first_step, group.steps, tuple(entries)
    )
    packed_sync = pack_sync(sync)
    head = mcap.record(Opcode.SYNC, packed_sync) + mcap.chunk_head(start, end, size, crc)
    offsets: list[tuple[int, int]] = []
    at = sync.chunk + sync.chunk_length
    for channel, packed in indexes.items():
        offsets.append((channel, at))
        at += len(packed)
    chunk = ChunkPlace(sync.chunk, sync.chunk_length, start, end, size, tuple(offsets), index_length)
    return Placed([head, *records, b"".join(indexes.values())], packed_sync, offset, chunk)
