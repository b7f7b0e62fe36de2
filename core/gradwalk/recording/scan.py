"""Finding the chunk groups of a file: by its index where it has one, else from Sync to Sync; it can grow while we look."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from . import mcap
from .access import Access
from .columns import expand, is_count, read_json
from .ending import INDEX_NAME, signed
from .format import (
    MAGIC,
    MAJOR,
    MARKER,
    MAX_FOREIGN,
    MAX_HEADER,
    MAX_SYNC,
    MINOR,
    PROFILE,
    Damaged,
    Gap,
    NewerVersionError,
    Opcode,
)
from .mcap import RECORD
from .runs import PLAIN, Run, read_plain
from .sync import LENGTHS, LENGTHS_AT, Sync, read_sync, sync_size

WINDOW = 1024
SEARCH = 1 << 20
MAX_CHECKED = 256 << 20
"""How many bytes that look like Sync records and are none a search reads before it gives up."""
MAX_INDEX = 256 << 20
TOGETHER = 4096
"""How many groups are looked for before what was found is checked."""
MAX_STUMBLES = 8
_PLAIN_SYNC = RECORD.pack(Opcode.SYNC, PLAIN) + MARKER
_TAIL = RECORD.size + mcap.FOOTER.size + len(MAGIC)
_SKIPPED = frozenset(Opcode) - {Opcode.SYNC, Opcode.CHUNK, Opcode.DATA_END, Opcode.FOOTER, Opcode.MESSAGE_INDEX}


@dataclass(slots=True)
class Scan:
    """Where we are in a file. ``end`` is where the next record is expected, ``closed`` whether the writer finished the file."""

    access: Access
    end: int = len(MAGIC)
    closed: bool = False
    gaps: list[Gap] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    profile: str = ""
    channels: dict[int, str] = field(default_factory=dict)
    _searched: int = 0
    _stumbles: int = 0
    """How often the way ahead led to damage; somebody may mean it to."""
    _foreign: int = 0
    """How many records since the last group were none of ours."""

    @property
    def newer(self) -> bool:
        """Whether a newer minor version wrote the file, so that it may hold records that we do not know."""
        major, _, minor = self.metadata.get("format", "").partition(".")
        older = minor.isascii() and minor.isdigit() and int(minor[:6]) <= MINOR
        return major == str(MAJOR) and not older

    def advance(self) -> list[Sync | Run]:
        """The groups that are there now and were not before. Raises RecordingError for a newer major version."""
        found: list[Sync | Run] = []
        size = self.access.size
        while not self.closed and self.end + RECORD.size <= size:
            try:
                sync, end = self._record(self.end, size)
            except Damaged as error:
                sync, end = self._after_damage(size, str(error))
            if end is None:
                break
            self.end = end
            self._foreign += 1
            if sync is not None:
                self._foreign = 0
                found.append(_ours(sync, self.access))
                self._ahead(size, found)
        return found

    def _ahead(self, size: int, found: list[Sync | Run]) -> None:
        """Go on over plain groups: from head to head, then all of them are checked together. What is damaged is not passed."""
        contents, offsets = self._heads(size)
        while offsets and self._stumbles < MAX_STUMBLES:
            try:
                for one in read_plain(b"".join(contents), np.array(offsets, np.int64)):
                    found.append(one if isinstance(one, Run) else _ours(one, self.access))
                    self.end = one.end
            except Damaged:
                self._stumbles += 1
                return
            contents, offsets = self._heads(size)

    def _heads(self, size: int) -> tuple[list[bytes], list[int]]:
        """Contents and places of the next Sync records that may be those of plain groups, unchecked."""
        contents: list[bytes] = []
        offsets: list[int] = []
        at, whole = self.end, RECORD.size + PLAIN
        while len(offsets) < TOGETHER and at + whole <= size:
            head = self.access.up_to(at, whole)
            if len(head) < whole or not head.startswith(_PLAIN_SYNC):
                break
            chunk, index = LENGTHS.unpack_from(head, RECORD.size + LENGTHS_AT)
            end = at + whole + chunk + index
            if end > size:
                break
            contents.append(head[RECORD.size :])
            offsets.append(at)
            at = end
        return contents, offsets

    def by_index(self) -> list[Sync | Run] | None:
        """All groups at once, from the index of a finished file; None where there is no good one."""
        try:
            packed = _find_index(self.access)
            syncs = None if packed is None else _syncs_of(packed, self.access.size)
        except Damaged:
            return None
        if syncs is None:
            return None
        self._opening(syncs[0].offset if syncs else self.access.size)
        self.closed, self.end = True, self.access.size
        alone = [sync for sync in syncs if isinstance(sync, Sync)]
        if alone:
            _ours(max(alone, key=_version_of), self.access)
        return syncs

    def _opening(self, until: int) -> None:
        """Read the records before the first group."""
        try:
            while self.end + RECORD.size <= until:
                _, end = self._record(self.end, until)
                if end is None:
                    break
                self.end = end
        except Damaged:
            pass

    def _record(self, offset: int, size: int) -> tuple[Sync | None, int | None]:
        """The record at ``offset``: its Sync if it is one, and where the next starts (None: it is not all there yet)."""
        window = self.access.up_to(offset, min(WINDOW, size - offset))
        if len(window) < RECORD.size:
            return None, None
        opcode, length = RECORD.unpack_from(window)
        if opcode == Opcode.SYNC:
            return self._sync(offset, size, window, length)
        end = offset + RECORD.size + length
        if self._foreign > MAX_FOREIGN:
            raise Damaged("too many records that are none of ours")
        if opcode not in _SKIPPED and opcode != Opcode.DATA_END and not self.newer:
            raise Damaged("bytes that are no record")
        if end > size:
            raise Damaged("the file ends before a record does")
        if opcode == Opcode.DATA_END:
            self.closed = True
        elif opcode in (Opcode.HEADER, Opcode.METADATA, Opcode.CHANNEL):
            self._note(Opcode(opcode), self.access.exactly(offset + RECORD.size, min(length, MAX_HEADER)))
        return None, end

    def _sync(self, offset: int, size: int, window: bytes, length: int) -> tuple[Sync | None, int | None]:
        if length > MAX_SYNC:
            raise Damaged("a Sync record is too long")
        if offset + RECORD.size + length > size:
            return self._unless_later(offset, size)
        end = RECORD.size + length
        content = window[RECORD.size : end] if end <= len(window) else self.access.exactly(offset + RECORD.size, length)
        sync = read_sync(content, offset)
        return (sync, sync.end) if sync.end <= size else self._unless_later(offset, size)

    def _unless_later(self, offset: int, size: int) -> tuple[Sync | None, int | None]:
        """A group that is not all there: wait for the rest, unless another group follows, so that the rest will never come."""
        later = self._search(offset + RECORD.size + len(MARKER), size)
        if later is None:
            return None, None
        self._gap(offset, later, "a group was cut short")
        return None, later

    def _note(self, opcode: Opcode, content: bytes) -> None:
        """Take what we need from a record of the opening."""
        if opcode is Opcode.HEADER:
            self.profile, _ = mcap.read_text(content, 0)
        elif opcode is Opcode.CHANNEL and len(content) >= 4:
            (number,) = struct.unpack_from("<H", content)
            self.channels[number], _ = mcap.read_text(content, 4)
        elif opcode is Opcode.METADATA and not self.metadata:
            name, at = mcap.read_text(content, 0)
            entries = mcap.read_map(content, at)
            if name == PROFILE and entries == signed(entries.get("format", ""), entries.get("run", "")):
                self.metadata = entries

    def _after_damage(self, size: int, why: str) -> tuple[Sync | None, int | None]:
        later = self._search(self.end, size)
        if later is None:
            if _closed_tail(self.access, size) and self.end < size - _TAIL:
                self.closed = True
                self._gap(self.end, size, why)
            return None, None
        self._gap(self.end, later, why)
        return None, later

    def _gap(self, start: int, end: int, why: str) -> None:
        self.gaps.append(Gap(start, end, -1, 0, why))

    def _search(self, start: int, size: int) -> int | None:
        """Where the next good Sync record starts, or None; what has been searched is not searched again."""
        at = max(start, self._searched)
        checked = 0
        while at < size and checked < MAX_CHECKED:
            block = self.access.up_to(at, min(SEARCH, size - at))
            place = block.find(MARKER)
            while place >= 0 and checked < MAX_CHECKED:
                length = self._length_at(at + place - RECORD.size, size)
                if self._is_sync(at + place - RECORD.size, length):
                    self._searched = 0
                    return at + place - RECORD.size
                checked += length
                place = block.find(MARKER, place + 1)
            if at + len(block) >= size:
                break
            at += len(block) - len(MARKER) + 1
        self._searched = max(start, size - WINDOW)
        return None

    def _length_at(self, offset: int, size: int) -> int:
        """The length that a possible Sync record says it has; 0 where it cannot be one."""
        try:
            opcode, length = RECORD.unpack(self.access.exactly(offset, RECORD.size))
        except Damaged:
            return 0
        return int(length) if opcode == Opcode.SYNC and length <= min(MAX_SYNC, size - offset - RECORD.size) else 0

    def _is_sync(self, offset: int, length: int) -> bool:
        try:
            read_sync(self.access.exactly(offset + RECORD.size, length), offset)
        except Damaged:
            return False
        return True


def _version_of(sync: Sync) -> tuple[int, int]:
    return sync.version


def _ours(sync: Sync, access: Access) -> Sync:
    if sync.version[0] > MAJOR:
        raise NewerVersionError(access.path, *sync.version)
    return sync


def _closed_tail(access: Access, size: int) -> bool:
    return size > _TAIL and access.up_to(size - len(MAGIC), len(MAGIC)) == MAGIC


def _find_index(access: Access) -> bytes | None:
    """The data of the index attachment, by way of the footer and the summary. Raises Damaged."""
    size = access.size
    if not _closed_tail(access, size):
        return None
    tail = access.exactly(size - _TAIL, _TAIL - len(MAGIC))
    opcode, _ = RECORD.unpack_from(tail)
    summary, _, crc = mcap.FOOTER.unpack_from(tail, RECORD.size)
    if opcode != Opcode.FOOTER or not 0 < summary <= size - _TAIL or size - summary > MAX_INDEX:
        raise Damaged("the footer is damaged")
    content = access.exactly(summary, size - _TAIL - summary)
    if crc32(tail[: RECORD.size + 16], crc32(content)) != crc:
        raise Damaged("the summary is damaged")
    at = 0
    while at + RECORD.size <= len(content):
        opcode, length = RECORD.unpack_from(content, at)
        at += RECORD.size
        if opcode == Opcode.ATTACHMENT_INDEX and 40 <= length <= len(content) - at:
            offset, whole = struct.unpack_from("<QQ", content, at)
            return _attachment(access, offset, whole)
        at += length
    return None


def _attachment(access: Access, offset: int, whole: int) -> bytes:
    if whole > MAX_INDEX or whole < RECORD.size + 20:
        raise Damaged("the index is too long")
    content = access.exactly(offset, whole)[RECORD.size :]
    (crc,) = struct.unpack_from("<I", content, len(content) - 4)
    if crc32(content[:-4]) != crc:
        raise Damaged("the CRC of the index is wrong")
    name, at = mcap.read_text(content, 16)
    _, at = mcap.read_text(content, at)
    if name != INDEX_NAME or at + 8 > len(content):
        raise Damaged("another attachment stands where the index should be")
    return content[at + 8 : -4]


def _syncs_of(data: bytes, size: int) -> list[Sync | Run]:
    (head_length,) = struct.unpack_from("<I", data) if len(data) >= 4 else (0,)
    head = read_json(data[4 : 4 + head_length])
    if not isinstance(head, dict) or not is_count(head.get("groups")) or not is_count(head.get("bytes")):
        raise Damaged("the index is malformed")
    groups, length = head["groups"], head["bytes"]
    if length > size or groups * (sync_size(0) + 4) > size:
        raise Damaged("the index is larger than what it is of")
    raw = expand(data[4 + head_length :], length, MAX_INDEX)
    if groups * 4 > length:
        raise Damaged("the index is malformed")
    syncs: list[Sync | Run] = []
    end = 0
    for found in _contents(raw, groups):
        if found.offset < end or found.end > size or (isinstance(found, Run) and not found.in_order):
            raise Damaged("the index points outside the file")
        end = found.end
        syncs.append(found)
    return syncs


def _contents(raw: bytes, groups: int) -> Iterator[Sync | Run]:
    """What the contents of the Sync records in an index say, those of one length together. Raises Damaged."""
    at = groups * 4
    for length, same in itertools.groupby(struct.unpack_from(f"<{groups}I", raw)):
        count = sum(1 for _ in same)
        stop = at + length * count
        if length == PLAIN and stop <= len(raw):
            yield from read_plain(raw[at:stop])
        else:
            for start in range(at, stop, length) if length else [at]:
                content = raw[start : start + length]
                (own,) = struct.unpack_from("<Q", content, 20) if len(content) >= 28 else (0,)
                yield read_sync(content, own)
        at = stop
