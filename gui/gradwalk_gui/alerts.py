"""Going from alert to alert through the steps of a recording. No Qt."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gradwalk.recording.format import RecordingError
from gradwalk.scales import unscaled
from gradwalk.trace import NONE, Trace
from gradwalk.watches import ON, WATCHES, Alert, Limits

from .state import Steps

SECONDS = 1.5
"""So long is looked at most; the next press goes on from there."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where the search ended: an index into the recording and a playhead; ``alert`` is None where none was found by then.

    ``through`` says that no step is left to look at.
    """

    step: int
    position: int
    alert: Alert | None = None
    through: bool = False


def next_alert(steps: Steps, step: int, position: int, by: Literal[1, -1], seconds: float = SECONDS) -> Found:
    """The nearest alert of a watch that is on after (or before) a playhead; the playhead it gives is just after its event."""
    end = time.monotonic() + seconds
    at = step
    while 0 <= at < len(steps):
        for alert in _alerts(steps, at, by):
            there = alert.event + 1
            if at != step or (there > position if by > 0 else there < position):
                return Found(at, there, alert)
        if time.monotonic() > end and 0 <= at + by < len(steps):
            return Found(at + by, 0)
        at += by
    return Found(step, position, through=True)


def _alerts(steps: Steps, at: int, by: Literal[1, -1]) -> Iterator[Alert]:
    """The alerts of a step that an event of its own is to blame for, in the order of the search."""
    try:
        trace = unscaled(steps[at])
    except RecordingError:
        return
    found = [alert for alert in alerts_of(trace) if alert.event != NONE and not alert.carried]
    yield from sorted(found, key=lambda alert: by * alert.event)


def alerts_of(trace: Trace) -> list[Alert]:
    """What the watches that are on find in one step."""
    limits = Limits()
    return [
        alert for watch in WATCHES if watch.kind in ON and watch.in_step is not None for alert in watch.in_step(trace, limits)
    ]
