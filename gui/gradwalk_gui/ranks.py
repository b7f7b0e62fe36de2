"""Several ranks of one run: which there are, and where the same step is in another. No Qt."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gradwalk.recording.reader import Recording
from gradwalk.same import Same

from .state import State, Steps


def ranks_of(state: State) -> tuple[int, ...]:
    """The ranks that a recording has files of; one or none where it is not of several."""
    return () if state.recording is None else _ranks(Same(state.recording), state.length)


@lru_cache(maxsize=1)
def _ranks(recording: Same[Steps], length: int) -> tuple[int, ...]:
    """Looked at once per length: another rank's file may come while the recording grows."""
    found: tuple[int, ...] = getattr(recording.thing, "ranks", ())
    return found


def has_ranks(state: State) -> bool:
    """For commands that need a recording of several ranks."""
    return len(ranks_of(state)) > 1


def index_of(recording: Recording, number: int) -> int:
    """Where the step of a number stands in a recording, or the one after it; the last where there is none."""
    return max(0, min(int(np.searchsorted(recording.step_numbers(), number)), len(recording) - 1))


def beside(ranks: tuple[int, ...], rank: int, by: int) -> int:
    """The next (or previous) rank, round and round."""
    return ranks[(ranks.index(rank) + by) % len(ranks)] if rank in ranks else ranks[0]
