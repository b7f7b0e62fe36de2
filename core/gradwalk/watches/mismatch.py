"""Ops that do not agree with their reference, where they were checked: what a step's verdicts say. Nothing is computed here."""

from __future__ import annotations

import math

from ..tape import moments
from ..trace import AGAIN, NONE, Compared, Trace, Verdict
from .alert import Alert, Limits, edge_position, figure, told, where

KIND = "mismatch"
_JUDGES = {
    "formula": "its formula gives",
    "ops inside": "the ops inside it give",
    "registered formula": "the formula registered for it gives",
    "central differences": "central differences give",
}
AGAIN_GIVES = "its backward, run again, gives"


def mismatch(trace: Trace, limits: Limits) -> list[Alert]:
    """An alert per tensor that does not agree: the output of an op, or the gradient of one of its inputs."""
    return [_alert(trace, verdict, row) for verdict in trace.verdicts for row in verdict.rows if verdict.says(row) is False]


def _alert(trace: Trace, verdict: Verdict, row: Compared) -> Alert:
    op = trace.graph.ops[verdict.op]
    kind, ref = row.tensor
    position = edge_position(trace, ref) if kind == "gradient" else NONE
    if position == NONE:
        position = int(moments(trace).ops[op.id])
    of = f"{row.symbol} of {op.name}" if kind == "gradient" else row.symbol
    by = AGAIN_GIVES if row.formula == AGAIN else _JUDGES[verdict.by]
    sentence = told(trace, position, f": {of} {_difference(row, by)}")
    subject = f"{op.name} {op.module} {op.variable} {row.symbol}{where(trace, position)}"
    return Alert(KIND, "error", trace.step, position, subject, sentence)


def _difference(row: Compared, by: str) -> str:
    """``is 2.5 at [3, 4] where its formula gives 2.25; largest difference 0.25, 0.1 of the largest element``."""
    if math.isnan(row.recorded) and math.isnan(row.expected):
        return f"has another shape than what {by}"
    place = f" at [{', '.join(map(str, row.place))}]" if row.place else ""
    if math.isinf(row.absolute):
        return f"is {figure(row.recorded)}{place} where {by} {figure(row.expected)}"
    far = f"largest difference {figure(row.absolute)}, {figure(row.relative)} of the largest element"
    return f"is {row.recorded:.6g}{place} where {by} {row.expected:.6g}: {far}, {figure(row.off)} times what rounding explains"
