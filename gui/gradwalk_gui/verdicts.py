"""What is known of a step's ops against the NumPy reference: found by the window, or by the training as the step ran. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gradwalk.trace import NONE, Trace, Verdict

REMEMBERED = 20_000
"""So many verdicts at most are remembered, those of the steps checked last; those of one step always are."""


NOT_COMPARED = "not compared"
"""What is said of an op that has a reference, and whose tensors are not there."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """The verdicts of a step by op."""

    by_op: Mapping[int, Verdict] = field(default_factory=lambda: MappingProxyType({}))

    def __bool__(self) -> bool:
        return bool(self.by_op)


NO_VERDICTS = Verdicts()


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """The verdicts that the window found for a step (an index into the recording), as it was then.

    A step that has grown, or whose tensors have come since, is another: ``events`` and ``tensors`` say how much of it was there.
    """

    step: int
    events: int
    tensors: int
    verdicts: Mapping[int, Verdict]

    def fits(self, step: int, trace: Trace) -> bool:
        """Whether it is of this step as it is now."""
        return step == self.step and (self.events, self.tensors) == (len(trace.tape), len(trace.tensors))


def remember(checked: tuple[Checked, ...], step: int, trace: Trace, verdicts: Mapping[int, Verdict]) -> tuple[Checked, ...]:
    """What is remembered once ``verdicts`` are known too; the steps checked longest ago are let go of."""
    before = next((one.verdicts for one in checked if one.fits(step, trace)), {})
    kept = [Checked(step, len(trace.tape), len(trace.tensors), {**before, **verdicts})]
    room = REMEMBERED - len(kept[0].verdicts)
    for one in reversed([one for one in checked if one.step != step]):
        room -= len(one.verdicts)
        if room < 0:
            break
        kept.append(one)
    return tuple(reversed(kept))


def verdicts_of(trace: Trace, step: int = NONE, checked: tuple[Checked, ...] = ()) -> Verdicts:
    """What is known of a step: what was found while it ran, and besides that what the window found."""
    found = next((one.verdicts for one in checked if one.fits(step, trace)), None)
    if found is None and not trace.verdicts:
        return NO_VERDICTS
    return Verdicts({**(found or {}), **{verdict.op: verdict for verdict in trace.verdicts}})


def with_verdicts(trace: Trace, verdicts: Verdicts) -> Trace:
    """A step with all that is known of it, for what asks the Trace alone; the same object where nothing is."""
    return replace(trace, verdicts=tuple(verdicts.by_op.values())) if verdicts else trace
