"""What a section of the inspector shows: one thing of a step, as it is at the playhead."""

from __future__ import annotations

from dataclasses import dataclass

from gradwalk.trace import Trace

from ..inspection.facts import Tensor, chosen_of, tensors_of
from ..inspection.subject import subject_of
from ..state import Selection, State


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The thing, its tensors and the one of them that is looked into; ``state`` has the step and the playhead."""

    state: State
    trace: Trace
    subject: Selection
    tensors: tuple[Tensor, ...]
    tensor: Tensor | None

    @property
    def position(self) -> int:
        """The playhead."""
        return self.state.position


def look_of(state: State) -> Look | None:
    """What is to be looked at, or None where there is nothing."""
    subject = subject_of(state)
    if state.trace is None or subject is None:
        return None
    tensors = tensors_of(state.trace, state.position, subject)
    return Look(state, state.trace, subject, tensors, chosen_of(tensors, state.tensor))
