"""One op of a step against its formula: is what was recorded what the mathematics gives, forwards and backwards?

The formula is computed in float64 from the recorded inputs (and for the gradients from the recorded gradients of the outputs). A
custom Function has no formula: there the formulas of the ops inside its forward, and their chain backwards, are what it is shown
next to; where it differs from them nothing is decided, for its backward may be meant so. What rounding explains is
``tolerance.py``, derived in ``docs/the-check.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..tape import shape_of
from ..trace import Compared, Judge, Op, TensorKey, Trace, Verdict
from .comparing import compared, without_kinks
from .computed import computed
from .kinks import nearness, valid_at_kinks
from .not_a_number import NotANumber
from .out_of_range import OutOfRange
from .program import REFUSED, Step, named, run_back, writes_through_view
from .recorded import NotThereError, Recorded, whole
from .rounding import unit_of
from .tolerance import Tolerance

__all__ = ["Check", "NotThereError", "check", "elements_of", "why_not"]

NOT_CHECKED = "no reference: custom Function, not checked while it ran"
"""Of a custom Function for which no formulas of ops inside can stand."""


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """The verdict on an op, and the calls of formulas that it rests on."""

    verdict: Verdict
    steps: tuple[Step, ...] = ()


def elements_of(trace: Trace, op: Op) -> int:
    """How many elements the inputs and outputs of an op (of a custom Function: also those inside) have."""
    ops = [op, *(other for other in trace.graph.ops if op.custom and other.parent == op.id)]
    values = {value for one in ops for value in (*one.inputs, *one.outputs)}
    return sum(math.prod(shape_of(trace, value)) for value in values)


def why_not(trace: Trace, op: Op) -> str:
    """Why an op cannot be checked, as far as that is seen without computing: an input that is not there. Else nothing."""
    try:
        for value in op.inputs:
            whole(trace.tensors.get(("value", value)), named(trace.graph, value))
    except NotThereError as error:
        return _sentence(op, error)
    return ""


def check(trace: Trace, op: Op) -> Check:
    """Compare the outputs and the input gradients of an op with its formula. Never raises: what cannot be is said."""
    return _Checking(trace, op).made()


class _Checking:
    """The work of one check."""

    def __init__(self, trace: Trace, op: Op) -> None:
        self.trace, self.graph, self.op = trace, trace.graph, op
        self.recorded = Recorded(trace, op)

    def made(self) -> Check:
        with np.errstate(all="ignore"):
            try:
                made = computed(self.recorded)
                tolerance = Tolerance(self.graph, self.op, made.steps, made.tensors, made.found, made.outs)
                rows = self._forward(tolerance, made.outputs)
            except REFUSED as error:
                return self._check(sentence=_sentence(self.op, error))
            if any(math.isinf(row.off) and row.recorded != row.recorded and row.expected != row.expected for row in rows):
                return self._check(sentence=f"the arguments of {self.op.name} as recorded do not tell all of this call")
            try:
                back, sentence = self._backward(tolerance, made.outputs)
            except REFUSED as error:
                back, sentence = (), _sentence(self.op, error)
        return self._check((*rows, *back), sentence, made.steps)

    def _check(self, rows: tuple[Compared, ...] = (), sentence: str = "", steps: tuple[Step, ...] = ()) -> Check:
        by: Judge = "ops inside" if self.op.custom else "formula"
        made = Verdict(self.op.id, by, rows, sentence)
        return Check(replace(made, sentence=_undecided(self.op, made) or sentence), steps)

    def _forward(self, tolerance: Tolerance, outputs: dict[int, int]) -> tuple[Compared, ...]:
        steps = tolerance.steps
        formula = steps[-1].call.formula
        text = formula.forward if len(steps) == 1 else f"the {len(steps)} ops inside"
        symbol = formula.output if len(steps) == 1 else "Z"
        rows = []
        for value, inner in outputs.items():
            seen = np.asarray(self.recorded.value(value))
            if seen.dtype.kind != "f" and len(outputs) > 1:
                continue  # the places of a maximum: of equal elements either may be meant
            expected = _as_whole(seen, tolerance.found[inner])
            same = seen.shape == np.shape(expected) and seen.dtype.kind == "f"
            allowed = tolerance.forward(value, inner) if same else 0.0
            lost = partial(self._lost, tolerance, inner, seen, expected, allowed, back=False) if same else None
            rows.append(compared(("value", value), symbol, text, seen, expected, allowed, self._unit(value), lost=lost))
        return tuple(rows)

    def _backward(self, forwards: Tolerance, outputs: dict[int, int]) -> tuple[tuple[Compared, ...], str]:
        """The rows of the gradients, and what was left out of them."""
        (seeds, sizes, parts), wanted = self.recorded.incoming(), self.recorded.given()
        if not seeds or not wanted:
            return (), ""
        if writes_through_view(self.graph, self.op):
            return (), f"not checked: {self.op.name} writes through a view; which elements of its base these are is not recorded"
        inside, sizes = ({outputs[value]: g for value, g in made.items()} for made in (seeds, sizes))
        gradients = run_back(forwards.steps, forwards.found, forwards.outs, inside)
        known = {value: gradients[value] for value in wanted if value in gradients}
        tolerance = replace(forwards, seeds=inside, sizes=sizes, parts=parts, gradients=known)
        rows, left_out = [], ""
        for value in known:
            key: TensorKey = ("gradient", wanted[value][-1].id)
            try:
                seen = [np.asarray(self.recorded.gradient(edge)) for edge in wanted[value]]
            except NotThereError as error:
                left_out = _sentence(self.op, error)
                continue
            row = self._gradient_row(tolerance, value, key, seen)
            reason = "" if row.agrees else self.recorded.mixed(value) or self.recorded.changed()
            if reason:
                left_out = f"not checked: {reason}"
            else:
                rows.append(row)
        return tuple(rows), left_out

    def _gradient_row(self, tolerance: Tolerance, value: int, key: TensorKey, parts: Sequence[Any]) -> Compared:
        """The row of the gradient of an input, recorded in ``parts``: one per time that the op read it."""
        steps, seen, expected, unit = (
            tolerance.steps,
            parts[0] if len(parts) == 1 else sum(parts),
            tolerance.gradients[value],
            self._unit(value),
        )
        symbols = [steps[0].call.symbol(n) for n, read in enumerate(self.op.inputs) if read == value and len(steps) == 1]
        texts = dict(steps[0].call.formula.gradients)
        symbol = f"dL/d{symbols[0]}" if symbols else f"dL/d{named(self.graph, value)}"
        text = texts.get(symbols[0], "") if symbols else f"the chain of the {len(steps)} ops inside"
        if np.shape(seen) != np.shape(expected):
            return compared(key, symbol, text, seen, expected, 0.0, unit)
        allowed = tolerance.backward(value, sum(map(np.abs, parts)) if len(parts) > 1 else None)
        lost = partial(self._lost, tolerance, value, seen, expected, allowed, back=True)
        near = nearness(steps, tolerance.stored)
        kinks = partial(valid_at_kinks, steps, tolerance.tensors, tolerance.seeds, value, seen, allowed, near)
        return without_kinks(
            key, symbol, text, seen, expected, allowed, unit, lambda wrong: np.logical_and(wrong, kinks()), lost=lost
        )

    def _lost(self, tolerance: Tolerance, value: int, seen: Any, expected: Any, allowed: Any, *, back: bool) -> Any:
        """Which elements of an output, or of a gradient, left the dtype's range on their way, or hang on a NaN."""
        steps, tensors, seeds = tolerance.steps, tolerance.tensors, tolerance.seeds if back else {}
        known = {value: self.recorded.value(value) for value in self.op.outputs if ("value", value) in self.trace.tensors}
        left = OutOfRange(steps, tensors, seeds, known, tolerance.stored)
        made = (lambda found, outs, given: run_back(steps, found, outs, given)[value]) if back else lambda found, *_: found[value]
        outside = (left.gradient if back else left.output)(value, seen, expected, allowed)
        nan = NotANumber(steps, tensors, seeds, made, tensors.get(value) if back else None)
        return outside | nan.excused(seen, expected)

    def _unit(self, value: int) -> float:
        return unit_of(self.graph.values[value].dtype)


def _as_whole(seen: Any, expected: Any) -> Any:
    """Where whole numbers are recorded, what was expected cut at the point; as recorded where no whole number is so large."""
    if seen.dtype.kind not in "iu" or np.asarray(expected).dtype.kind != "f" or np.shape(expected) != seen.shape:
        return expected
    return np.where(np.abs(expected) < 2.0**62, np.trunc(expected), seen)


def _undecided(op: Op, made: Verdict) -> str:
    """What is said of a custom Function that differs from the ops inside its forward; nothing of any other."""
    differs = [row.symbol for row in made.rows if made.says(row) is None]
    if not differs:
        return ""
    of = " and ".join(differs)
    return f"{NOT_CHECKED}; {op.name} gives another {of} than the ops inside its forward (--check-steps decides)"


def _sentence(op: Op, error: BaseException) -> str:
    """Why there is no verdict, or not on all of it."""
    if op.custom and not isinstance(error, NotThereError):
        return NOT_CHECKED
    text = str(error) or type(error).__name__
    return (
        f"not checked: {text}" if isinstance(error, ValueError) else f"not checked: the formula does not take this call ({text})"
    )
