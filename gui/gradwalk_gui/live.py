"""Opens recordings and follows those that still grow: a timer polls, the session hears only of the latest state."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from gradwalk.parent_watch import is_alive
from gradwalk.recording.format import Note, RecordingError
from gradwalk.recording.reader import Recording, open_recording

from .numbers import count
from .session import Session
from .turns import turns

POLL_MS = 50
SLOWEST_POLL_MS = 400
SHARE = 3.0
"""The pause between two looks is so many times what drawing the last one took: the training needs the processor too."""
WAIT_MS = 100
"""Between two tries to open a recording that is not there yet."""
STATUS_MS = 500
RATE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Status:
    """What the status bar says, each a short text."""

    process: str = ""
    speed: str = ""
    recording: str = ""
    notes: str = ""
    details: str = ""


class Follower(QObject):
    """Holds the open recording of a session. ``failed`` carries one sentence; it is never raised."""

    opened = Signal(str)
    failed = Signal(str)
    status_changed = Signal(Status)
    ended = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._recording: Recording | None = None
        self._path = ""
        self._told_end = False
        self._due = 0.0
        self._wanted: tuple[Path, bool] | None = None
        self._alive: Callable[[], bool] = always
        self._growth: deque[tuple[float, int]] = deque()
        self._poller = QTimer(self, interval=POLL_MS)
        self._poller.timeout.connect(self._beat)
        self._waiter = QTimer(self, interval=WAIT_MS)
        self._waiter.timeout.connect(self._try)
        self._teller = QTimer(self, interval=STATUS_MS)
        self._teller.timeout.connect(self._tell)

    @property
    def recording(self) -> Recording | None:
        """The open recording."""
        return self._recording

    @property
    def path(self) -> str:
        """Where the open recording lies, or an empty string."""
        return self._path

    @property
    def awaited(self) -> Path | None:
        """The recording that is awaited."""
        return self._wanted[0] if self._wanted is not None else None

    @property
    def waiting(self) -> bool:
        """Whether a recording is awaited that is not there yet, or has no step yet."""
        return self._wanted is not None or (self._recording is not None and len(self._recording) == 0)

    def open(self, path: Path, *, follow: bool = False) -> bool:
        """Open a recording and follow it while it grows; False (and ``failed``) where it cannot be opened."""
        try:
            recording = open_recording(path)
        except RecordingError as error:
            self.failed.emit(str(error))
            return False
        self.attach(recording, path, follow=follow)
        return True

    def attach(self, recording: Recording, path: Path, *, follow: bool = False, at: tuple[int, int] = (0, 0)) -> None:
        """Show an opened recording, at a step and position; the one before is closed."""
        self.close()
        self._recording, self._path = recording, str(path)
        self._growth.append((time.monotonic(), len(recording)))
        self._session.open(recording, follow=follow, at=at)
        self._told_end = False
        if not recording.closed:
            self._due = time.monotonic() + POLL_MS / 1000
            self._poller.start(POLL_MS)
            self._teller.start()
        self.opened.emit(self._path)
        self.poll()
        self._tell()

    def await_recording(self, path: Path, *, follow: bool = True, alive: Callable[[], bool] | None = None) -> None:
        """Open a recording as soon as it is there; :meth:`give_up` ends the wait, and so does its run's end (``alive``)."""
        self.close()
        self._wanted, self._alive = (path, follow), alive or always
        self._waiter.start()
        self._tell()

    def give_up(self) -> bool:
        """Wait no longer: one last try; whether a recording is open."""
        if self._wanted is None:
            return self._recording is not None
        self._try()
        self._wanted = None
        self._waiter.stop()
        return self._recording is not None

    def _beat(self) -> None:
        """Poll; the later this comes, the longer drawing took, and the longer is the next pause."""
        late = (time.monotonic() - self._due) * 1000
        begun = time.monotonic()
        self.poll()
        busy = late + (time.monotonic() - begun + turns().spent()) * 1000
        pause = round(max(POLL_MS, min(SHARE * busy, SLOWEST_POLL_MS)))
        self._poller.setInterval(pause)
        self._due = time.monotonic() + pause / 1000

    def poll(self) -> None:
        """Take in what has come since the last look."""
        recording = self._recording
        if recording is None:
            return
        try:
            if recording.poll():
                self._growth.append((time.monotonic(), len(recording)))
                self._session.extended()
        except RecordingError as error:
            self._poller.stop()
            self.failed.emit(str(error))
            return
        if recording.ended is not None and not self._told_end:
            self._told_end = True
            self._tell()
            self.ended.emit(recording.ended)
        if recording.closed:
            self._poller.stop()
            self._teller.stop()
            self._tell()

    def close(self) -> None:
        """Let go of the recording; the session shows nothing."""
        for timer in (self._poller, self._waiter, self._teller):
            timer.stop()
        self._wanted = None
        self._growth.clear()
        recording, self._recording, self._path = self._recording, None, ""
        self._session.close()
        if recording is not None:
            recording.close()
        self._tell()

    def status(self) -> Status:
        """What is known of the open recording."""
        if self._recording is None:
            return Status(process="waiting for the training to start" if self._wanted else "")
        return describe(self._recording, self.rate())

    def rate(self) -> float:
        """Steps a second that came in the last seconds."""
        now = time.monotonic()
        while len(self._growth) > 1 and now - self._growth[0][0] > RATE_SECONDS:
            self._growth.popleft()
        if len(self._growth) < 2:
            return 0.0
        first, last = self._growth[0], self._growth[-1]
        return (last[1] - first[1]) / max(now - first[0], 1e-3)

    def _try(self) -> None:
        if self._wanted is None:
            return
        (path, follow), alive = self._wanted, self._alive()
        try:
            recording = open_recording(path)
        except RecordingError:
            if not alive:
                self.close()
                self.failed.emit(f"{path}: the run has ended before anything was recorded")
            return
        self.attach(recording, path, follow=follow)

    def _tell(self) -> None:
        self.status_changed.emit(self.status())


def always() -> bool:
    """For a run whose end would not be noticed."""
    return True


def describe(recording: Recording, rate: float) -> Status:
    """The texts of the status bar for a recording."""
    info = recording.info
    who = f"pid {info.pid}" if recording.ended is None else info.script and Path(info.script).name
    where = f"  {info.device}" if info.device else ""
    return Status(
        process=f"{who or 'recording'}{where}",
        speed=f"{rate:.3g} it/s" if recording.ended is None and rate else "",
        recording=_state(recording),
        notes=_notes(recording.notes),
        details="\n".join(_line(note) for note in recording.notes[-12:] if note.kind != "end"),
    )


def _state(recording: Recording) -> str:
    steps = count(len(recording), "step")
    if recording.ended is not None:
        words = {"clean": "ended", "error": "ended with an error", "stopped": "stopped"}
        return f"{words.get(recording.ended, recording.ended)}, {steps}"
    info = recording.info
    if info.host == socket.gethostname() and not is_alive(info.pid):
        return f"cut short (the process is gone), {steps}"
    return f"recording, {steps}"


def _notes(notes: Sequence[Note]) -> str:
    """How much was dropped and how many other things happened; the end is no news."""
    dropped = sum(note.kind == "dropped" for note in notes)
    others = sum(note.kind not in ("end", "dropped") for note in notes)
    parts = [f"dropped {dropped}" if dropped else "", f"{others} note{'s' if others > 1 else ''}" if others else ""]
    return "  ".join(part for part in parts if part)


def _line(note: Note) -> str:
    return f"step {note.step}: {note.message}" if note.step >= 0 else note.message
