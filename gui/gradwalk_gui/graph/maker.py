"""Makes scenes off the GUI thread: one at a time, only the latest wish, and given up at once when it is not wanted any more.

A thread of the same process, not another process: texts are measured with the fonts of the window, and nothing has to be
copied; ``quiet.py`` says how the window stays awake meanwhile. What has come is looked for by a timer of the GUI thread: no
signal crosses threads, and a view that is gone is never called.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal

from gradwalk.layout.cancel import LayoutCancelled
from gradwalk.trace import Trace

from ..state import View
from .facts import Facts, gather
from .quiet import window_first
from .scenes import Key, Made, Scenes, key_of

AT_ONCE = 250
"""Ops and Nodes of a Graph up to which a scene is built at once, in the GUI thread: nothing flickers."""
PATIENCE = 0.025
"""Seconds that are waited for the worker before the old picture is shown on."""
LOOK_MS = 8
CLOSING = 5.0
"""Seconds that the end of the app waits at most for the worker."""


@dataclass(slots=True, eq=False)
class Job:
    """A wish on its way: the scene of a step in a View, with the facts of that step."""

    trace: Trace
    view: View
    key: Key
    cancelled: threading.Event = field(default_factory=threading.Event)
    started: float = field(default_factory=time.monotonic)
    future: Future[tuple[Made, Facts]] | None = None


class Maker(QObject):
    """Owned by a view. ``came`` carries Made and Facts of the latest wish, ``failed`` the Key of one that raised.

    ``began`` and ``ended`` tell when it is at work.
    """

    came = Signal(object, object)
    failed = Signal(object)
    began = Signal()
    ended = Signal()

    def __init__(self, parent: QObject, scenes: Scenes) -> None:
        super().__init__(parent)
        self._scenes = scenes
        self._pool: ThreadPoolExecutor | None = None
        self._job: Job | None = None
        self._looker = QTimer(self, interval=LOOK_MS)
        self._looker.timeout.connect(self._look)
        self._jobs: list[Job] = []
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.close)
        jobs = self._jobs
        self.destroyed.connect(lambda: _give_up(jobs))

    @property
    def busy(self) -> bool:
        """Whether a scene is being made."""
        return self._job is not None

    @property
    def key(self) -> Key | None:
        """What is being made."""
        return None if self._job is None else self._job.key

    @property
    def elapsed(self) -> float:
        """Seconds since the present work began."""
        return 0.0 if self._job is None else time.monotonic() - self._job.started

    def ask(self, trace: Trace, view: View) -> tuple[Made, Facts | None] | None:
        """The scene of a step in a View if it can be had at once; else None, and ``came`` brings it later."""
        made = self._scenes.known(trace.graph, view)
        if made is not None:
            self.cancel()
            return made, None
        key = key_of(trace.graph, view)
        if self._job is not None and self._job.key == key:
            return None
        self.cancel()
        if len(trace.graph.ops) + len(trace.graph.nodes) <= AT_ONCE and view.engine == "ours":
            made = self._scenes.build(trace.graph, view)
            self._scenes.keep(trace.graph, view, made)
            return made, None
        return self._begin(Job(trace, view, key))

    def _begin(self, job: Job) -> tuple[Made, Facts] | None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "layout")
        self._jobs[:] = [known for known in self._jobs if known.future is not None and not known.future.done()] + [job]
        job.future = self._pool.submit(_make, self._scenes, job)
        wait([job.future], PATIENCE)
        if not job.future.done() or job.future.exception() is not None:
            self._job = job
            self._looker.start()
            self.began.emit()
            return None
        done = job.future.result()
        self._scenes.keep(job.trace.graph, job.view, done[0])
        return done

    def _look(self) -> None:
        job = self._job
        if job is None or job.future is None or not job.future.done():
            return
        self._stop()
        if job.future.exception() is not None:
            self.failed.emit(job.key)
        made, facts = job.future.result()  # a fault of the worker is raised here
        self._scenes.keep(job.trace.graph, job.view, made)
        self.came.emit(made, facts)

    def cancel(self) -> None:
        """Give up what is being made; it is never shown."""
        if self._job is not None:
            self._job.cancelled.set()
            self._stop()

    def _stop(self) -> None:
        self._job = None
        self._looker.stop()
        self.ended.emit()

    def close(self) -> None:
        """Give up, and wait until the worker has let go: nothing measures texts after the app's end."""
        self.cancel()
        _give_up(self._jobs)
        wait([job.future for job in self._jobs if job.future is not None], CLOSING)
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None


def _give_up(jobs: list[Job]) -> None:
    for job in jobs:
        job.cancelled.set()


def _make(scenes: Scenes, job: Job) -> tuple[Made, Facts]:
    """In the worker: scene and facts of a wish. Raises LayoutCancelled."""
    if job.cancelled.is_set():
        raise LayoutCancelled
    with window_first():
        made = scenes.build(job.trace.graph, job.view, job.cancelled.is_set)
        return made, gather(job.trace, made.scene, job.view.measure)
