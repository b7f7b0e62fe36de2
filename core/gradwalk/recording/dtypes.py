"""Element types by number, and the narrow floats that NumPy lacks: kept as raw bytes, widened to float32 when read."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class DType(IntEnum):
    """How elements are stored. Numbers are part of the format and never change."""

    FLOAT64 = 1
    FLOAT32 = 2
    FLOAT16 = 3
    BFLOAT16 = 4
    INT64 = 5
    INT32 = 6
    INT16 = 7
    INT8 = 8
    UINT8 = 9
    UINT16 = 10
    UINT32 = 11
    UINT64 = 12
    BOOL = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    FLOAT8_E4M3FN = 16
    FLOAT8_E5M2 = 17
    FLOAT8_E4M3FNUZ = 18
    FLOAT8_E5M2FNUZ = 19
    FLOAT8_E8M0FNU = 20


NARROW: dict[DType, np.dtype[Any]] = {
    DType.BFLOAT16: np.dtype("<u2"),
    DType.FLOAT8_E4M3FN: np.dtype("u1"),
    DType.FLOAT8_E5M2: np.dtype("u1"),
    DType.FLOAT8_E4M3FNUZ: np.dtype("u1"),
    DType.FLOAT8_E5M2FNUZ: np.dtype("u1"),
    DType.FLOAT8_E8M0FNU: np.dtype("u1"),
}
"""The floats that NumPy lacks, with the unsigned integer that holds their bits."""

STORED: dict[DType, np.dtype[Any]] = NARROW | {
    code: np.dtype(code.name.lower()).newbyteorder("<") for code in DType if code not in NARROW
}
_BY_NUMPY = {dtype.newbyteorder("="): code for code, dtype in STORED.items() if code not in NARROW}
_BY_NAME = {code.name.lower(): code for code in NARROW}


def code_of(array: Array) -> DType | None:
    """The number of a NumPy array's element type, or None where the format has none for it."""
    return _BY_NUMPY.get(array.dtype.newbyteorder("="))


def to_stored(data: Array, dtype: str) -> tuple[DType, Array] | None:
    """The array as it goes into the file, C-contiguous and little-endian, or None where it cannot.

    ``dtype`` is the tensor's own type. A narrow float comes either as raw bits (any unsigned array of as many bytes) or widened
    to float32, and is narrowed again where that loses nothing.
    """
    narrow = _BY_NAME.get(dtype)
    if narrow is not None and data.dtype.kind == "u":
        bits = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        return (narrow, bits.view(NARROW[narrow])) if bits.size % NARROW[narrow].itemsize == 0 else None
    if narrow is not None and data.dtype == np.float32:
        narrowed = _narrowed(np.ascontiguousarray(data).reshape(-1), narrow)
        if narrowed is not None:
            return narrow, narrowed
    code = code_of(data)
    return None if code is None else (code, np.ascontiguousarray(data, dtype=STORED[code]))


def widened(stored: Array, code: DType) -> Array:
    """What a reader sees: narrow floats as float32, everything else as it is."""
    if code not in NARROW:
        return stored
    if code is DType.BFLOAT16:
        wide: NDArray[np.uint32] = stored.astype(np.uint32) << np.uint32(16)
        return wide.view(np.float32)
    return np.take(_table(code), stored)


def _narrowed(data: Array, code: DType) -> Array | None:
    """The bits of float32 values that were widened from ``code``, or None where some value is none of its values."""
    bits = data.view(np.uint32)
    if code is DType.BFLOAT16:
        return None if np.any(bits & np.uint32(0xFFFF)) else (bits >> np.uint32(16)).astype(NARROW[code])
    known = _table(code).view(np.uint32)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], bits), len(known) - 1)
    found = order[place]
    return found.astype(NARROW[code]) if np.array_equal(known[found], bits) else None


@cache
def _table(code: DType) -> NDArray[np.float32]:
    """The 256 values of an 8-bit float."""
    bits = np.arange(256, dtype=np.uint16)
    if code is DType.FLOAT8_E5M2:
        halves: NDArray[np.uint16] = bits << np.uint16(8)
        return halves.view(np.float16).astype(np.float32)
    if code is DType.FLOAT8_E8M0FNU:
        return _scales()
    exponent_bits, bias = {DType.FLOAT8_E4M3FN: (4, 7), DType.FLOAT8_E4M3FNUZ: (4, 8)}.get(code, (5, 16))
    mantissa_bits = 7 - exponent_bits
    exponent = ((bits >> mantissa_bits) & ((1 << exponent_bits) - 1)).astype(np.int32)
    mantissa = (bits & ((1 << mantissa_bits) - 1)) / float(1 << mantissa_bits)
    size = np.where(exponent == 0, np.ldexp(mantissa, 1 - bias), np.ldexp(1 + mantissa, exponent - bias))
    table = np.where(bits < 128, size, -size).astype(np.float32)
    if code is DType.FLOAT8_E4M3FN:
        table[[0x7F, 0xFF]] = np.nan
    else:
        table[0x80] = np.nan
    return table


def _scales() -> NDArray[np.float32]:
    table: NDArray[np.float32] = np.ldexp(np.ones(256), np.minimum(np.arange(256), 254) - 127).astype(np.float32)
    table[255] = np.nan
    return table
