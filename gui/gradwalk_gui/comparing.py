"""Comparing what is shown with another rank, step or recording, on a thread of its own. No Qt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gradwalk.divergence import Parted, differences, first_divergence
from gradwalk.recording.reader import Recording, open_recording
from gradwalk.refusal import RefusalError
from gradwalk.trace import Trace

from .ranks import index_of
from .state import Steps


@dataclass(frozen=True, slots=True)
class Wish:
    """What to compare with: a rank of this run, a step (by its number) of this recording, or the recording at a path.

    ``every``: every step that both have, up to the first that parts; else the step that is shown only.
    """

    rank: int | None = None
    step: int | None = None
    path: str = ""
    every: bool = True
    tolerance: float = 1e-6


class CancelledError(Exception):
    """Nobody waits for the result any more."""


class Watched:
    """The steps of a recording, until ``cancelled`` is set; tells ``at`` which step is looked at."""

    def __init__(self, recording: Recording, cancelled: threading.Event, at: Callable[[int], object]) -> None:
        self._recording, self._cancelled, self._at = recording, cancelled, at

    def __getitem__(self, index: int, /) -> Trace:
        if self._cancelled.is_set():
            raise CancelledError
        trace = self._recording[index]
        self._at(trace.step)
        return trace

    def step_numbers(self) -> NDArray[np.int64]:
        """The number of every step."""
        return self._recording.step_numbers()


def compare(
    shown: Steps, trace: Trace, wish: Wish, cancelled: threading.Event, at: Callable[[int], object] = lambda step: None
) -> Parted | None:
    """Where the step ``trace`` of a recording (or its steps) and another part; None where they do not.

    Raises RefusalError where they cannot be compared, RecordingError where the other cannot be read, CancelledError.
    """
    if wish.step is not None:
        return _parted(trace, _step_of(shown, wish.step), wish.tolerance)
    if not isinstance(shown, Recording):
        raise RefusalError("what is shown is no recording on disk, so only its own steps can be compared")
    folder = shown.path if shown.path.is_dir() else shown.path.parent
    path, rank = (Path(wish.path), None) if wish.path else (folder, wish.rank)
    with open_recording(path, rank) as other:
        if wish.every:
            return first_divergence(Watched(shown, cancelled, at), other, wish.tolerance)
        return _parted(trace, _step_of(other, trace.step), wish.tolerance)


def _parted(first: Trace, second: Trace, tolerance: float) -> Parted | None:
    found = differences(first, second, tolerance)
    return (first, second, found) if found else None


def _step_of(recording: Steps, number: int) -> Trace:
    """The step of a number."""
    if not isinstance(recording, Recording):
        if 0 <= number < len(recording):
            return recording[number]
        raise RefusalError(f"there is no step {number} in this recording")
    place = index_of(recording, number)
    if not len(recording) or int(recording.step_numbers()[place]) != number:
        raise RefusalError(f"there is no step {number} in {recording.path.name}, rank {recording.rank}")
    return recording[place]
