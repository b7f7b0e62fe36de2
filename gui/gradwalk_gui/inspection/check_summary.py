"""What the check of a step comes to, in one sentence, and where the first op is that differs. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gradwalk.tape import index
from gradwalk.trace import NONE, Graph, Trace, Verdict
from gradwalk.verdicts import Mark, mark_of, mark_of_half

from ..numbers import count
from ..state import Selection
from .subject import moments_of

NAMED = 3
"""So many ops that differ are named."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """An op that differs from its reference: what to select, and the playhead just after what differs has run."""

    selection: Selection
    position: int


def summary(trace: Trace, verdicts: Mapping[int, Verdict], *, stopped_at: tuple[int, int] | None = None) -> str:
    """``Step 12: 41 ops checked, 40 agree, 1 differs: MyReLU backward; 2 have no reference.``

    ``stopped_at`` says after how many of how many ops the check was stopped.
    """
    told = list(verdicts.values())
    wrong, agree = [v for v in told if v.agrees is False], sum(v.agrees is True for v in told)
    without = sum(mark_of(trace.graph, verdict) is Mark.NO_REFERENCE for verdict in told)
    missed = [v for v in told if v.agrees is None and mark_of(trace.graph, v) is Mark.UNKNOWN]
    begin = f"Step {trace.step}: "
    if stopped_at is not None:
        begin += f"stopped after {stopped_at[0]:,} of {stopped_at[1]:,} ops; "
    if not wrong and not agree:
        why = next((verdict.sentence for verdict in told if verdict.sentence), "")
        return f"{begin}nothing could be compared{': ' + why.removeprefix('not checked: ') if why else ''}."
    parts = [f"{count(len(wrong) + agree, 'op')} checked", f"{agree:,} agree{'s' if agree == 1 else ''}"]
    if wrong:
        parts.append(f"{len(wrong):,} differ{'s' if len(wrong) == 1 else ''}: {_named(trace.graph, wrong)}")
    text = begin + ", ".join(parts)
    more = [f"{without:,} {'has' if without == 1 else 'have'} no reference"] if without else []
    more += [f"{len(missed):,} not compared ({_why(trace.graph, missed[0])})"] if missed else []
    return f"{text}; {', '.join(more)}." if more else f"{text}."


def _why(graph: Graph, missed: Verdict) -> str:
    """Why the first op that could not be compared was not."""
    return f"{graph.ops[missed.op].name}: {missed.sentence.removeprefix('not checked: ')}"


def _named(graph: Graph, wrong: list[Verdict]) -> str:
    names = [f"{graph.ops[verdict.op].name} {halves(graph, verdict)}" for verdict in wrong[:NAMED]]
    more = len(wrong) - NAMED
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def halves(graph: Graph, verdict: Verdict) -> str:
    """Which half of an op differs: ``forward``, ``backward`` or ``forward and backward``."""
    sides = ("forward", "backward")
    return " and ".join(side for side in sides if mark_of_half(graph, verdict, backward=side == "backward") is Mark.DIFFERS)


def first_wrong(trace: Trace, verdicts: Iterable[Verdict]) -> Wrong | None:
    """The op that differs and ran first; None where all agree."""
    when = moments_of(trace)
    wrong = sorted((verdict for verdict in verdicts if verdict.agrees is False), key=lambda one: int(when.ops[one.op]))
    if not wrong:
        return None
    op = wrong[0].op
    at = int(when.ops[op])
    if mark_of_half(trace.graph, wrong[0], backward=False) is not Mark.DIFFERS:
        ran = [int(when.nodes[node]) for node in index(trace.graph).nodes_of_op[op] if when.nodes[node] != NONE]
        at = max(ran, default=at)
    return Wrong(Selection("op", op), at + 1)
