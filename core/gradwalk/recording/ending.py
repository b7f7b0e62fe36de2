"""The start and the end of a file: header, channels and run at the start; our index and the MCAP summary at the end."""

from __future__ import annotations

import json
import struct
import time
from array import array
from dataclasses import dataclass, field
from zlib import crc32

from .. import __version__
from . import mcap
from .columns import Part, zstd
from .format import MAGIC, PROFILE, VERSION, Channel
from .groups import Group, Placed
from .info import RunInfo

INDEX_NAME = "gradwalk.index"
INDEX_TYPE = "application/x-gradwalk-index"
MAX_INDEXED = 200_000
"""Above so many chunks a file is closed without an index: memory while recording stays bounded, and reading walks the chunks."""
_ENCODINGS = {Channel.GRAPH: "json+zstd"}


@dataclass(slots=True)
class Contents:
    """What has been written, as far as the end of the file needs it."""

    metadata: tuple[int, int] = (0, 0)
    syncs: list[bytes] = field(default_factory=list)
    chunk_indexes: list[bytes] = field(default_factory=list)
    messages: dict[int, int] = field(default_factory=dict)
    chunks: int = 0
    times: array[int] = field(default_factory=lambda: array("Q", (0, 0)))

    def add(self, group: Group, placed: Placed) -> None:
        """Note a group that has been written."""
        self.chunks += 1
        for message in group.messages:
            self.messages[message.channel] = self.messages.get(message.channel, 0) + 1
        start, end = placed.chunk.start_time, placed.chunk.end_time
        self.times = array("Q", (min(self.times[0] or start, start), max(self.times[1], end)))
        if self.chunks <= MAX_INDEXED:
            self.syncs.append(placed.sync)
            self.chunk_indexes.append(mcap.chunk_index(placed.chunk))
        else:
            self.syncs.clear()
            self.chunk_indexes.clear()


def _channels() -> bytes:
    return b"".join(mcap.channel(c, c.name.lower(), _ENCODINGS.get(c, "gradwalk-columns")) for c in Channel)


def signed(version: str, run: str) -> dict[str, str]:
    """The content of the Metadata record at the start: format version, run, and their CRC."""
    return {"format": version, "run": run, "crc": f"{crc32((version + run).encode()):08x}"}


def opening(info: RunInfo, contents: Contents) -> bytes:
    """The first bytes of a file."""
    start = MAGIC + mcap.header(PROFILE, f"gradwalk {__version__}")
    run = mcap.metadata(PROFILE, signed(VERSION, info.to_json()))
    contents.metadata = len(start), len(run)
    return start + run + _channels()


def closing(contents: Contents, offset: int, crc: int) -> list[Part]:
    """The last bytes of a file that is ``offset`` bytes long, with ``crc`` over all of them (0: unknown)."""
    attachment = _index(contents.syncs)
    data = attachment + mcap.data_end(crc32(attachment, crc) if crc else 0)
    summary = _summary(contents, offset, len(attachment))
    return [data, summary, mcap.footer(offset + len(data), summary), MAGIC]


def _index(syncs: list[bytes]) -> bytes:
    if not syncs:
        return b""
    lengths = array("I", map(len, syncs))
    raw = struct.pack(f"<{len(lengths)}I", *lengths) + b"".join(syncs)
    head = json.dumps({"format": VERSION, "groups": len(syncs), "bytes": len(raw)}).encode()
    data = struct.pack("<I", len(head)) + head + zstd().compress(raw)
    return mcap.attachment(INDEX_NAME, INDEX_TYPE, time.time_ns(), data)


def _summary(contents: Contents, attachment: int, length: int) -> bytes:
    attachments = 1 if length else 0
    records = [
        _channels(),
        mcap.statistics(
            contents.messages, contents.chunks, (contents.times[0], contents.times[1]), attachments=attachments, metadatas=1
        ),
        *contents.chunk_indexes,
        mcap.metadata_index(*contents.metadata, PROFILE),
    ]
    if attachments:
        size = length - 9 - 16 - 8 - 4 - len(mcap.text(INDEX_NAME)) - len(mcap.text(INDEX_TYPE))
        records.append(mcap.attachment_index(attachment, length, time.time_ns(), size, INDEX_NAME, INDEX_TYPE))
    return b"".join(records)
