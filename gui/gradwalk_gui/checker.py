"""Check this step: in a worker where the step has tensors, by the training where there is one, else a word on what to do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

from PySide6.QtCore import QObject, QTimer

from gradwalk.reference.whole import StepCheck
from gradwalk.trace import Trace

from .activity import Activity
from .inspection.check_summary import first_wrong, summary
from .inspection.kept import steps_with_tensors
from .notice import Notice
from .session import Session
from .state import State, Steps
from .step_check import StepJob, begin
from .verdicts import verdicts_of

LOOK_MS = 30
JOB = "check"
NEAR = 64
"""So many steps beside one without tensors are looked at for some."""


class Training(Protocol):
    """What checks steps while they run."""

    @property
    def reachable(self) -> bool:
        """Whether the training of the recording can be asked."""

    def check_next(self) -> None:
        """Have its next step checked."""


class Checker(QObject):
    """Owned by the shell. One step is checked at a time; another wish ends the one before."""

    def __init__(
        self, session: Session, notice: Notice, activity: Activity, training: Training, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._notice, self._activity, self._training = session, notice, activity, training
        self._pool: ThreadPoolExecutor | None = None
        self._job: StepJob | None = None
        self._looker = QTimer(self, interval=LOOK_MS)
        self._looker.timeout.connect(self._look)
        session.changed.connect(self._on_changed)

    @property
    def busy(self) -> bool:
        """Whether a step is being checked."""
        return self._job is not None

    def check_step(self) -> None:
        """Check every op of the step that is shown."""
        state = self._session.state
        if state.recording is None or state.trace is None:
            return
        if not len(state.trace.tensors) and not state.verdicts:
            self._refuse(state, state.trace)
            return
        self._give_up()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "check-step")
        self._job = job = begin(self._pool, state.recording, state.step, state.trace)
        self._activity.begin(JOB, _progress(job), self.cancel)
        self._looker.start()

    def cancel(self) -> None:
        """End the check after the op that it is at; what was found by then stays."""
        if self._job is not None:
            self._job.cancelled.set()
            self._activity.end(JOB)

    def close(self) -> None:
        """Let go of the worker."""
        self._give_up()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _refuse(self, state: State, trace: Trace) -> None:
        """Nothing of this step can be computed again: say what can be done instead, and offer it."""
        assert state.recording is not None
        if self._training.reachable:
            self._training.check_next()
            return
        near = _nearest_with_tensors(state.recording, state.step, state.length)
        said = f"Step {trace.step:,} keeps no tensors, so its ops cannot be computed again."
        if near is None:
            self._notice.say(f"{said} Record it with --pin {trace.step} (gradwalk run), or ask a running training with F12.")
            return
        number = state.recording[near].step
        go = partial(self._session.go_to, near, state.position)
        self._notice.say(f"{said} Step {number:,} is the nearest that does.", more=(f"Go to step {number:,}", go))

    def _look(self) -> None:
        """Say how far it is; take in what came of it once it has ended."""
        job = self._job
        if job is None or job.future is None:
            self._looker.stop()
            return
        if not job.future.done():
            if not job.cancelled.is_set():
                self._activity.tell(JOB, _progress(job), job.done / max(job.ops, 1))
            return
        self._end()
        self._take(job, job.future.result())  # a fault of the worker is raised here

    def _take(self, job: StepJob, check: StepCheck) -> None:
        self._session.know(job.recording, job.step, job.trace, check.verdicts)
        stopped = None if check.complete else (len(check.verdicts), job.ops)
        tell(self._session, self._notice, job.recording, job.step, job.trace, stopped_at=stopped)

    def _give_up(self) -> None:
        """Nobody waits for the check any more."""
        if self._job is not None:
            self._job.cancelled.set()
            self._end()

    def _end(self) -> None:
        self._job = None
        self._looker.stop()
        self._activity.end(JOB)

    def _on_changed(self, old: State, new: State) -> None:
        if old.recording is not new.recording:
            self._give_up()


def tell(
    session: Session,
    notice: Notice,
    recording: Steps,
    step: int,
    trace: Trace,
    *,
    stopped_at: tuple[int, int] | None = None,
) -> None:
    """Say what the check of a step came to, with a way to the first op that differs."""
    known = verdicts_of(trace, step, session.state.checked).by_op
    wrong = first_wrong(trace, known.values())
    more = None
    if wrong is not None:

        def go() -> None:
            if session.state.recording is recording:
                session.go_to(step, wrong.position)
                session.select(wrong.selection)

        more = ("Go to it" if sum(verdict.agrees is False for verdict in known.values()) == 1 else "Go to the first", go)
    notice.say(summary(trace, known, stopped_at=stopped_at), "error" if wrong is not None else "info", more)


def _progress(job: StepJob) -> str:
    return f"Checking step {job.trace.step:,}: {job.done:,} of {job.ops:,} ops"


def _nearest_with_tensors(recording: Steps, step: int, length: int) -> int | None:
    """The nearest step (an index) that keeps tensors, or None."""
    for tried, near in enumerate(steps_with_tensors(recording, step, length)):
        if tried >= NEAR:
            return None
        if len(recording[near].tensors):
            return near
    return None
