"""The sample that stands for a large tensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..trace import Kept

SAMPLE = 1024
"""Elements of the strided sample that stands for a larger tensor."""


def sample_indices(numel: int) -> NDArray[np.int64]:
    """Evenly strided places of at most SAMPLE elements of a flattened tensor."""
    if numel <= SAMPLE:
        return np.arange(numel, dtype=np.int64)
    return np.arange(SAMPLE, dtype=np.int64) * numel // SAMPLE


def sample_of(kept: Kept) -> Kept:
    """An evenly spread sample of a tensor's elements."""
    data = kept.data.reshape(-1)[sample_indices(kept.data.size)]
    data.flags.writeable = False
    return Kept(data, kept.dtype, kept.shape, False)
