"""Asks the training of the recording to check its next step while it runs, and says what came of it when the step is there."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QObject

from gradwalk.recording.reader import Recording

from .checker import tell
from .kept_steps import checked_steps
from .live import Follower
from .reaching import Reaching, folder_of
from .session import Session
from .state import State
from .window import Window

COMMAND = "check"


class CheckNext(QObject):
    """One per window; implements ``checker.Training``."""

    def __init__(self, window: Window, session: Session, follower: Follower, reaching: Reaching) -> None:
        super().__init__(window)
        self._window, self._session, self._reaching = window, session, reaching
        self._asked: tuple[Recording | None, int] = (None, -1)
        """The recording of which a step was asked for, and the step that had begun then."""
        session.changed.connect(self._on_changed)
        reaching.answered.connect(self._on_answer)
        follower.ended.connect(lambda _: self._see())

    @property
    def reachable(self) -> bool:
        """Whether the training of the recording can be asked."""
        return isinstance(self._session.state.recording, Recording) and not self._window.unreachable

    def check_next(self) -> None:
        """Have the next step checked in the training process."""
        if self.reachable:
            self._window.status.check("asking for the next step to be checked")
            self._reaching.ask(COMMAND)

    def _on_answer(self, command: str, folder: str, _rank: int, answer: dict[str, Any], refusal: str) -> None:
        recording = self._session.state.recording
        if command != COMMAND or not isinstance(recording, Recording) or str(folder_of(recording)) != folder:
            return
        if refusal:
            self._window.status.check("")
            self._window.notice.say(f"The next step is not checked: {refusal}", "error")
            return
        self._asked = recording, int(answer["after"])
        self._window.status.check("the next step is checked in the training")
        self._window.notice.say("The next step of the training is checked there, while it runs; its marks come with the step.")
        self._see()

    def _on_changed(self, old: State, new: State) -> None:
        if new.recording is not old.recording:
            self._asked = None, -1
            self._window.status.check("")
        elif (new.length, new.verdict_steps) != (old.length, old.verdict_steps) or new.trace is not old.trace:
            self._see()

    def _see(self) -> None:
        """Say what came of it as soon as the step is there, and what was found in it, which comes a moment later."""
        recording, after = self._asked
        if recording is None or recording is not self._session.state.recording:
            return
        numbers = recording.step_numbers()
        place = int(np.searchsorted(numbers, after, side="right"))
        if place >= len(numbers) or not recording[place].done:
            return
        if np.isin(place, checked_steps(recording)):
            self._asked = None, -1
            self._window.status.check("")
            tell(self._session, self._window.notice, recording, place, recording[place])
        elif recording.ended is None:
            self._window.status.check(f"step {numbers[place]:,} is being checked in the training")
        else:
            self._asked = None, -1
            self._window.status.check("")
            self._window.notice.say(f"Step {numbers[place]:,} came without verdicts: the training could not check it.", "error")
