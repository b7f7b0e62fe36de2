"""Two or three recordings side by side: each quantity on one row, its number in each, and how far apart they are over the steps.

The programs may be written in different ways; which quantity is which is ``matching``'s matter. For steps of one structure see
``divergence``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .comparison_course import Course, Places, Reading, Steps
from .comparison_step import Line, lines_of
from .matching import Row, match
from .refusal import RefusalError
from .same import Same
from .scales import unscaled
from .trace import Graph, Trace

TOLERANCE = 1e-4
"""How far apart figures may be by default: float32 beside float64 stays well below it for some hundred steps."""
MOST = 3
"""So many recordings stand side by side at most."""


class Comparison:
    """Recordings side by side, of which the first is the one that the others are compared with."""

    def __init__(self, recordings: Sequence[Steps]) -> None:
        """Raises RefusalError where they have no step in common."""
        self.recordings = tuple(recordings)
        numbers = [step_numbers(recording) for recording in self.recordings]
        common = numbers[0]
        for others in numbers[1:]:
            common = np.intersect1d(common, others)
        if not len(common):
            raise RefusalError("the recordings have no step in common")
        self.steps: NDArray[np.int64] = common
        self._places: list[Places] = [np.searchsorted(of, common) for of in numbers]
        self._rows: dict[tuple[Same[Graph], ...], tuple[Row, ...]] = {}

    def again(self) -> Comparison:
        """The same recordings, which have grown; what was matched is known."""
        made = Comparison(self.recordings)
        made._rows = self._rows
        return made

    def traces(self, place: int) -> list[Trace]:
        """A common step of each, by its place in ``steps``; gradients are without a GradScaler's factor."""
        return [unscaled(recording[int(of[place])]) for recording, of in zip(self.recordings, self._places, strict=True)]

    def place_of(self, column: int, place: int) -> int:
        """The index of a common step into one of the recordings."""
        return int(self._places[column][place])

    def rows(self, traces: Sequence[Trace]) -> tuple[Row, ...]:
        """The rows of a step. Where the steps are of the structure of the first ones, the first tell which leaf is which."""
        key = _graphs(traces)
        if key not in self._rows:
            start = self.traces(0)
            self._rows[key] = match(start if _graphs(start) == key else traces)
        return self._rows[key]

    def lines(self, place: int, exactly: int | None = None) -> tuple[Line, ...]:
        """The rows of a common step with their numbers; of ``exactly`` rows at most the elements are compared (None: of all)."""
        traces = self.traces(place)
        return lines_of(self.rows(traces), traces, exactly)

    def reading(self, traces: Sequence[Trace], wanted: Sequence[int] | None, tolerance: float) -> Reading:
        """Reads how far the rows of a step (its ``traces``) are apart in every common step; ``wanted`` None are the main rows."""
        rows, graphs = self.rows(traces), [trace.graph for trace in traces]
        found = main_rows(rows) if wanted is None else tuple(wanted)
        return Reading(self.recordings, self._places, self.steps, rows, graphs, found, tolerance)

    def course(self, traces: Sequence[Trace], wanted: Sequence[int] | None, tolerance: float) -> Course:
        """The same, read to the end."""
        reading = self.reading(traces, wanted, tolerance)
        while reading.read():
            pass
        return reading.course


def step_numbers(recording: Steps) -> NDArray[np.int64]:
    """The numbers of a recording's steps; their places where it tells none."""
    told = getattr(recording, "step_numbers", None)
    numbers: NDArray[np.int64] = np.arange(len(recording), dtype=np.int64) if told is None else np.asarray(told(), np.int64)
    return numbers


def names_of(recordings: Sequence[Steps]) -> list[str]:
    """What the columns are called: the scripts, where they differ, else the run folders, numbered where two are equal."""
    scripts = [Path(getattr(getattr(recording, "info", None), "script", "").replace("\\", "/")).stem for recording in recordings]
    if all(scripts) and len(set(scripts)) == len(scripts):
        return scripts
    paths = [Path(getattr(recording, "path", "recording")).absolute() for recording in recordings]
    names = [path.parent.name if path.suffix == ".mcap" else path.name for path in paths]
    return [f"{name} ({place})" if names.count(name) > 1 else name for place, name in enumerate(names, 1)]


def main_rows(rows: Sequence[Row]) -> tuple[int, ...]:
    """The places of the rows of the training itself: loss, weights, their gradients; those that two columns have at least."""
    return tuple(place for place, row in enumerate(rows) if row.main and sum(cell is not None for cell in row.cells) > 1)


def _graphs(traces: Sequence[Trace]) -> tuple[Same[Graph], ...]:
    return tuple(Same(trace.graph) for trace in traces)
