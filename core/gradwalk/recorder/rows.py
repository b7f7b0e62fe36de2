"""The statistics of one array of the CPU's memory. NaN and Inf are counted where a sum shows one.

Where float32 is too narrow for a sum or a square (a diverging run, a vanishing gradient), float64 does it again.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from .host import Array, address_of
from .kernel import MOST, kernel
from .records import Row

EMPTY: Row = (0.0, math.nan, math.nan, 0.0, 0.0, 0.0, 0.0, 0.0)
COUNTED = 1 << 20
"""Integer and bool tensors of up to this many elements are counted, through float64."""
SHARED = 1 << 20
"""Elements from which the threads that the script gave to torch are put to work."""


def row_of(array: Array, tensor: torch.Tensor | None = None) -> Row | None:
    """The statistics of an array, None for large ones of integers; ``tensor``, if given, has the same elements."""
    count = array.size
    if count <= 1:
        return _row_of_one(float(array.item())) if count else EMPTY
    if not any(array.strides):
        return _row_of_equal(float(array.flat[0]), count)
    if array.dtype == np.float32:
        return (row_by_threads(tensor) if tensor is not None else None) or row_of_floats(array)
    if array.dtype == np.bool_:
        return _row_of_bools(array)
    return careful_row(array) if array.dtype.kind == "f" or count <= COUNTED else None


def row_of_floats(array: Array) -> Row:
    """The statistics of more than no float32 elements."""
    flat, row = array.ravel(order="K"), np.empty(8)
    if kernel()(flat.ctypes.data, 1, flat.size, 0, row.ctypes.data, 1, 0):
        return tuple(row.tolist())
    return careful_row(flat)


@functools.lru_cache(4096)
def rows_of(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, int, int, bool] | None:
    """How the elements of a tensor lie in memory: rows, their length, from one to the next, and whether in the tensor's order.

    None where they are no equal rows, one as far from the next as that from its next, or where several are one.
    """
    axes = [(stride, size) for stride, size in zip(strides, shape, strict=True) if size > 1]
    in_order = axes == sorted(axes, reverse=True)
    length, rows, step = 1, 1, 0
    for stride, size in sorted(axes):
        if rows == 1 and stride == length:
            length *= size
        elif rows == 1 and stride > length:
            rows, step = size, stride
        elif stride == rows * step and stride:
            rows *= size
        else:
            return None
    return rows, length, step, in_order


def row_by_threads(tensor: torch.Tensor) -> Row | None:
    """The statistics of a very large float32 tensor, taken by torch's threads where it has several; else None."""
    count = tensor.numel()
    if tensor.dtype is not torch.float32 or count < SHARED or torch.get_num_threads() < 2 or not address_of(tensor):
        return None
    low, high = (extreme.item() for extreme in torch.aminmax(tensor))
    norm = torch.linalg.vector_norm(tensor).item()
    squares, total = norm * norm, tensor.sum().item()
    if not (squares < MOST and (squares > 1 / MOST or low == high)):
        return None
    zero = float(count - torch.count_nonzero(tensor).item()) if low <= 0 <= high else 0.0
    return float(count), low, high, total, squares, 0.0, 0.0, zero


def careful_row(array: Array) -> Row:
    """In float64, with NaN and Inf counted: something is not finite, or float32 is too narrow, or it is not float32 at all."""
    with np.errstate(all="ignore"):
        data = array.astype(np.float64)
        low, high, total = np.minimum.reduce(data, axis=None), np.maximum.reduce(data, axis=None), np.add.reduce(data, axis=None)
        nan, zero = np.count_nonzero(data != data), np.count_nonzero(data == 0)
        inf = np.count_nonzero(np.isinf(data)) if nan or math.isinf(low) or math.isinf(high) else 0
        squares = np.add.reduce(np.square(data, out=data), axis=None)
    return tuple(float(x) for x in (array.size, low, high, total, squares, nan, inf, zero))


def _row_of_bools(array: Array) -> Row:
    count, true = float(array.size), float(np.count_nonzero(array))
    return count, float(true == count), float(true > 0), true, true, 0.0, 0.0, count - true


def _row_of_equal(x: float, count: int) -> Row:
    """Of an expanded tensor, one element seen ``count`` times."""
    _, low, high, total, squares, nan, inf, zero = _row_of_one(x)
    return float(count), low, high, count * total, count * squares, count * nan, count * inf, count * zero


def _row_of_one(x: float) -> Row:
    squares = x * x if abs(x) < 1e150 or x != x else math.inf
    return 1.0, x, x, x, squares, float(x != x), float(math.isinf(x)), float(x == 0)
