"""Talks to the training of the open recording: says that an app is there, asks for a step in full. Never waits for an answer."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal
from shiboken6 import isValid

from gradwalk.control import ControlClient, ControlError
from gradwalk.recording.reader import Recording

from .alive import run_is_alive
from .kept_steps import kept_steps
from .live import Follower, Status
from .session import Session
from .state import State
from .window import UNREACHABLE, Window

TIMEOUT = 3.0
"""Seconds that a run has to answer."""


class Reaching(QObject):
    """One per window. ``answered`` carries the command, its folder, the answer and the sentence of a refusal."""

    answered = Signal(str, str, object, str)

    def __init__(self, window: Window, session: Session, follower: Follower) -> None:
        super().__init__(window)
        self._window, self._session, self._follower = window, session, follower
        self._greeted: Path | None = None
        self._asked: tuple[Recording | None, int] = (None, -1)
        """The recording of which a step was asked for, and the step that had begun then."""
        follower.status_changed.connect(self._look)
        session.changed.connect(self._on_changed)
        self.answered.connect(self._on_answer)

    def capture(self) -> None:
        """Ask for every tensor of the next step."""
        if self._follower.recording is not None and not self._window.unreachable:
            self._window.status.capture("asking for the next step in full")
            self._send("capture", folder_of(self._follower.recording))

    def ask(self, command: str) -> None:
        """Send a command to the training of the recording; ``answered`` brings what it says."""
        if self._follower.recording is not None:
            self._send(command, folder_of(self._follower.recording))

    def _look(self, _: Status) -> None:
        """Say once to each run that an app is there; learn whether it can be asked."""
        recording, awaited = self._follower.recording, self._follower.awaited
        folder = folder_of(recording) if recording is not None else awaited
        unreachable = why_unreachable(recording)
        if unreachable != self._window.unreachable:
            self._window.unreachable = unreachable
            self._window.refresh()
        if folder is None:
            self._greeted = None
            self._window.status.capture("")
        elif folder != self._greeted and run_is_alive(folder):
            self._greeted = folder
            self._send("attach", folder)

    def _send(self, command: str, folder: Path) -> None:
        threading.Thread(target=self._exchange, args=(command, folder), name="gradwalk-ask", daemon=True).start()

    def _exchange(self, command: str, folder: Path) -> None:
        answer: dict[str, Any] = {}
        refusal = ""
        try:
            with ControlClient(folder, TIMEOUT) as client:
                answer = client.send(command)
        except ControlError as error:
            refusal = str(error)
        if isValid(self):
            self.answered.emit(command, str(folder), answer, refusal)

    def _on_answer(self, command: str, folder: str, answer: dict[str, Any], refusal: str) -> None:
        recording = self._follower.recording
        if command != "capture" or recording is None or str(folder_of(recording)) != folder:
            return
        if refusal:
            self._window.status.capture("")
            self._window.notice.say(f"The next step is not kept in full: {refusal}", "error")
            return
        self._asked = recording, int(answer["after"])
        self._window.status.capture("the next step is kept in full")
        self._see()

    def _on_changed(self, old: State, new: State) -> None:
        if new.recording is not old.recording:
            self._window.status.capture("")
        if new.length != old.length:
            self._see()

    def _see(self) -> None:
        """Say which step it was as soon as it is there."""
        recording, after = self._asked
        if recording is None or recording is not self._session.state.recording:
            return
        numbers = recording.step_numbers()
        place = int(np.searchsorted(numbers, after, side="right"))
        if place < len(numbers) and recording[place].done:
            self._asked = None, -1
            there = bool(np.isin(place, kept_steps(recording)))
            self._window.status.capture(f"step {numbers[place]:,} is kept {'in full' if there else 'without tensors: no room'}")


def folder_of(recording: Recording) -> Path:
    """The run folder of a recording."""
    return recording.path if recording.path.is_dir() else recording.path.parent


def why_unreachable(recording: Recording | None) -> str:
    """Why the training of a recording cannot be asked, in one sentence; "" where it can."""
    if recording is None:
        return UNREACHABLE
    if recording.ended is not None:
        return "This training has ended; only one that runs can keep its next step in full."
    if recording.info.host != socket.gethostname():
        return f"This training runs on {recording.info.host or 'another machine'}; it can be asked from there only."
    if recording.rank != 0:
        return "Only rank 0 can be asked; switch to it."
    if not run_is_alive(folder_of(recording)):
        return "The training of this recording is gone, or cannot be controlled."
    return ""
