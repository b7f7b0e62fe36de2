"""The check of one step on its way in a worker thread: what is asked, how far it has come, what came of it. No Qt."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from gradwalk.reference.whole import StepCheck, check_step, to_check
from gradwalk.trace import Trace

from .graph.quiet import handing_over
from .state import Steps


@dataclass(slots=True, eq=False)
class StepJob:
    """A step (an index into a recording) that is being checked; ``done`` of ``ops`` are. The worker writes ``done`` only."""

    recording: Steps
    step: int
    trace: Trace
    ops: int
    done: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    future: Future[StepCheck] | None = None

    def told(self, done: int, _all: int) -> bool:
        """Hear how far it is, and say whether it goes on."""
        self.done = done
        return not self.cancelled.is_set()


def begin(pool: ThreadPoolExecutor, recording: Steps, step: int, trace: Trace) -> StepJob:
    """Have a step checked in a worker. What is in the file is listed here: a table of tensors is made by one thread only."""
    len(trace.tensors)
    job = StepJob(recording, step, trace, len(to_check(trace)))
    job.future = pool.submit(_run, job)
    return job


def _run(job: StepJob) -> StepCheck:
    with handing_over():
        return check_step(job.trace, job.told)
