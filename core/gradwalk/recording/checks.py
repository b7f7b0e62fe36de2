"""Which steps are checked while they run, and the thread that compares their ops with their formulas."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence

from ..trace import Trace
from .verdicts import Verdicts

PATIENCE, LITTLE_PATIENCE = 120.0, 3.0
"""Seconds that the end of a recording waits for checks under way; of one that was stopped by hand the second."""


class Checks:
    """The steps that are to be checked: those in ``ranges``, and those that were asked for since. ``near`` is True where the step
    under way, or the next, may be one of them.
    """

    def __init__(self, ranges: Sequence[range] = ()) -> None:
        self._ranges = tuple(ranges)
        self._steps: set[int] = set()
        self._next = False
        self.near = self.wants(0)

    def wants(self, step: int) -> bool:
        """Whether a step is to be checked."""
        return step in self._steps or any(step in steps for steps in self._ranges)

    def ask(self, step: int | None) -> None:
        """Check a step that has not begun, or the next one that begins. May be called from any thread."""
        if step is None:
            self._next = self.near = True
        else:
            self._steps.add(step)

    def begins(self, step: int, following: int) -> bool:
        """A step begins, and ``following`` is the one to be recorded after it: whether it is to be checked."""
        if not (self._next or self._steps or self._ranges):
            return False
        if self._next:
            self._next = False
            self._steps.add(step)
        wanted = self.wants(step)
        self.near = wanted or self.wants(following)
        return wanted


class Checker:
    """Checks steps on a thread of its own, one after the other; of those that wait there is one at most, so that memory stays
    bounded and a training that asks for many waits for them. ``give`` takes what was found.
    """

    def __init__(self, give: Callable[[Verdicts], None]) -> None:
        self._give = give
        self._waiting: queue.Queue[Trace | None] = queue.Queue(maxsize=1)
        self._hurry = False
        self._thread: threading.Thread | None = None

    def add(self, trace: Trace) -> None:
        """Check a step; waits while two others are under way."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="gradwalk-check", daemon=True)
            self._thread.start()
        self._waiting.put(trace)

    def close(self, *, stopped: bool) -> None:
        """Wait for what is under way; after a while (soon, where the run was ``stopped``) what is not checked yet stays so."""
        if self._thread is None or not self._thread.is_alive():
            return
        self._hurry = stopped
        patience = LITTLE_PATIENCE if stopped else PATIENCE
        try:
            self._waiting.put(None, timeout=patience)
        except queue.Full:
            pass
        else:
            self._thread.join(patience)
        self._hurry = True
        self._thread.join(LITTLE_PATIENCE)
        self._thread = None

    def _run(self) -> None:
        from ..reference.whole import check_step

        while (trace := self._waiting.get()) is not None:
            with contextlib.suppress(Exception):  # the thread has to live: the training waits for it
                made = check_step(trace.told(), lambda done, all_: not self._hurry)
                self._give(Verdicts(trace.step, tuple(made.verdicts.values())))
