"""What is remembered of a step for the watches that look at several: little, so that ten thousand fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..leaves import COUNT, Leaves, gradient_rms, leaves_of
from ..trace import NONE, STATISTICS, Trace

_COMPARED = 5
"""The first rows of a statistics table: count, min, max, sum, sum of squares."""
_EXTREMES = slice(STATISTICS.index("min"), STATISTICS.index("max") + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Brief:
    """One step. ``first`` is the first complete step of the same structure; masks are bool ``[leaves of that structure]``."""

    step: int
    loss: float | None
    first: Trace
    backward: bool
    """Whether a backward ran."""
    changed: NDArray[np.bool_]
    """Which leaves an update gave other values, or had other values to begin with than in ``first``; those that were not counted
    are taken to be changed."""
    updated: NDArray[np.bool_]
    """Which leaves an update wrote to."""
    largest: tuple[float, str]
    """The largest RMS of a gradient, and whose it is."""
    tape: NDArray[np.int32]

    @property
    def ran(self) -> Trace:
        """``first`` with the number and the order of events of this step, to tell an event of it."""
        return replace(self.first, step=self.step, tape=self.tape)


def brief_of(trace: Trace, first: Trace) -> Brief:
    """What is remembered of a complete step; ``first`` may be the step itself."""
    leaves = leaves_of(trace.graph)
    updated = leaves.written != NONE
    changed = updated.copy()
    old, new = trace.values[:_COMPARED, leaves.values[updated]], trace.values[:_COMPARED, leaves.written[updated]]
    changed[updated] = (old != new).any(axis=0) | (old[COUNT] < 0)
    changed |= _began_differently(trace, first, leaves)
    rms = gradient_rms(trace, leaves)
    known = not np.isnan(rms).all()
    top = int(np.nanargmax(rms)) if known else 0
    return Brief(
        trace.step,
        None if trace.label == "forward only" else trace.loss,
        first,
        leaves.backward,
        changed,
        updated,
        (float(rms[top]), leaves.names[top]) if known else (0.0, ""),
        trace.tape,
    )


def _began_differently(trace: Trace, first: Trace, leaves: Leaves) -> NDArray[np.bool_]:
    """Which leaves have another minimum or maximum than in ``first``.

    So has an input that is new each time, and a weight that an optimizer moves between two calls of its closure.
    """
    now, then = trace.values[_EXTREMES, leaves.values], first.values[_EXTREMES, leaves.values]
    differs = (now != then) & ~(np.isnan(now) & np.isnan(then))
    return np.asarray(differs.any(axis=0), np.bool_)
