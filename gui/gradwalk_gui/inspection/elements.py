"""What is in a kept tensor: signs, a histogram, a two-dimensional slice. NumPy in, NumPy out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradwalk.tape import Stats
from gradwalk.trace import Kept

BINS = 48


@dataclass(frozen=True, slots=True)
class Health:
    """Numbers of elements by kind. ``unsplit`` are finite and not zero, of a sign that was not counted."""

    negative: int = 0
    zero: int = 0
    positive: int = 0
    minus_inf: int = 0
    plus_inf: int = 0
    nan: int = 0
    unsplit: int = 0
    sample: bool = False
    """Whether only a sample of the elements was counted."""

    @property
    def total(self) -> int:
        """All elements."""
        return self.negative + self.zero + self.positive + self.minus_inf + self.plus_inf + self.nan + self.unsplit


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts per bin of this step and of the one before (None: not kept); exact zeros are left out and counted in ``zeros``."""

    edges: NDArray[np.float64]
    now: NDArray[np.int64]
    before: NDArray[np.int64] | None
    zeros: int
    sample: bool


def real(kept: Kept) -> NDArray[np.float64]:
    """The elements as float64; of complex ones the absolute value."""
    data = np.abs(kept.data) if np.iscomplexobj(kept.data) else kept.data
    return np.asarray(data, dtype=np.float64)


def health_of_elements(kept: Kept) -> Health:
    """Exact counts over the kept elements."""
    data = real(kept)
    zero, nan = int((data == 0).sum()), int(np.isnan(data).sum())
    minus, plus = int(np.isneginf(data).sum()), int(np.isposinf(data).sum())
    negative = int((data < 0).sum()) - minus
    return Health(negative, zero, data.size - zero - nan - minus - plus - negative, minus, plus, nan, 0, not kept.complete)


def health_of_stats(stats: Stats | None) -> Health | None:
    """What the statistics alone tell; None where they tell too little."""
    if stats is None or stats.count == 0:
        return None
    zero, nan, inf = stats.zero or 0, stats.nan or 0, stats.inf or 0
    finite = max(stats.count - zero - nan - inf, 0)
    minus, plus = (inf, 0) if np.isneginf(stats.min) and not np.isposinf(stats.max) else (0, inf)
    if stats.min >= 0:
        return Health(0, zero, finite, minus, plus, nan)
    if stats.max <= 0:
        return Health(finite, zero, 0, minus, plus, nan)
    return Health(0, zero, 0, minus, plus, nan, finite)


def histogram_of(kept: Kept, before: Kept | None, bins: int = BINS) -> Histogram | None:
    """The histogram of the finite elements that are not zero; None where there is none of them."""
    now = _telling(kept)
    then = _telling(before) if before is not None else None
    both = [part for part in (now, then) if part is not None and part.size]
    if not now.size or not both:
        return None
    low, high = min(float(part.min()) for part in both), max(float(part.max()) for part in both)
    edges = _edges(low, high, bins)
    counts = np.histogram(now, edges)[0]
    old = np.histogram(then, edges)[0] if then is not None else None
    return Histogram(edges, counts, old, int((real(kept) == 0).sum()), not kept.complete)


def _telling(kept: Kept) -> NDArray[np.float64]:
    data = real(kept).ravel()
    telling: NDArray[np.float64] = data[np.isfinite(data) & (data != 0)]
    return telling


def _edges(low: float, high: float, bins: int) -> NDArray[np.float64]:
    if low == high:
        pad = abs(low) / 2 or 0.5
        low, high = low - pad, high + pad
    with np.errstate(over="ignore"):
        step = high / bins - low / bins
    edges = np.array([low + step * place for place in range(bins + 1)])
    edges[-1] = high
    if np.all(np.diff(edges) > 0):
        return edges
    return np.array([np.nextafter(low, -np.inf), np.nextafter(high, np.inf)])


def slice_of(data: NDArray[np.float64], leading: tuple[int, ...]) -> NDArray[np.float64]:
    """The last two dimensions at some indices of the others, float64 ``[rows, columns]``; one dimension becomes one row."""
    picked: NDArray[np.float64] = data[tuple(leading)] if leading else data
    return picked.reshape(1, -1) if picked.ndim < 2 else picked


def largest(data: NDArray[np.float64]) -> float:
    """The largest finite absolute value, 0 where there is none."""
    finite = np.abs(data[np.isfinite(data)])
    return float(finite.max()) if finite.size else 0.0
