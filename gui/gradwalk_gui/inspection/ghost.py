"""The run before, as it is looked up: the same tensor at the same step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gradwalk.same import Same
from gradwalk.scales import unscaled
from gradwalk.trace import Kept, TensorKey, Trace

from ..state import State, Steps
from .kept import kept_in
from .losses import step_numbers


def ghost_step(state: State) -> Trace | None:
    """The step of the run before with the number of the one that is looked at, where it has the same structure."""
    if state.ghost is None or state.trace is None:
        return None
    trace = _step(Same(state.ghost), len(state.ghost), state.trace.step)
    return trace if trace is not None and trace.graph.key == state.trace.graph.key else None


@lru_cache(maxsize=8)
def _step(key: Same[Steps], length: int, number: int) -> Trace | None:
    place = np.flatnonzero(step_numbers(key.thing, length) == number)
    return unscaled(key.thing[int(place[0])]) if len(place) else None


def ghost_kept(state: State, key: TensorKey) -> Kept | None:
    """A tensor of the run before at the step that is looked at, where it is kept and of the same shape."""
    trace = ghost_step(state)
    if trace is None or state.trace is None:
        return None
    return kept_in(trace, key, state.trace.graph)
