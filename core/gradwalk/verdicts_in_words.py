"""The verdicts that were made of a step while it ran, counted and in words."""

from __future__ import annotations

from typing import Any

from .trace import AGAIN, Compared, Trace, Verdict

MOST_STEPS = 100
"""Checked steps that ``info`` counts."""


def counted_verdicts(trace: Trace) -> dict[str, int]:
    """How many ops of a step ``agree`` with their reference, ``differ`` from it, or have none that they were compared with."""
    found = [verdict.agrees for verdict in trace.verdicts]
    return {"agree": found.count(True), "differ": found.count(False), "not_compared": found.count(None)}


def checked_json(recording: Any) -> list[dict[str, int]]:
    """The steps that were checked while they ran, each with :func:`counted_verdicts`; the first hundred."""
    places = recording.checked_steps()[:MOST_STEPS].tolist()
    return [{"step": recording[place].step, **counted_verdicts(recording[place])} for place in places]


def in_words(counts: dict[str, int]) -> str:
    """``12 ops agree with the reference, 1 differs, 3 were not compared``."""
    agree, differ, rest = counts["agree"], counts["differ"], counts["not_compared"]
    agrees = f"{agree:,} op{' agrees' if agree == 1 else 's agree'} with the reference"
    return (
        f"{agrees}, {differ:,} {'differs' if differ == 1 else 'differ'}, {rest:,} {'was' if rest == 1 else 'were'} not compared"
    )


def verdict_lines(trace: Trace) -> list[str]:
    """One line in all, then one for each op that differs and for each custom Function that could not be compared."""
    if not trace.verdicts:
        return []
    ops = trace.graph.ops
    told = [one for one in trace.verdicts if one.agrees is False or (one.agrees is None and ops[one.op].custom)]
    return [f"checked while it ran: {in_words(counted_verdicts(trace))}", *(f"  {_line(trace, one)}" for one in told)]


def _line(trace: Trace, verdict: Verdict) -> str:
    name = trace.graph.ops[verdict.op].name
    wrong = [row for row in verdict.rows if verdict.says(row) is False]
    return f"{name}: {'; '.join(_of_row(row, verdict) for row in wrong) or verdict.sentence}"


def _of_row(row: Compared, verdict: Verdict) -> str:
    where = f" at [{', '.join(map(str, row.place))}]" if row.place else ""
    seen = f"{row.symbol}{where} is {row.recorded:.6g}"
    if row.formula == AGAIN:
        return f"{seen}, and its backward, run again, gives {row.expected:.6g}"
    return f"{seen}, and {row.expected:.6g} is expected (by {verdict.by})"
