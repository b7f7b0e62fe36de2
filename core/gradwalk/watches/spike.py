"""Loss spikes: a loss far above those of the steps before it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from statistics import median

from ..tape import phases
from ..trace import NONE
from .alert import Alert, Limits, figure, told
from .brief import Brief

KIND = "spike"
LEAST = 5
"""So many losses must have come before."""


def spike(briefs: Sequence[Brief], limits: Limits) -> list[Alert]:
    """An alert per spike, at its first step.

    It is a loss that lies above the median of the ``limits.spike_steps`` steps before by more than ``limits.spike`` times their
    median absolute deviation, or times a tenth of that median if this is more.
    """
    found: list[Alert] = []
    before: deque[float] = deque(maxlen=limits.spike_steps)
    last, high = None, False
    for brief in briefs:
        if brief.loss is None or not math.isfinite(brief.loss):
            continue
        usual = median(before) if len(before) >= LEAST else math.inf
        spread = max(median(abs(loss - usual) for loss in before), 0.1 * abs(usual)) if len(before) >= LEAST else math.inf
        above = math.isfinite(usual) and brief.loss > usual + limits.spike * spread
        if above and not high:
            found.append(_alert(brief, usual, len(before), last))
        if not above:
            before.append(brief.loss)
        last, high = brief, above
    return found


def _alert(brief: Brief, usual: float, steps: int, last: Brief | None) -> Alert:
    assert brief.loss is not None
    ran = brief.ran
    position = next((start for phase, start, _ in phases(ran) if phase == "loss"), NONE)
    times = f", {figure(brief.loss / usual)} times" if usual > 0 else ", far above"
    blame = ""
    if last is not None and last.largest[1]:
        rms, name = last.largest
        blame = f"; in the step before, the largest gradient was that of {name} (RMS {figure(rms)})"
    median_before = f"the median of the {steps} steps before ({figure(usual)})"
    sentence = told(ran, position, f": the loss jumped to {figure(brief.loss)}{times} {median_before}", blame)
    return Alert(KIND, "warning", brief.step, position, str(brief.step), sentence)
