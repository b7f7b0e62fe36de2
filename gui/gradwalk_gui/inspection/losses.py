"""The losses of a recording, as they are plotted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..state import Steps


def step_numbers(recording: Steps, steps: int) -> NDArray[np.float64]:
    """The numbers of the training steps, float64 ``[steps]``; without a ``step_numbers()`` of the recording, 0, 1, 2, ..."""
    numbers = getattr(recording, "step_numbers", None)
    made = np.asarray(numbers(), dtype=np.float64) if numbers is not None else np.arange(steps, dtype=np.float64)
    return made[:steps] if len(made) >= steps else np.arange(steps, dtype=np.float64)


def outline_of(xs: NDArray[np.float64], ys: NDArray[np.float64], columns: int) -> NDArray[np.int64]:
    """The points that a line ``columns`` pixels wide needs: first, smallest, largest and last of every column, in order.

    ``xs`` rise; both float64 ``[n]``. Gives indices, at most four per column.
    """
    if len(xs) <= 4 * columns:
        return np.arange(len(xs))
    span = xs[-1] - xs[0]
    column = np.minimum(((xs - xs[0]) / (span or 1.0) * columns).astype(np.int64), columns - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    ends = np.append(starts[1:], len(xs))
    picked: set[int] = set()
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        part = ys[start:end]
        picked |= {start, start + int(part.argmin()), start + int(part.argmax()), end - 1}
    return np.array(sorted(picked), dtype=np.int64)


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two others, at most about ``most``: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


MOST_LOOKED_AT = 10_000
"""Looking into steps takes time: of more steps with NaN than this, the rest counts as NaN."""


class BadLosses:
    """Tells a loss that is NaN from a step that has none; remembers what it has looked at while a recording grows."""

    def __init__(self) -> None:
        self._recording: Steps | None = None
        self._bad: NDArray[np.bool_] = np.zeros(0, dtype=bool)

    def of(self, recording: Steps, losses: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which losses are NaN or Inf, bool ``[n]``. The last step known before may have been unfinished: looked at again."""
        known = max(len(self._bad) - 1, 0) if recording is self._recording and len(self._bad) <= len(losses) else 0
        bad: NDArray[np.bool_] = ~np.isfinite(losses)
        bad[:known] = self._bad[:known]
        for index in (np.flatnonzero(np.isnan(losses[known:]))[:MOST_LOOKED_AT] + known).tolist():
            bad[index] = recording[index].loss is not None
        self._recording, self._bad = recording, bad
        return bad


def bad_losses(recording: Steps, losses: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which losses of a recording are NaN or Inf, bool ``[n]``; not those of steps that have none."""
    return BadLosses().of(recording, losses)
