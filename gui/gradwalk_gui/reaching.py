"""Talks to the training of the open recording: says that an app is there, asks for a step in full. Never waits for an answer."""

from __future__ import annotations

import math
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

AHEAD, LATEST = 0.5, 16.0
"""Seconds by which the step of several ranks is ahead of the one that has begun, for all of them must hear of it in time: at
first, and at most, where one of them was too late.
"""
TIMEOUT = 3.0
"""Seconds that a run has to answer."""


class Reaching(QObject):
    """One per window. ``answered`` carries the command, its folder and rank, the answer and the sentence of a refusal."""

    answered = Signal(str, str, int, object, str)

    def __init__(self, window: Window, session: Session, follower: Follower) -> None:
        super().__init__(window)
        self._window, self._session, self._follower = window, session, follower
        self._greeted: Path | None = None
        self._asked: tuple[Recording | None, int] = (None, -1)
        """The recording of which a step was asked for, and the step that had begun then."""
        self._begun: dict[int, int] = {}
        """By rank, the step that had begun."""
        self._awaited: set[int] = set()
        """The ranks that have not said it yet."""
        self._step, self._ahead = -1, AHEAD
        """The step that all of them are asked for, and by how many seconds it was ahead."""
        follower.status_changed.connect(self._look)
        session.changed.connect(self._on_changed)
        self.answered.connect(self._on_answer)

    def capture(self) -> None:
        """Ask every rank that runs here for every tensor of the next step."""
        recording = self._follower.recording
        if recording is None or self._window.unreachable:
            return
        self._window.status.capture("asking for the next step in full")
        self._ahead = AHEAD
        self._ask_ranks(recording)

    def _ask_ranks(self, recording: Recording) -> None:
        folder, self._begun, self._step = folder_of(recording), {}, -1
        self._awaited = {rank for rank in recording.ranks if run_is_alive(folder, rank)}
        if len(self._awaited) < 2:
            self._send("capture", folder, recording.rank)
            return
        for rank in [*self._awaited]:
            self._send("status", folder, rank)

    def ask(self, command: str) -> None:
        """Send a command to the training of the recording; ``answered`` brings what it says."""
        if self._follower.recording is not None:
            self._send(command, folder_of(self._follower.recording), self._follower.recording.rank)

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

    def _send(self, command: str, folder: Path, rank: int = 0, **arguments: int) -> None:
        asked = (command, folder, rank, arguments)
        threading.Thread(target=self._exchange, args=asked, name="gradwalk-ask", daemon=True).start()

    def _exchange(self, command: str, folder: Path, rank: int, arguments: dict[str, int]) -> None:
        answer: dict[str, Any] = {}
        refusal = ""
        try:
            with ControlClient(folder, TIMEOUT, rank) as client:
                answer = client.send(command, **arguments)
        except ControlError as error:
            refusal = str(error)
        if isValid(self):
            self.answered.emit(command, str(folder), rank, answer, refusal)

    def _on_answer(self, command: str, folder: str, rank: int, answer: dict[str, Any], refusal: str) -> None:
        recording = self._follower.recording
        if command not in ("capture", "status") or recording is None or str(folder_of(recording)) != folder:
            return
        if command == "status":
            self._on_begun(recording, rank, None if refusal else int(answer["begun"]))
            return
        if refusal:
            self._window.status.capture("")
            whose = "The next step" if len(recording.ranks) < 2 else f"The next step of rank {rank}"
            self._window.notice.say(f"{whose} is not kept in full: {refusal}", "error")
            return
        after = int(answer["after"])
        if self._step >= 0 and after + 1 != self._step:
            return  # of a step that was given up
        if answer.get("late") and self._ahead < LATEST:
            self._ahead *= 2
            self._ask_ranks(recording)
        elif rank == recording.rank:
            self._asked = recording, after
            ranks = f" by {len(self._begun)} ranks" if len(self._begun) > 1 else ""
            self._window.status.capture(f"the next step is kept in full{ranks}")
            self._see()

    def _on_begun(self, recording: Recording, rank: int, begun: int | None) -> None:
        """How far a rank is. When all have said so, all are asked for the same step, one that none has begun by the time."""
        self._awaited.discard(rank)
        if begun is not None:
            self._begun[rank] = begun
        if self._awaited or not self._begun:
            return
        every = max(recording.info.every, 1)
        ahead = math.ceil(self._follower.rate() * self._ahead)
        self._step = -(-(max(self._begun.values()) + 1 + ahead) // every) * every
        for asked in self._begun:
            self._send("capture", folder_of(recording), asked, step=self._step)

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
    if not run_is_alive(folder_of(recording), recording.rank):
        return "The training of this recording is gone, or cannot be controlled."
    return ""
