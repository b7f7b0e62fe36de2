"""A recording of this process: begun when the script first imports NumPy or torch, ended with the script.

The cycle, in order: 1. ``watch`` waits for the imports; 2. the first of them makes the writer and the sink; 3. NumPy's (before it
happens) starts the tape, torch's (when it has happened) starts the recorder and turns the tape off; 4. ``stop`` takes them away
when the script has ended (or raised); 5. ``finish`` closes the recording. Nothing of this raises into the script: a fault is said
once, and the script goes on.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..gate import Gate
from ..refusal import RefusalError
from .hooks import ImportGate, ImportHook
from .place import Identity

if TYPE_CHECKING:
    from ..numpy_tape import NumpyTape
    from ..recorder import Recorder
    from ..recording.info import RunInfo
    from ..recording.writer import Writer
    from .sink import RunSink


@dataclass(frozen=True, slots=True)
class Wishes:
    """How much to record: see ``gradwalk run --help``."""

    level: str = "statistics"
    every: int = 1
    steps: int | None = None
    pinned: tuple[range, ...] = ()
    checked: tuple[range, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is recorded. ``script`` is its path; ``numpy``: whether plain NumPy code beside it is recorded too."""

    argv: tuple[str, ...]
    script: str
    numpy: bool = True

    @property
    def folder(self) -> Path:
        """Where the script's own modules are."""
        return Path(self.script).resolve().parent


class RunRecording:
    """One process's recording in ``folder``."""

    active: ClassVar[RunRecording | None] = None
    """The one that is going on."""

    def __init__(self, folder: Path, who: Identity, subject: Subject, wishes: Wishes) -> None:
        self.folder = folder
        self._who, self._subject, self._wishes = who, subject, wishes
        self._pid = os.getpid()
        self._started = time.time()
        self._writer: Writer | None = None
        self._sink: RunSink | None = None
        self._tape: NumpyTape | None = None
        self._recorder: Recorder | None = None
        self.gate = Gate()
        """Where the training is held while a person looks."""
        self.attached = threading.Event()
        """Set as soon as an app is there."""
        self._faulty = False
        self._finished = False
        self._hook = ImportHook({"torch": self._guarded(self._torch_is_there)})
        self._gate = ImportGate("numpy", self._guarded(self._numpy_is_wanted))

    @property
    def steps(self) -> int:
        """How many steps have been recorded so far."""
        return self._sink.recorded if self._sink is not None else 0

    @property
    def rank(self) -> int:
        """Which rank of its run this process is."""
        return self._who.rank

    @property
    def mine(self) -> bool:
        """Whether this is the process that is recorded, and not a forked child of it."""
        return os.getpid() == self._pid

    def watch(self) -> None:
        """Record from the first import of NumPy or torch on."""
        RunRecording.active = self
        this = weakref.ref(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _forget(this()))
        self._hook.install()
        if self._subject.numpy and self._recorder is None:
            self._gate.install()

    def status(self) -> dict[str, Any]:
        """What the app can ask for."""
        info = self._writer.info if self._writer is not None else None
        return {
            "pid": self._pid,
            "steps": self.steps,
            "begun": self._sink.retention.begun if self._sink is not None else -1,
            "device": info.device if info is not None else "",
            "kind": info.kind if info is not None else "",
        }

    def capture(self, step: int | None = None) -> dict[str, Any]:
        """The app asks for every tensor of the next step: ``after`` is the step that has begun by now.

        Or of a ``step`` to come, of which ``after`` is the one before; ``late`` says that it has begun.
        """
        if self._sink is None:
            raise RefusalError("no step has begun yet; the first three are kept in full anyway")
        if step is None:
            return {"after": self._sink.capture()}
        self._sink.pin(step)
        return {"after": step - 1, "late": self._sink.retention.begun >= step}

    def check(self, step: int | None = None) -> dict[str, Any]:
        """The app asks for a check of a step to come, or of the next: ``after`` is the step that has begun by now."""
        if self._sink is None:
            raise RefusalError("no step has begun yet; run it with --check-steps to have the first one checked")
        return {"after": self._sink.check(step)}

    def stop(self, error: BaseException | None = None) -> None:
        """Take the recorder and the tape away; with ``error``, the step that it ended is kept up to the op that raised."""
        self._hook.remove()
        self._gate.remove()
        if self._recorder is not None:
            self._guarded(self._recorder.stop)(error)
        if self._tape is not None:
            self._guarded(self._tape.close)(error)
        self._recorder = self._tape = None
        if isinstance(error, Exception) and self.mine:
            self._guarded(self._tell)(error)

    def finish(self, ended: str) -> None:
        """Close the recording: ``clean``, ``error`` or ``stopped``. Later calls, and those in a forked child, do nothing."""
        if self._finished or not self.mine:
            return
        self._finished = True
        RunRecording.active = None
        self.stop()
        self._guarded(self._close)(ended)

    def _tell(self, error: Exception) -> None:
        """An exception outside of every step that is recorded is noted all the same."""
        sink = self._begin()
        if not sink.told_error:
            sink.note("exception", f"{type(error).__name__}: {error}")

    def _close(self, ended: str) -> None:
        self._begin().close(ended)

    def _begin(self) -> RunSink:
        if self._sink is None:
            from ..recording.writer import Writer
            from .sink import RunSink

            # closed by ``finish``, after the script's own exit functions
            self._writer = Writer(self.folder, self._info(), close_at_exit=False)
            asked = self._wishes
            self._sink = RunSink(self._writer, asked.level, asked.every, asked.steps, asked.pinned, asked.checked)
        return self._sink

    def _info(self) -> RunInfo:
        from ..recording.info import run_info

        return run_info(
            run_id=self._who.run_id,
            program=self._subject.argv,
            script=self._subject.script,
            world_size=self._who.world_size,
            rank=self._who.rank,
            pid=self._pid,
            started=self._started,
            level=self._wishes.level,
            every=self._wishes.every,
            steps_planned=self._wishes.steps or -1,
        )

    def _numpy_is_wanted(self) -> None:
        if not self.mine or "torch" in sys.modules or self._finished:
            return
        sink = self._begin()
        sink.writer.update_info(kind="numpy")
        from ..numpy_tape import install

        self._tape = install(sink, self._subject.folder, self.gate)

    def _torch_is_there(self) -> None:
        if not self.mine or self._finished:
            return
        sink = self._begin()
        if self._tape is not None:
            sink.only_trained = True  # what NumPy has done so far was most likely to prepare the data
            self._tape.off()
            sink.only_trained = False
        sink.writer.update_info(kind="torch", torch=str(sys.modules["torch"].__version__))
        from ..recorder import Recorder

        self._recorder = Recorder(sink, self.gate)
        self._recorder.start()

    def _guarded(self, function: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            try:
                function(*arguments)
            except Exception as fault:  # nothing of ours reaches the script
                self._say_fault(fault)

        return call

    def _say_fault(self, fault: Exception) -> None:
        if not self._faulty:
            self._faulty = True
            say(f"recording has failed, the script goes on ({type(fault).__name__}: {fault})")


def _forget(recording: RunRecording | None) -> None:
    """In a forked child: it is not recorded."""
    RunRecording.active = None
    if recording is not None:
        with contextlib.suppress(Exception):
            recording.stop()


def say(sentence: str) -> None:
    """One line of ours on standard error, where there is one."""
    if sys.stderr is not None:  # (it is where the script was started with it closed)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            print(f"gradwalk: {sentence}", file=sys.stderr, flush=True)
