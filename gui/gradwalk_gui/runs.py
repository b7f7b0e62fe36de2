"""Trainings started in the app: each a process of its own that never outlives the app."""

from __future__ import annotations

import codecs
import os
import re
import shlex
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from gradwalk.control import ControlClient, ControlError
from gradwalk.demo_files import NAME, THREE
from gradwalk.parent_watch import VARIABLE
from gradwalk.platform import PATIENT_THREADS, python_module

STOP_GRACE_MS = 3000
"""After a polite stop, and again after SIGTERM, before the next stronger means."""
FLUSH_MS = 50
FLUSH_LIMIT = 200_000
"""Characters shown per flush; of a flood the middle is left out."""
TAIL = 65_536


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be started. ``target`` is the name of an example or the path of a script."""

    kind: Literal["example", "script"]
    target: str
    folder: str
    """The run folder, which does not exist yet."""
    arguments: str = ""
    device: str = "cpu"
    steps: int = 0
    """How many steps an example trains, or how many of a script are recorded; 0 for all."""
    seed: int | None = None
    level: str = "statistics"
    lr: float | None = None
    """The learning rate of an example; None for its own."""
    changes: tuple[str, ...] = ()
    """Weights of an example to set before the training starts, each as ``w1[3,2]=0.5``."""

    @property
    def name(self) -> str:
        """A short name."""
        return self.target if self.kind == "example" else Path(self.target).name

    @property
    def recorded(self) -> Path:
        """The run folder that is followed; where three programs run, one after the other, the first one's."""
        three = self.kind == "example" and self.target == NAME
        return Path(self.folder) / THREE[0] if three else Path(self.folder)


def command_of(start: Start) -> list[str]:
    """The arguments of ``gradwalk`` for a start. Raises ValueError where the script's arguments have an open quote."""
    common = ["--no-window", "--record", start.folder, "--level", start.level]
    if start.kind == "script":
        first = ["--steps", str(start.steps)] if start.steps else []
        return ["run", *common, *first, start.target, *shlex.split(start.arguments)]
    seed = ["--seed", str(start.seed)] if start.seed is not None else []
    steps = ["--train-steps", str(start.steps)] if start.steps else []
    changed = [] if start.lr is None else ["--lr", repr(start.lr)]
    changed += [word for change in start.changes for word in ("--set", change)]
    rest = ["--", *shlex.split(start.arguments)] if start.arguments else []
    return ["demo", *common, "--device", start.device, *steps, *seed, *changed, start.target, *rest]


@dataclass(frozen=True, slots=True)
class Result:
    """How a training ended, in one sentence, with the exception's line where there is one."""

    sentence: str
    failed: bool
    code: int


