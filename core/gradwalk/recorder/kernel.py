"""One pass over the memory of float32 elements, compiled: their statistics, and a copy of them where one is wanted.

Numba compiles it once per machine and keeps the result; where it is missing or cannot, NumPy does the same in several passes.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FLOAT = 4
"""Bytes of an element."""
Kernel: TypeAlias = Callable[[int, int, int, int, int, int, int], bool]
"""``(address, rows, length, step, out, stride, to)``: of so many rows of ``length`` elements, the first at ``address`` and each
``step`` elements after the one before, write count, min, max, sum, sum of squares, 0, 0 and the number of zeros as float64 to
``out``, ``stride`` numbers apart; copy the elements to the address ``to``, row after row, unless that is 0. Where an element is
not finite, or float32 too narrow for a square, the compiled one counts NaN and Inf in a second pass, in float64; NumPy's gives
False.
"""

MOST = 1e30
"""Sums of squares up to this and down to one by this are exact enough in float32."""


@functools.cache
def kernel() -> Kernel:
    """The compiled pass, or NumPy's."""
    try:
        from . import kernel_numba
    except Exception:  # numba is not installed, or made for another NumPy
        return by_numpy
    for cache in (True, False):  # there may be no place to keep it
        try:
            return _tried(kernel_numba.compiled(cache=cache))
        except Exception:  # noqa: PERF203  (nor a compiler: NUMBA_DISABLE_JIT)
            continue
    return by_numpy


def _tried(made: Kernel) -> Kernel:
    """The kernel, if it does what it should; else it raises."""
    data, row = np.array([1, 2, 0], np.float32), np.empty(8)
    if not made(data.ctypes.data, 1, 3, 0, row.ctypes.data, 1, 0) or row.tolist() != [3, 0, 2, 3, 5, 0, 0, 1]:
        raise RuntimeError("the compiled pass is wrong")
    return made


def by_numpy(address: int, rows: int, length: int, step: int, out: int, stride: int, to: int) -> bool:
    """The same in several passes."""
    size = rows * length
    data = _floats(address, (rows - 1) * step + length)
    if rows > 1:
        data = np.lib.stride_tricks.as_strided(data, (rows, length), (FLOAT * step, FLOAT)).reshape(-1)
    if to:
        _floats(to, size)[:] = data
    low, high = float(np.minimum.reduce(data)), float(np.maximum.reduce(data))
    with np.errstate(all="ignore"):
        wide = data.astype(np.float64)
        total, squares = float(np.add.reduce(wide)), float(np.add.reduce(np.square(wide, out=wide)))
    zero = float(size - np.count_nonzero(data)) if low <= 0 <= high else 0.0
    row = (ctypes.c_double * (7 * stride + 1)).from_address(out)
    for place, number in enumerate((float(size), low, high, total, squares, 0.0, 0.0, zero)):
        row[place * stride] = number
    return squares < MOST and (squares > 1 / MOST or low == high)


def _floats(address: int, size: int) -> NDArray[np.float32]:
    return np.ctypeslib.as_array((ctypes.c_float * size).from_address(address))
