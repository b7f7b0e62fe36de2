"""Saving a copy of the recording that is open: asks where, copies in a thread, says how it went."""

from __future__ import annotations

import threading
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog
from shiboken6 import isValid

from gradwalk.recording.copying import CopyStoppedError, copy_recording
from gradwalk.recording.format import RecordingError

from .live import Follower
from .open_dialog import name_dialog
from .window import Window

JOB = "copy"


class Copies(QObject):
    """One per window."""

    ended = Signal(str, str)
    """Where the copy is, and a sentence on what went wrong; both are empty where it was given up."""

    def __init__(self, window: Window, follower: Follower) -> None:
        super().__init__(window)
        self._window, self._follower = window, follower
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.ended.connect(self._on_ended)

    def ask(self) -> QFileDialog | None:
        """Ask for the name of the copy."""
        source = Path(self._follower.path) if self._follower.path else None
        if source is None or self._busy:
            self._window.notice.say(
                "A copy is being saved already." if self._busy else "There is no recording to save a copy of."
            )
            return None
        suggested = source.with_name(f"{source.stem}-copy{source.suffix}")
        return name_dialog(self._window, "Save a copy of the recording", suggested, lambda name: self.save(source, Path(name)))

    def save(self, source: Path, target: Path) -> None:
        """Copy a recording, in a thread."""
        self._stopped.clear()
        self._window.status.activity.begin(JOB, f"Saving {target.name}", self._stopped.set)
        self._thread = threading.Thread(target=self._copy, args=(source, target), name="gradwalk-copy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give up a copy that is on its way; nothing of it stays."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(5)

    @property
    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _copy(self, source: Path, target: Path) -> None:
        saved, sentence = str(target), ""
        try:
            copy_recording(source, target, lambda done, whole: not self._stopped.is_set())
        except RecordingError as error:
            sentence = str(error)
        except CopyStoppedError:
            saved = ""
        if isValid(self):
            self.ended.emit(saved, sentence)

    def _on_ended(self, saved: str, sentence: str) -> None:
        self._window.status.activity.end(JOB)
        if sentence:
            self._window.notice.say(sentence, "error")
        elif saved:
            self._window.notice.say(f"A copy of the recording is saved in {saved}.")
