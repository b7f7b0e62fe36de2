"""Looking through steps with some of the watches: each step is read once, and alerts about the same thing become one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ..scales import unscaled
from ..trace import Trace
from .alert import Alert, Limits
from .brief import Brief, brief_of
from .table import ON, WATCHES


@dataclass(frozen=True, slots=True)
class Finding:
    """An alert, and in how many steps it was so, up to ``last``."""

    alert: Alert
    times: int
    last: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the watches found in ``steps`` steps; ``unread`` of these could not be read."""

    findings: tuple[Finding, ...]
    steps: int
    unread: int = 0


def look(traces: Iterable[Trace], kinds: Collection[str] = ON, limits: Limits | None = None) -> Report:
    """Look through steps, in their order, for some kinds of alerts. Gradients are taken without a GradScaler's factor.

    An alert that a step began with (``carried``) is left out where an earlier one of its kind was found.
    """
    limits = limits or Limits()
    each = [watch.in_step for watch in WATCHES if watch.kind in kinds and watch.in_step is not None]
    over = [watch.in_steps for watch in WATCHES if watch.kind in kinds and watch.in_steps is not None]
    found: list[Alert] = []
    briefs: list[Brief] = []
    firsts: dict[int, Trace] = {}
    steps = unread = 0
    for recorded in traces:
        steps += 1
        unread += recorded.label == "damaged"
        trace = unscaled(recorded)
        for in_step in each:
            found += in_step(trace, limits)
        if over and trace.done and trace.error is None:
            briefs.append(brief_of(trace, firsts.setdefault(id(trace.graph), trace)))
    for in_steps in over:
        found += in_steps(briefs, limits)
    return Report(_together(found), steps, unread)


def _together(alerts: Iterable[Alert]) -> tuple[Finding, ...]:
    """One finding for alerts about the same thing, in the order of their first steps."""
    found: dict[tuple[str, str], Finding] = {}
    kinds: dict[str, int] = {}
    for alert in sorted(alerts, key=lambda one: one.step):  # which keeps the order within a step
        if alert.carried and kinds.get(alert.kind, alert.step) < alert.step:
            continue
        kinds.setdefault(alert.kind, alert.step)
        key = alert.kind, alert.subject
        before = found.get(key)
        found[key] = Finding(alert, 1, alert.step) if before is None else Finding(before.alert, before.times + 1, alert.step)
    return tuple(found.values())
