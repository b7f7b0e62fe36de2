"""A step is computed again in float64 in a worker when it is asked for: progress and Cancel stand in the activity corner."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, QTimer, Signal

from gradwalk.recording.format import RecordingError
from gradwalk.recording.reader import Recording, open_recording
from gradwalk.reference.accumulated import Chain
from gradwalk.reference.chain import chain_of

from .activity import Activity
from .chains import MOST, Chained, chain_at
from .graph.quiet import handing_over
from .session import Session
from .state import State, Steps

LOOK_MS = 40
NAME = "chain"


@dataclass(slots=True, eq=False)
class Job:
    """One step on its way; the worker counts, the window reads."""

    recording: Steps
    step: int
    number: int
    events: int
    cancelled: threading.Event = field(default_factory=threading.Event)
    part: float = 0.0

    def run(self) -> Chain | None:
        """Compute, on a recording opened once more, so that the window never waits for what is read here."""
        steps, own = self.recording, None
        if isinstance(steps, Recording):
            with suppress(RecordingError):
                steps = own = open_recording(steps.path, steps.rank)
        try:
            with handing_over():
                return chain_of(steps, self.step, self._told) if self.step < len(steps) else None
        finally:
            if own is not None:
                own.close()

    def _told(self, done: int, all_: int) -> bool:
        self.part = done / max(all_, 1)
        return not self.cancelled.is_set()


class Chaining(QObject):
    """Owned by the shell. ``asked`` when a step is asked for: its page is to be seen."""

    asked = Signal()

    def __init__(self, session: Session, activity: Activity, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._activity = session, activity
        self._pool: ThreadPoolExecutor | None = None
        self._job: Job | None = None
        self._future: Future[Chain | None] | None = None
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self._look)
        session.changed.connect(self._on_changed)

    def begin(self) -> None:
        """Compute the step that is shown, unless that has been done; one whose tensors were not there is tried again."""
        state = self._session.state
        if state.recording is None or state.trace is None:
            return
        self.asked.emit()
        chain = chain_at(state)
        if (chain is not None and chain.values) or (self._job is not None and self._job.step == state.step):
            return
        self.cancel()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, NAME)
        self._job = Job(state.recording, state.step, state.trace.step, len(state.trace.tape))
        self._future = self._pool.submit(self._job.run)
        self._tell()
        self._timer.start()
        self._session.set(chaining=state.step)

    def cancel(self) -> None:
        """Leave off; what was found is forgotten."""
        if self._job is None:
            return
        self._job.cancelled.set()
        self._end()

    def close(self) -> None:
        """Let go of the thread; what it is at ends by itself."""
        self.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _end(self) -> None:
        self._job = self._future = None
        self._timer.stop()
        self._activity.end(NAME)
        self._session.set(chaining=-1)

    def _look(self) -> None:
        job, future = self._job, self._future
        if job is None or future is None:
            return
        if not future.done():
            self._tell()
            return
        chain = future.result()  # a fault of the worker is raised here
        if chain is not None and chain.complete and self._session.state.recording is job.recording:
            made = Chained(job.recording, job.step, job.events, chain)
            others = [one for one in self._session.state.chains if one.step != job.step]
            self._session.set(chains=(*others, made)[-MOST:])
        self._end()

    def _tell(self) -> None:
        if self._job is not None:
            text = f"Step {self._job.number:,} in float64: {self._job.part:.0%}"
            self._activity.begin(NAME, text, self.cancel)

    def _on_changed(self, old: State, new: State) -> None:
        if old.recording is not new.recording:
            self.cancel()
            if new.chains:
                self._session.set(chains=())
