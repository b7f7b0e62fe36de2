"""The figures of one probe at every step. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from gradwalk.recording.tables import Asked, Tables, tables_from, together

from ..probes import Probe, asked_of, figures_of
from ..state import Steps


class Series:
    """Grows. ``at`` counts the steps; of a step in which the thing is not, or was not counted, the number is NaN."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.at = 0
        self._numbers = np.full(1024, np.nan)
        self._bad = np.zeros(1024, dtype=bool)

    @property
    def asked(self) -> Asked:
        """What it needs of a step."""
        return asked_of(self.probe.figure, gradient=self.probe.kind not in ("op", "value"))

    @property
    def numbers(self) -> NDArray[np.float64]:
        """The figure of every step, float64 ``[at]``."""
        return self._numbers[: self.at]

    @property
    def bad(self) -> NDArray[np.bool_]:
        """At which steps it is NaN or Inf, bool ``[at]``."""
        return self._bad[: self.at]

    def take(self, end: int, tables: Sequence[Tables]) -> None:
        """Take the steps up to ``end``."""
        if end > len(self._numbers):
            more = max(end, 2 * len(self._numbers)) - len(self._numbers)
            self._numbers = np.append(self._numbers, np.full(more, np.nan))
            self._bad = np.append(self._bad, np.zeros(more, dtype=bool))
        for table in tables:
            found = figures_of(table, self.probe)
            if found is not None:
                self._numbers[table.places], self._bad[table.places] = found
        self.at = end


def series_of(recording: Steps, probes: Iterable[Probe]) -> list[Series]:
    """The series of some probes, all steps read at once: some 10 ms for a thousand small steps."""
    made = [Series(probe) for probe in probes]
    at = 0
    while made and at < len(recording):
        end, tables = tables_from(recording, at, together(one.asked for one in made))
        if end <= at:
            break
        for one in made:
            one.take(end, tables)
        at = end
    return made


def line_of(
    steps: NDArray[np.float64], heights: NDArray[np.float64], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A line over rising ``steps`` for ``columns`` pixels: of each the lowest and the highest point, NaN where it breaks off.

    Up to four steps a column all are kept. ``heights`` are numbers or NaN.
    """
    if len(steps) <= 4 * columns:
        return steps, heights
    starts = np.unique(np.searchsorted(steps, np.linspace(steps[0], steps[-1], columns, endpoint=False)))
    ends = np.fmin.reduceat(heights, starts), np.fmax.reduceat(heights, starts)
    return np.repeat(steps[starts], 2), np.column_stack(ends).ravel()


def lone_points(heights: NDArray[np.float64]) -> NDArray[np.intp]:
    """The points with a gap on both sides, which a line does not show: their places."""
    there = ~np.isnan(heights)
    before, after = np.append(False, there[:-1]), np.append(there[1:], False)
    return np.flatnonzero(there & ~before & ~after)
