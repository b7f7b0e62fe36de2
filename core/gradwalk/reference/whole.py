"""A whole step against the reference: one verdict for every op that ran."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..trace import Op, Trace, Verdict
from .checking import check


@dataclass(frozen=True, slots=True, eq=False)
class StepCheck:
    """The verdicts of a step by op. ``complete`` is False where the check was stopped before its end."""

    step: int
    verdicts: dict[int, Verdict]
    complete: bool = True

    @property
    def wrong(self) -> tuple[Verdict, ...]:
        """The verdicts of the ops that do not agree, in the order in which they ran."""
        return tuple(verdict for verdict in self.verdicts.values() if verdict.agrees is False)


def to_check(trace: Trace) -> tuple[Op, ...]:
    """The ops of a step that are checked: those of its forward and of its loss that ran, each once."""
    events = (trace.graph.events[event] for event in trace.tape)
    ran = dict.fromkeys(event.ref for event in events if event.kind == "op" and event.phase in ("forward", "loss"))
    return tuple(trace.graph.ops[op] for op in ran)


def check_step(trace: Trace, told: Callable[[int, int], bool] = lambda done, all_: True) -> StepCheck:
    """Check each op of a step, in the order in which they ran. ``told`` hears how many of how many are done, and says whether to
    go on. A verdict that was made while the step ran (``trace.verdicts``) stands for that op. Never raises.
    """
    written = {verdict.op: verdict for verdict in trace.verdicts}
    ops, found = to_check(trace), dict[int, Verdict]()
    for done, op in enumerate(ops):
        if not told(done, len(ops)):
            return StepCheck(trace.step, found, complete=False)
        found[op.id] = written.get(op.id) or check(trace, op).verdict
    told(len(ops), len(ops))
    return StepCheck(trace.step, found)