class TrainingRun(QObject):
    """One training process."""

    printed = Signal(str, bool)
    ended = Signal(Result)

    def __init__(self, start: Start, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.start_of = start
        self.folder = start.recorded
        self._stopping = False
        self._error_tail = ""
        self._waiting: list[tuple[str, bool]] = []
        self._decoders = {error: codecs.getincrementaldecoder("utf-8")("replace") for error in (False, True)}
        self._process = QProcess(self)
        self._process.setProcessEnvironment(_environment())
        self._process.setStandardInputFile(QProcess.nullDevice())
        if start.kind == "script":
            self._process.setWorkingDirectory(str(Path(start.target).parent))
        self._process.readyReadStandardOutput.connect(self._read_output)
        self._process.readyReadStandardError.connect(self._read_error)
        self._process.finished.connect(self._on_finished)
        self._process.errorOccurred.connect(self._on_error)
        self._flusher = QTimer(self, singleShot=True, interval=FLUSH_MS)
        self._flusher.timeout.connect(self._flush)
        self._later = QTimer(self, singleShot=True, interval=STOP_GRACE_MS)
        self._later.timeout.connect(self._stop_harder)
        self._terminated = False

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    @property
    def pid(self) -> int:
        """The process id, 0 when it has ended."""
        return int(self._process.processId())

    def begin(self) -> None:
        """Start the process. Raises ValueError for arguments with an open quote."""
        program, *arguments = python_module("gradwalk", *command_of(self.start_of))
        self._process.start(program, arguments)

    def stop(self) -> None:
        """End the training: as Ctrl+C would, then with SIGTERM, then by force."""
        if not self.alive or self._stopping:
            return
        self._stopping = True
        threading.Thread(target=_ask_to_stop, args=(self.folder,), daemon=True).start()
        self._later.start()

    def end_now(self, grace_ms: int = 1500) -> None:
        """End the training before this returns, with ``grace_ms`` for each means."""
        if not self.alive:
            return
        self._stopping = True
        self._later.stop()
        asked = threading.Thread(target=_ask_to_stop, args=(self.folder,), daemon=True)
        asked.start()
        for harder in (self._process.terminate, self._process.kill):
            if self._process.waitForFinished(grace_ms):
                return
            harder()
        self._process.waitForFinished(grace_ms)

    def _stop_harder(self) -> None:
        if not self.alive:
            return
        if self._terminated:
            self._process.kill()
            return
        self._terminated = True
        self._process.terminate()
        self._later.start()

    def _read_output(self) -> None:
        self._take(self._process.readAllStandardOutput().data(), error=False)

    def _read_error(self) -> None:
        self._take(self._process.readAllStandardError().data(), error=True)

    def _take(self, data: bytes | bytearray | memoryview, *, error: bool) -> None:
        text = self._decoders[error].decode(bytes(data))
        if not text:
            return
        if error:
            self._error_tail = (self._error_tail + text)[-TAIL:]
        self._waiting.append((text, error))
        if not self._flusher.isActive():
            self._flusher.start()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        joined: list[tuple[str, bool]] = []
        for text, error in waiting:
            if joined and joined[-1][1] == error:
                joined[-1] = (joined[-1][0] + text, error)
            else:
                joined.append((text, error))
        for text, error in joined:
            self.printed.emit(shorten(text), error)

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.ended.emit(Result(f"Python could not be started: {self._process.errorString()}", True, 2))

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._later.stop()
        self._read_output()
        self._read_error()
        self._flush()
        crashed = status == QProcess.ExitStatus.CrashExit
        self.ended.emit(result_of(self.start_of.name, code, crashed=crashed, stopped=self._stopping, errors=self._error_tail))


def result_of(name: str, code: int, *, crashed: bool, stopped: bool, errors: str) -> Result:
    """How a training ended, in words."""
    if stopped:
        return Result(f"{name} was stopped", False, code)
    if code == 0 and not crashed:
        return Result(f"{name} has ended", False, code)
    how = f"{name} was ended by signal {code}" if crashed else f"{name} ended with exit code {code}"
    line = last_error(errors)
    return Result(f"{how}: {line}" if line else how, True, code)


def last_error(errors: str) -> str:
    """The line of the last exception in what was printed on stderr, else the last line."""
    lines = [line for line in errors.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Warning|Exit)\b", line)]
    return (named or lines or [""])[-1].strip()[:300]


def shorten(text: str) -> str:
    """Text without the middle of a flood."""
    if len(text) <= FLUSH_LIMIT:
        return text
    half = FLUSH_LIMIT // 2
    return f"{text[:half]}\n... {len(text) - FLUSH_LIMIT:,} characters left out ...\n{text[-half:]}"


def _environment() -> QProcessEnvironment:
    environment = QProcessEnvironment.systemEnvironment()
    environment.insert(VARIABLE, str(os.getpid()))
    environment.insert("PYTHONUNBUFFERED", "1")
    environment.insert("PYTHONIOENCODING", "utf-8")
    if not environment.contains(PATIENT_THREADS[0]):
        environment.insert(*PATIENT_THREADS)
    return environment


def _ask_to_stop(folder: Path) -> None:
    try:
        with ControlClient(folder, timeout=2.0) as client:
            client.stop()
    except ControlError:
        return  # it does not listen (yet): the stronger means come after the grace
