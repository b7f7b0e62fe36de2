"""Weights that are the same after the update as before it."""

from __future__ import annotations

from collections.abc import Sequence

from ..leaves import COUNT, leaves_of
from ..tape import phases
from ..trace import NONE, STATISTICS, Trace
from .alert import Alert, Limits, counted, edge_position, figure, position_of, told, where
from .brief import Brief

KIND = "unchanged"
_ZERO, _SQUARES = STATISTICS.index("zero"), STATISTICS.index("sumsq")


def unchanged(briefs: Sequence[Brief], limits: Limits) -> list[Alert]:
    """An alert per parameter that got gradients and that no update of any of the steps changed.

    Steps without an update (those of gradient accumulation, and where a GradScaler left it out) do not count.
    """
    changed, still = set[str](), dict[str, tuple[Brief, int, int]]()
    steps = [brief for brief in briefs if brief.updated.any()]
    for brief in steps:
        leaves = leaves_of(brief.first.graph)
        graded = leaves.edges != NONE
        changed.update(leaves.names[leaf] for leaf in brief.changed.nonzero()[0].tolist())
        for leaf in (graded & ~brief.changed).nonzero()[0].tolist():
            start, number, times = still.get(leaves.names[leaf], (brief, leaf, 0))
            still[leaves.names[leaf]] = start, number, times + 1
    return [_alert(name, *found) for name, found in still.items() if name not in changed]


def _alert(name: str, brief: Brief, leaf: int, times: int) -> Alert:
    trace, leaves = brief.ran, leaves_of(brief.first.graph)
    gradient = trace.gradients[:, int(leaves.edges[leaf])]
    position, then = position_of(trace, int(leaves.writers[leaf])), ""
    often = f" (the same in {counted(times, 'step')})" if times > 1 else ""
    if not brief.updated[leaf]:
        position = edge_position(trace, int(leaves.edges[leaf]))
        size = f" of RMS {figure((gradient[_SQUARES] / gradient[COUNT]) ** 0.5)}" if gradient[COUNT] > 0 else ""
        why, then = f"it got a gradient{size}", f", but {_none_of_the_updates(trace)} wrote to it; was it given to the optimizer?"
    elif gradient[_ZERO] == gradient[COUNT] > 0:
        why = "its update left it as it was, for its gradient is exactly 0"
    else:
        why, then = "its update left every element as it was", "; is the learning rate 0, or too small?"
    sentence = told(trace, position, f": {name} is unchanged: {why}", f"{then}{often}")
    return Alert(KIND, "error", brief.step, position, name, sentence)


def _none_of_the_updates(trace: Trace) -> str:
    """``none of the updates from #31 on, train.py:41,``."""
    first = next((start for phase, start, _ in phases(trace) if phase == "update"), NONE)
    at = where(trace, first)
    return f"none of the updates from #{first} on{at}{',' if at else ''}" if first != NONE else "no update"
