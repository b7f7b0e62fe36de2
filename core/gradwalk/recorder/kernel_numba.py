"""The kernel as numba compiles it (``kernel.py`` says what it does).

Numba lacks two things for it: elements at an address, and minimum and maximum in the form that becomes one instruction.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .kernel import FLOAT, MOST, Kernel

_FAST = {"reassoc", "nsz", "contract"}
"""Sums in any order; NaN and Inf are what they are."""
_BLOCK = 1024
"""Elements that are summed in float32, in many lanes; the sums of blocks are added in float64."""


def _at(element: Any) -> Any:
    def pointer(context: Any, address: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.intp), emit

    return intrinsic(pointer)


def _extremum(name: str) -> Any:
    """LLVM's own, which does not care for NaN: where there is one, the numbers are not used."""

    def extremum(context: Any, one: Any, other: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            float32 = ir.FloatType()
            function = builder.module.declare_intrinsic(name, (float32,), ir.FunctionType(float32, [float32, float32]))
            return builder.call(function, arguments, fastmath=("nnan", "nsz"))

        return types.float32(types.float32, types.float32), emit

    return intrinsic(extremum)


_floats_at, _doubles_at = _at(types.float32), _at(types.float64)
_smaller, _larger = _extremum("llvm.minnum"), _extremum("llvm.maxnum")


def _in_float64(address: int, rows: int, length: int, step: int, out: int, stride: int) -> None:
    """All but the count, in float64, with NaN and Inf counted."""
    total = squares = zero = nan = inf = 0.0
    low, high = np.float32(np.inf), np.float32(-np.inf)
    for row in range(rows):
        for start in range(0, length, _BLOCK):
            size = min(_BLOCK, length - start)
            block = numba.carray(_floats_at(address + FLOAT * (row * step + start)), (size,))
            nans, infs, zeros = np.float32(0), np.float32(0), np.float32(0)
            for i in range(size):
                x = block[i]
                nans += np.float32(1) if x != x else np.float32(0)
                infs += np.float32(1) if abs(x) == np.float32(np.inf) else np.float32(0)
                zeros += np.float32(1) if x == np.float32(0) else np.float32(0)
                low, high = _smaller(low, x), _larger(high, x)
            for i in range(size):
                wide = np.float64(block[i])
                total += wide
                squares += wide * wide
            nan, inf, zero = nan + nans, inf + infs, zero + zeros
    if nan > 0:
        low = high = np.float32(np.nan)
    found = numba.carray(_doubles_at(out), (7 * stride + 1,))
    found[stride], found[2 * stride], found[3 * stride] = low, high, total
    found[4 * stride], found[5 * stride], found[6 * stride], found[7 * stride] = squares, nan, inf, zero


_carefully: Any = numba.njit(fastmath=_FAST, error_model="numpy")(_in_float64)


def _measure(address: int, rows: int, length: int, step: int, out: int, stride: int, to: int) -> bool:
    total = squares = zero = 0.0
    low, high = np.float32(np.inf), np.float32(-np.inf)
    for row in range(rows):
        for start in range(0, length, _BLOCK):
            size = min(_BLOCK, length - start)
            block = numba.carray(_floats_at(address + FLOAT * (row * step + start)), (size,))
            summed, squared, zeros = np.float32(0), np.float32(0), np.float32(0)
            for i in range(size):
                x = block[i]
                summed += x
                squared += x * x
                zeros += np.float32(1) if x == np.float32(0) else np.float32(0)
                low, high = _smaller(low, x), _larger(high, x)
            total += summed
            squares += squared
            zero += zeros
            if to != 0:
                copy = numba.carray(_floats_at(to + FLOAT * (row * length + start)), (size,))
                for i in range(size):
                    copy[i] = block[i]
    found = numba.carray(_doubles_at(out), (7 * stride + 1,))
    found[0], found[stride], found[2 * stride], found[3 * stride] = rows * length, low, high, total
    found[4 * stride], found[5 * stride], found[6 * stride], found[7 * stride] = squares, 0.0, 0.0, zero
    if squares < MOST and (squares > 1 / MOST or low == high):
        return True
    _carefully(address, rows, length, step, out, stride)
    return True


def compiled(*, cache: bool) -> Kernel:
    """The kernel; with ``cache`` from the last time, or kept for the next. Raises where there is no place to keep it."""
    signature = "boolean(intp, intp, intp, intp, intp, intp, intp)"
    made: Kernel = numba.njit(signature, cache=cache, fastmath=_FAST, error_model="numpy")(_measure)
    return made
