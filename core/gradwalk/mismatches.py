"""``gradwalk check --fail-on mismatch``: the steps that keep their tensors, checked op by op, and what is said of that."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from .reference.whole import StepCheck, check_step
from .refusal import RefusalError
from .tape import moments
from .trace import Compared, Trace, Verdict
from .watches.mismatch import KIND

MOST = 6
"""So many reasons are told why ops have no reference."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One step: what came of it, and its rows for JSON."""

    step: int
    agree: int
    differ: int
    without: Counter[str]
    """Per reason how many ops have no reference."""
    ops: list[dict[str, Any]]


class Mismatches:
    """The checks of steps as they are looked at. ``kinds`` are those that ``listed`` (the text after --fail-on) asks for; without
    it what was found while steps ran is read, and nothing is computed.
    """

    def __init__(self, listed: str | None, kinds: Collection[str]) -> None:
        self._asked = listed is not None and KIND in kinds
        self._by_name = listed is not None and KIND in (kind.strip() for kind in listed.split(","))
        self._steps: list[Checked] = []

    def of(self, traces: Iterable[Trace]) -> Iterator[Trace]:
        """The steps; those that keep tensors, or were checked while they ran, with a verdict on each op.

        Raises RefusalError at the end where mismatches were asked for by name and no step can be checked.
        """
        for trace in traces:
            if not self._asked or not (trace.tensors or trace.verdicts):
                yield trace
                continue
            found = check_step(trace)
            self._steps.append(_checked(trace, found))
            yield replace(trace, verdicts=tuple(found.verdicts.values()))
        if self._by_name and not self._steps:
            raise RefusalError(f"{NOTHING}; record with --level tensors, or the steps in question with --pin")

    def lines(self) -> list[str]:
        """What was checked, for people."""
        if not self._asked:
            return []
        if not self._steps:
            return [f"{KIND}: {NOTHING}"]
        agree, differ = sum(step.agree for step in self._steps), sum(step.differ for step in self._steps)
        without = sum((step.without for step in self._steps), Counter[str]())
        steps = [step.step for step in self._steps]
        which = f"step {steps[0]}" if len(steps) == 1 else f"{len(steps):,} steps from {steps[0]} to {steps[-1]}"
        total = agree + differ + without.total()
        differs = f"{differ:,} differ{'s' if differ == 1 else ''}"
        none = f"{without.total():,} {'has' if without.total() == 1 else 'have'} no reference"
        lines = [f"{total:,} op{'' if total == 1 else 's'} of {which} checked: {agree:,} agree, {differs}, {none}"]
        lines += [f"  {count:,} without reference: {why}" for why, count in without.most_common(MOST)]
        left = len(without) - MOST
        return lines if left <= 0 else [*lines, f"  and for {left} more reason{'' if left == 1 else 's'} (see --json)"]

    def json(self) -> dict[str, Any]:
        """The same as plain data, with the verdict on each op."""
        if not self._asked:
            return {}
        steps = [
            {"step": s.step, "agree": s.agree, "differ": s.differ, "without_reference": dict(s.without), "ops": s.ops}
            for s in self._steps
        ]
        return {"reference": steps}


NOTHING = "no op can be checked: none of these steps keeps its tensors"


def _checked(trace: Trace, found: StepCheck) -> Checked:
    verdicts = list(found.verdicts.values())
    without = Counter(reason(verdict) for verdict in verdicts if verdict.agrees is None)
    agree = sum(verdict.agrees is True for verdict in verdicts)
    return Checked(trace.step, agree, len(found.wrong), without, [_op_json(trace, verdict) for verdict in verdicts])


def reason(verdict: Verdict) -> str:
    """Why an op has no reference, without the names of its tensors, so that equal reasons are counted together."""
    text = verdict.sentence.removeprefix("not checked: ").removeprefix("no reference: ")
    if text.startswith(("only a sample of ", "the elements of ")):
        return "a tensor that it takes part in is not kept whole"
    return text or "it gives no floating-point numbers"


def _op_json(trace: Trace, verdict: Verdict) -> dict[str, Any]:
    op = trace.graph.ops[verdict.op]
    site = trace.graph.sites[op.site] if op.site >= 0 else None
    return {
        "op": op.id,
        "name": op.name,
        "event": int(moments(trace).ops[op.id]),
        "module": trace.graph.modules[op.module].path if op.module >= 0 else "",
        "source": None if site is None else f"{site.file}:{site.line}",
        "by": verdict.by,
        "agrees": verdict.agrees,
        "sentence": verdict.sentence,
        "rows": [_row_json(row, verdict.says(row)) for row in verdict.rows],
    }


def _row_json(row: Compared, agrees: bool | None) -> dict[str, Any]:
    return {
        "tensor": {"kind": row.tensor[0], "id": row.tensor[1]},
        "symbol": row.symbol,
        "formula": row.formula,
        "agrees": agrees,
        "place": list(row.place),
        "recorded": _number(row.recorded),
        "expected": _number(row.expected),
        "max_absolute_error": _number(row.absolute),
        "max_relative_error": _number(row.relative),
        "ulps": _number(row.ulps),
        "off": _number(row.off),
        "kinks": row.kinks,
    }


def _number(number: float) -> float | str:
    """JSON knows no NaN and no Inf: these are words."""
    return number if math.isfinite(number) else str(number)
