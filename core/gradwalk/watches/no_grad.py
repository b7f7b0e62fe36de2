"""Parameters that never get a gradient."""

from __future__ import annotations

from collections.abc import Sequence

from ..leaves import leaves_of
from ..tape import moments
from ..trace import NONE, Trace
from ..why import cut_ahead, why_no_gradient
from .alert import Alert, Limits, counted
from .brief import Brief

KIND = "no-grad"


def no_grad(briefs: Sequence[Brief], limits: Limits) -> list[Alert]:
    """An alert per parameter or leaf that requires grad and got none in any of the steps, with the reason in the first."""
    steps = [brief for brief in briefs if brief.backward]
    graded, never = set[str](), dict[str, tuple[Brief, int]]()
    seen = set[int]()
    for brief in steps:
        if id(brief.first) in seen:
            continue
        seen.add(id(brief.first))
        leaves = leaves_of(brief.first.graph)
        for value, name, edge in zip(leaves.values.tolist(), leaves.names, leaves.edges.tolist(), strict=True):
            if edge != NONE:
                graded.add(name)
            else:
                never.setdefault(name, (brief, value))
    often = f" (in none of {counted(len(steps), 'step')})" if len(steps) > 1 else ""
    found = []
    for name, (brief, value) in never.items():
        why = why_no_gradient(brief.first, value)
        if name not in graded and why:
            position = _blamed(brief.first, value)
            found.append(Alert(KIND, "error", brief.step, position, name, f"step {brief.step}: {why.rstrip('.')}{often}"))
    return found


def _blamed(trace: Trace, value: int) -> int:
    """The tape position of the op that cuts a leaf off, or NONE."""
    cut = cut_ahead(trace, value)
    return int(moments(trace).ops[cut.op]) if cut is not None else NONE
