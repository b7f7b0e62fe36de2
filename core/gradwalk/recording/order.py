"""The order of a chunk's steps: their numbers, losses and places in its batches, in a lean form that reads a million quickly."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from .format import MAX_STEPS, Damaged

HEAD = struct.Struct("<4sII")
MAGIC = b"GWO1"
ROW = np.dtype([("step", "<i8"), ("loss", "<f8"), ("batch", "<u2"), ("row", "<u4")])


@dataclass(frozen=True, slots=True)
class Order:
    """Per step of a chunk, in order of step numbers; ``batches`` count the chunk's batches from 0, ``rows`` the steps in one."""

    steps: NDArray[np.int64]
    losses: NDArray[np.float64]
    batches: NDArray[np.uint16]
    rows: NDArray[np.uint32]


def order_size(steps: int) -> int:
    """Bytes of the order of so many steps."""
    return HEAD.size + steps * ROW.itemsize


def encode_order(places: list[tuple[int, float, int, int]]) -> bytes:
    """The bytes of ``(step, loss, batch, row)`` per step."""
    table = np.array(places, ROW).tobytes()
    return HEAD.pack(MAGIC, len(places), crc32(table)) + table


def decode_order(data: bytes) -> Order:
    """Read it back. Raises Damaged."""
    if len(data) < HEAD.size:
        raise Damaged("the order of steps is cut short")
    magic, count, crc = HEAD.unpack_from(data)
    table = data[HEAD.size :]
    if magic != MAGIC or count > MAX_STEPS or len(table) != count * ROW.itemsize or crc32(table) != crc:
        raise Damaged("the order of steps is damaged")
    rows = np.frombuffer(table, ROW)
    return Order(rows["step"], rows["loss"], rows["batch"], rows["row"])
