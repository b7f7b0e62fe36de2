"""Steps that were computed again in float64, end to end, and where their errors stand. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradwalk.reference.accumulated import Accumulated, Chain
from gradwalk.trace import TensorKey, Trace

if TYPE_CHECKING:
    from .state import State, Steps

MOST = 8
"""The last so many are remembered."""


@dataclass(frozen=True, slots=True, eq=False)
class Chained:
    """The chain of the step at an index of a recording, as it was with so many events."""

    recording: Steps
    step: int
    events: int
    chain: Chain


def chain_at(state: State) -> Chain | None:
    """The chain of the step that is shown, where it has been computed."""
    if state.trace is None:
        return None
    return chain_of_trace(state, state.trace)


def chain_of_trace(state: State, trace: Trace) -> Chain | None:
    """The same for the Trace of that step."""
    place = state.recording, state.step, len(trace.tape)
    return next((one.chain for one in state.chains if (one.recording, one.step, one.events) == place), None)


def error_of(chain: Chain, key: TensorKey) -> Accumulated | None:
    """The error of a tensor, where it was measured."""
    return chain.values.get(key[1]) if key[0] == "value" else chain.gradients.get(key[1])
