"""ReLUs that let nothing through: all outputs 0, or most units 0 for the whole batch."""

from __future__ import annotations

import math

import numpy as np

from ..tape import event_at, shape_of, stats_of
from ..trace import NONE, Op, Trace
from .alert import Alert, Limits, told, where

KIND = "dead-relu"
_OTHERS = ("leaky_relu", "prelu", "rrelu", "leakyrelu")


def dead_relu(trace: Trace, limits: Limits) -> list[Alert]:
    """An alert per ReLU; a gradient of 0 goes back where it gives 0, so what is dead for every input stays dead."""
    found = []
    for position in range(len(trace.tape)):
        event = event_at(trace, position)
        op = trace.graph.ops[event.ref] if event.kind == "op" else None
        if op is None or not is_relu(op):
            continue
        dead = _dead(trace, op, limits)
        if dead:
            sentence = told(trace, position, f" is dead: {dead}")
            subject = f"{op.name} {op.module} {op.variable}{where(trace, position)}"
            found.append(Alert(KIND, "warning", trace.step, position, subject, sentence))
    return found


def is_relu(op: Op) -> bool:
    """Whether an op is a ReLU, also as ``clamp(min=0)`` or a custom Function that is called so."""
    name = op.name.lower().rstrip("_")
    if op.phase != "forward" or op.parent != NONE or not op.outputs or name in _OTHERS:
        return False
    if name in ("clamp", "clamp_min"):
        return dict(op.arguments).get("min") in ("0", "0.0") and "max" not in dict(op.arguments)
    return name.endswith(("relu", "relu6"))


def _dead(trace: Trace, op: Op, limits: Limits) -> str:
    """What is dead of it, in words; an empty string for nothing."""
    output = op.outputs[0]
    stats = stats_of(trace.values, output)
    if stats is None or not stats.count or stats.zero is None or stats.zero < limits.dead_share * stats.count:
        return ""
    if stats.zero == stats.count:
        return f"all its {stats.count:,} outputs are 0"
    kept, shape = trace.tensors.get(("value", output)), shape_of(trace, output)
    if kept is None or not kept.complete or len(shape) < 2 or shape[0] < limits.dead_rows:
        return ""
    axis = 1 if len(shape) == 4 else len(shape) - 1
    silent = (np.moveaxis(kept.data, axis, 0).reshape(shape[axis], -1) == 0).all(axis=1)
    if silent.mean() <= limits.dead_share:
        return ""
    return f"{int(silent.sum()):,} of its {shape[axis]:,} units are 0 for all {math.prod(shape) // shape[axis]:,} rows"
