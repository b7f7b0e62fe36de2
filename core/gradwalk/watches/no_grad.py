"""Parameters that never get a gradient."""

from __future__ import annotations

from collections.abc import Sequence

from ..leaves import leaves_of
from ..tape import index, label_of, moments
from ..trace import NONE, Graph, Trace
from ..why import cut_ahead, why_no_gradient
from .alert import Alert, Limits, counted, told, what, where
from .brief import Brief
from .unread import without

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
    often = f"; it gets no gradient in any of the {counted(len(steps), 'step')}" if len(steps) > 1 else ""
    found = []
    for name, (brief, value) in never.items():
        why = why_no_gradient(brief.first, value)
        if name not in graded and why:
            position = _blamed(brief.first, value)
            sentence = f"{_cause(brief.first, value, position, why.rstrip('.'))}{often}"
            found.append(Alert(KIND, "error", brief.step, position, name, sentence))
    return found


def _cause(trace: Trace, value: int, position: int, why: str) -> str:
    """Step, event, why it has none, and the source where ``why`` does not name it."""
    if not _readers(trace.graph, value):
        return told(trace, NONE, f": {label_of(trace.graph.values[value])} is never used: {without(trace, value)}")
    at = where(trace, position)
    return f"{what(trace, position)}: {why}{at if at.lstrip(', ') not in why else ''}"


def _blamed(trace: Trace, value: int) -> int:
    """The tape position of the op that cuts a leaf off, else of the first that reads it; NONE where none does."""
    cut, when = cut_ahead(trace, value), moments(trace).ops
    ops = [cut.op] if cut is not None else _readers(trace.graph, value)
    return min((int(when[op]) for op in ops if when[op] != NONE), default=NONE)


def _readers(graph: Graph, value: int) -> list[int]:
    """The ops of the forward that read a leaf."""
    return [op for op in index(graph).consumers[value] if graph.ops[op].phase == "forward"]
