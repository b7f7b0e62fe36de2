"""Looking for alerts through a recording that may grow, some milliseconds at a time, in a worker thread. No Qt."""

from __future__ import annotations

import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import Recording, open_recording
from gradwalk.trace import Trace
from gradwalk.watches import Finding, Limits, Looker

from .alerts import AlertRow, Alerts, row_of
from .graph.quiet import handing_over
from .state import Steps

TURN = 0.03
"""Seconds after which a turn ends, with the step that is being looked at."""
REST = 10
"""What the watches over all steps take, times this, is how long they then rest while the recording grows."""


class Scan:
    """Where the look through one recording has come to. Only one thread at a time may call :meth:`turn`."""

    def __init__(self, recording: Steps, kinds: Collection[str], limits: Limits | None = None) -> None:
        self.recording = recording
        self._steps: Steps | None = None
        """The recording as the worker reads it."""
        self.cancelled = threading.Event()
        self._looker = Looker(kinds, limits)
        self._looked = 0
        self._numbers = array("q")
        """The step number of each step taken; they rise."""
        self._rows: dict[tuple[str, str], AlertRow] = {}
        self._over: tuple[Finding, ...] = ()
        self._over_looked = -1
        self._over_due = 0.0
        self._peeked: tuple[Trace | None, tuple[Finding, ...]] = None, ()

    def turn(self, length: int) -> Alerts:
        """Look on for a while, at the first ``length`` steps; what has been found by then."""
        with handing_over():
            steps = self._read(length)
            length = min(length, len(steps))
            at_end = self._look_on(steps, length)
            self._look_over(hurry=at_end and not is_growing(steps))
            peeked = self._peek(steps[length - 1]) if at_end and self._looked < length else ()
            rows = self._place(steps, (*self._looker.report(self._over).findings, *peeked))
            return Alerts(rows, length if at_end else self._looked, at_end and self._over_looked == self._looked)

    def close(self) -> None:
        """Let go of the file; no turn may follow."""
        if isinstance(self._steps, Recording) and self._steps is not self.recording:
            self._steps.close()

    def _read(self, length: int) -> Steps:
        """The recording opened once more, so that the window never waits for what is read here; itself where it is no file."""
        if self._steps is None:
            self._steps = self.recording
            if isinstance(self.recording, Recording):
                with suppress(RecordingError):
                    self._steps = open_recording(self.recording.path, self.recording.rank)
        if isinstance(self._steps, Recording) and self._steps is not self.recording and not self._steps.closed:
            with suppress(RecordingError):  # which is told where the window reads it
                self._steps.poll()
        return self._steps

    def _look_on(self, steps: Steps, length: int) -> bool:
        """Take the next steps; whether all are taken, but for a last one that goes on."""
        end = time.monotonic() + TURN
        while self._looked < length and not self.cancelled.is_set():
            trace = steps[self._looked]
            if self._looked == length - 1 and not trace.done and is_growing(steps):
                return True
            self._numbers.append(trace.step)
            self._looker.take(trace)
            self._looked += 1
            if time.monotonic() > end:
                break
        return self._looked == length

    def _look_over(self, *, hurry: bool) -> None:
        if self._over_looked == self._looked or (time.monotonic() < self._over_due and not hurry):
            return
        begun = time.monotonic()
        self._over, self._over_looked = self._looker.over_steps(), self._looked
        self._over_due = time.monotonic() + REST * (time.monotonic() - begun)

    def _peek(self, trace: Trace) -> tuple[Finding, ...]:
        """What is to be said of the last step, which goes on."""
        if trace is not self._peeked[0]:
            self._peeked = trace, self._looker.peek(trace)
        return self._peeked[1]

    def _place(self, steps: Steps, findings: tuple[Finding, ...]) -> tuple[AlertRow, ...]:
        known, self._rows = self._rows, {}
        for finding in findings:
            alert = finding.alert
            row = known.get((alert.kind, alert.subject))
            if row is None or row.finding.alert != alert:
                index = bisect_left(self._numbers, alert.step)
                row = row_of(finding, steps[index], index)
            elif row.finding != finding:
                row = replace(row, finding=finding)
            self._rows[row.key] = row
        return tuple(sorted(self._rows.values(), key=lambda row: row.place))


def is_growing(recording: Steps) -> bool:
    """Whether more steps may come."""
    return not getattr(recording, "closed", True) and getattr(recording, "ended", "clean") is None
