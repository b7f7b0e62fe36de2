"""Runs of plain groups: those that hold the order of their steps and one batch, nothing else. A long file is mostly these.

Their Sync records are of one length, so that ten thousand are checked and taken in as columns. Every check of ``sync.read_sync``
is made here too; a record that does not pass is left to that one, which says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from .format import MAJOR, MARKER, MAX_CHUNK, MAX_STEPS, MAX_SYNC, MINOR, Channel, Flag
from .mcap import CHUNK_HEAD, MESSAGE_HEAD, RECORD
from .order import order_size
from .sync import CRC, ENTRY, HEAD, Sync, read_sync

Ints: TypeAlias = NDArray[np.int64]
PLAIN = HEAD.size + 2 * ENTRY.size + CRC.size
"""Bytes of the content of a plain group's Sync record."""
LEAST = 16
"""Fewer groups than this are looked at one by one."""
_HEAD = [
    *(("marker", "u1", 16), ("major", "u1"), ("minor", "u1"), ("count", "<u2"), ("own", "<u8"), ("chunk", "<u8")),
    *(("index", "<u4"), ("chunk_crc", "<u4"), ("first", "<i8"), ("steps", "<u4"), ("reserved", "<u4")),
]
_ENTRY = [
    *(("channel", "<u2"), ("flag", "<u2"), ("offset", "<u4"), ("length", "<u4")),
    *(("graph", "<i4"), ("first", "<i8"), ("steps", "<u4"), ("reserved", "<u4")),
]
_RECORD = np.dtype([*_HEAD, ("entry", _ENTRY, 2), ("crc", "<u4")])


class Run(NamedTuple):
    """Plain groups one behind the other, by column; places are offsets in the file."""

    offsets: Ints
    ends: Ints
    first_steps: Ints
    steps: Ints
    orders: Ints
    batches: Ints
    batch_lengths: Ints

    @property
    def offset(self) -> int:
        """Where the first group starts."""
        return int(self.offsets[0])

    @property
    def end(self) -> int:
        """Where what follows the last one starts."""
        return int(self.ends[-1])

    @property
    def in_order(self) -> bool:
        """Whether each group starts behind the one before."""
        return bool((self.offsets[1:] >= self.ends[:-1]).all())


def read_plain(data: bytes, offsets: Ints | None = None) -> Iterator[Sync | Run]:
    """Groups from the contents of their Sync records, each PLAIN bytes, one behind the other.

    ``offsets`` are the places where the records stand; without them each is believed. Raises Damaged at the first that is.
    """
    records = np.frombuffer(data, _RECORD)
    own = records["own"] if offsets is None else offsets.astype(np.uint64)
    at = 0
    for start, stop in [*_runs(records, own, data), (len(records), len(records))]:
        for number in range(at, start):
            yield read_sync(data[number * PLAIN : (number + 1) * PLAIN], int(own[number]))
        if stop > start:
            yield _run_of(records[start:stop])
        at = stop


def _runs(records: NDArray[np.void], own: NDArray[np.uint64], data: bytes) -> list[tuple[int, int]]:
    """From where to where groups are plain, LEAST of them or more."""
    if len(records) < LEAST:
        return []
    plain = _are_plain(records, data) & (records["own"] == own)
    edges = np.flatnonzero(np.diff(plain, prepend=False, append=False)).tolist()
    return [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop - start >= LEAST]


def _are_plain(records: NDArray[np.void], data: bytes) -> NDArray[np.bool_]:
    """Per record whether it is one of ours, whole, within all limits, and of a plain group."""
    order, batch = records["entry"][:, 0], records["entry"][:, 1]
    chunk = np.minimum(records["chunk"], 1 << 40).astype(np.int64)
    crcs = [crc32(data[at : at + PLAIN - CRC.size]) for at in range(0, len(data), PLAIN)]
    order_end = order["offset"].astype(np.int64) + order["length"]
    batch_end = batch["offset"].astype(np.int64) + batch["length"]
    good: NDArray[np.bool_] = (records["marker"] == np.frombuffer(MARKER, np.uint8)).all(axis=1)
    good &= records["crc"] == np.array(crcs, np.uint32)
    good &= (records["major"] == MAJOR) & (records["minor"] <= MINOR) & (records["count"] == 2)
    good &= (chunk <= MAX_CHUNK + MAX_SYNC) & (records["index"] <= MAX_SYNC) & (records["own"] < 1 << 62)
    good &= (records["steps"] > 0) & (records["steps"] <= MAX_STEPS)
    good &= (order["channel"] == Channel.SCALAR) & (order["flag"] == Flag.ORDER) & (batch["channel"] == Channel.STEPS)
    good &= order["length"] == order_size(0) + records["steps"].astype(np.int64) * (order_size(1) - order_size(0))
    good &= (order["steps"] <= MAX_STEPS) & (batch["steps"] <= MAX_STEPS)
    good &= (order["offset"] >= CHUNK_HEAD + MESSAGE_HEAD) & (order_end <= chunk)
    good &= (batch["offset"] >= order_end + MESSAGE_HEAD) & (batch_end <= chunk)
    return good


def _run_of(records: NDArray[np.void]) -> Run:
    """The columns of plain groups."""
    offsets = records["own"].astype(np.int64)
    chunks = offsets + (RECORD.size + PLAIN)
    order, batch = records["entry"][:, 0], records["entry"][:, 1]
    return Run(
        offsets,
        chunks + records["chunk"].astype(np.int64) + records["index"],
        records["first"].astype(np.int64),
        records["steps"].astype(np.int64),
        chunks + order["offset"],
        chunks + batch["offset"],
        batch["length"].astype(np.int64),
    )
