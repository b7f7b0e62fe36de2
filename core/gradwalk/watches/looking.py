"""Looking through steps with some of the watches: each step is read once, and alerts about the same thing become one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..scales import unscaled
from ..trace import Trace
from .alert import Alert, Limits
from .brief import Brief, brief_of
from .table import ON, WATCHES

Kind = TypeVar("Kind", bound=np.generic)


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


class Looker:
    """Looks through steps that come one after the other, also while a training goes on; :meth:`report` may be asked at any time.

    Gradients are taken without a GradScaler's factor. An alert that a step began with (``carried``) is left out where an earlier
    one of its kind was found.
    """

    def __init__(self, kinds: Collection[str] = ON, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._each = [watch.in_step for watch in WATCHES if watch.kind in kinds and watch.in_step is not None]
        self._over = [watch.in_steps for watch in WATCHES if watch.kind in kinds and watch.in_steps is not None]
        self._found: dict[tuple[str, str], Finding] = {}
        self._begun: dict[str, int] = {}
        """Per kind the step of its first alert."""
        self._briefs: list[Brief] = []
        self._firsts: dict[int, Trace] = {}
        self._numbers: dict[tuple[str, bytes], NDArray[Any]] = {}
        self._steps = self._unread = 0

    def take(self, recorded: Trace) -> None:
        """Look at the next step."""
        self._steps += 1
        self._unread += recorded.label == "damaged"
        trace = unscaled(recorded)
        for in_step in self._each:
            for alert in in_step(trace, self._limits):
                self._add(alert)
        if self._over and trace.done and trace.error is None:
            brief = brief_of(trace, self._firsts.setdefault(id(trace.graph), trace))
            changed, updated = self._shared(brief.changed), self._shared(brief.updated)
            self._briefs.append(replace(brief, changed=changed, updated=updated, tape=self._shared(brief.tape)))

    def peek(self, recorded: Trace) -> tuple[Finding, ...]:
        """What is new in a step that goes on: it is looked at as it is now, and not taken."""
        trace = unscaled(recorded)
        alerts = [alert for in_step in self._each for alert in in_step(trace, self._limits)]
        new = [
            one for one in alerts if (one.kind, one.subject) not in self._found and not (one.carried and one.kind in self._begun)
        ]
        return tuple(Finding(alert, 1, alert.step) for alert in new)

    def over_steps(self) -> tuple[Finding, ...]:
        """What the watches over all steps find in those taken up to now; the more steps, the longer it takes."""
        alerts = [alert for in_steps in self._over for alert in in_steps(self._briefs, self._limits)]
        together: dict[tuple[str, str], Finding] = {}
        for alert in sorted(alerts, key=lambda one: one.step):
            _count(together, alert)
        return tuple(together.values())

    def report(self, over: Iterable[Finding] | None = None) -> Report:
        """What was found in the steps taken; ``over`` is an earlier answer of :meth:`over_steps`, else it is asked now."""
        findings = [*self._found.values(), *(self.over_steps() if over is None else over)]
        return Report(tuple(sorted(findings, key=lambda one: one.alert.step)), self._steps, self._unread)

    def _shared(self, numbers: NDArray[Kind]) -> NDArray[Kind]:
        """Equal numbers of an earlier step: most are, and those of a million steps are not to take room."""
        return self._numbers.setdefault((numbers.dtype.char, numbers.tobytes()), numbers)

    def _add(self, alert: Alert) -> None:
        if alert.carried and self._begun.get(alert.kind, alert.step) < alert.step:
            return
        self._begun.setdefault(alert.kind, alert.step)
        _count(self._found, alert)


def look(traces: Iterable[Trace], kinds: Collection[str] = ON, limits: Limits | None = None) -> Report:
    """Look through steps, in their order, for some kinds of alerts."""
    looker = Looker(kinds, limits)
    for trace in traces:
        looker.take(trace)
    return looker.report()


def _count(found: dict[tuple[str, str], Finding], alert: Alert) -> None:
    """One finding for alerts about the same thing, at the first step that has it."""
    key = alert.kind, alert.subject
    before = found.get(key)
    found[key] = Finding(alert, 1, alert.step) if before is None else Finding(before.alert, before.times + 1, alert.step)
