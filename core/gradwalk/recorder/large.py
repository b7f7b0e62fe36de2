"""The statistics of one large float32 tensor on the CPU, in blocks that stay in the cache."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from ..statistics import Row
from .strips import ROW, careful_row
from .sums import Floats, dots

_BLOCK = 1 << 17
_SHARED = 1 << 19
"""Elements from which the threads that the script gave to torch are put to work."""


def row_of_large(array: NDArray[np.generic], tensor: torch.Tensor) -> Row:
    """The statistics of a float tensor whose memory is ``array``: any shape, any strides, more than one element."""
    if array.size >= _SHARED and torch.get_num_threads() > 1 and tensor.dtype is not torch.bfloat16:
        low, high, total, squares = _by_torch(tensor)
        zero = float(tensor.numel() - torch.count_nonzero(tensor).item()) if low <= 0 <= high else 0.0
    else:
        low, high, total, squares, zero = _by_numpy(array.ravel(order="K"))
    if not (math.isfinite(total) and 1e-30 < squares < math.inf) and not low == high == 0:
        return careful_row(array)
    return float(array.size), low, high, total, squares, 0.0, 0.0, zero


def _by_torch(tensor: torch.Tensor) -> tuple[float, float, float, float]:
    low, high = torch.aminmax(tensor)
    norm = torch.linalg.vector_norm(tensor).item()
    return low.item(), high.item(), tensor.sum().item(), norm * norm


def _by_numpy(flat: NDArray[np.generic]) -> tuple[float, float, float, float, float]:
    low, high, total, squares, zero = math.inf, -math.inf, 0.0, 0.0, 0
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        low, high = min(low, float(np.minimum.reduce(block))), max(high, float(np.maximum.reduce(block)))
        whole = block.size // ROW * ROW if block.dtype == np.float32 else 0
        if whole:
            sums, dotted = dots(cast("Floats", block[:whole].reshape(-1, ROW)))
            total += float(np.add.reduce(sums, dtype=np.float64))
            squares += float(np.add.reduce(dotted, dtype=np.float64))
        if whole < block.size:
            rest = block[whole:].astype(np.float64)
            total, squares = total + float(rest.sum()), squares + float(np.square(rest).sum())
        zero += np.count_nonzero(block == 0)
    return low, high, total, squares, float(zero)
