"""Live pause: the window's end of the control path. It sends breakpoints, hears when the training is held, and lets it go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from gradwalk.control import FILE, Answer, ControlError
from gradwalk.control_link import ControlLink
from gradwalk.trace import Kept, TensorKey

from .held import held_of
from .live import Follower
from .session import Session
from .state import State

FLICKER_MS = 250
"""A training that is held again so soon has not gone on for the eye."""
NOT_RUNNING = "This recording has no training that runs on this machine"


class Pausing(QObject):
    """Owned by the shell. ``failed`` carries a sentence. A connection is made when it is first needed, and lives as long as the
    recording is open: its end lets the training go on.
    """

    failed = Signal(str)
    _told = Signal(dict)
    _lost = Signal()
    _answered = Signal(object)

    def __init__(self, session: Session, follower: Follower, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._follower = session, follower
        self._link: ControlLink | None = None
        self._resumed = QTimer(self, singleShot=True, interval=FLICKER_MS)
        self._resumed.timeout.connect(self._goes_on)
        self._follow = False
        self._told.connect(self._on_told)
        self._lost.connect(self._on_lost)
        self._answered.connect(lambda act: act())
        session.changed.connect(self._on_changed)

    # What a person can do

    @property
    def can_pause(self) -> bool:
        """Whether the recording's training runs on this machine and listens."""
        folder = self._folder()
        return folder is not None and (folder / FILE).exists()

    def pause(self) -> None:
        """Hold the training after the next event that is seen."""
        self._session.set(resting=False)
        self._tell("pause")

    def resume(self) -> None:
        """Let it run to the next breakpoint."""
        self._session.set(resting=False)
        self._follow = True
        self._tell("continue")

    def next_event(self) -> None:
        """Let it run one event."""
        self._follow = False
        self._tell("next-event")

    def next_step(self) -> None:
        """Let it run to the first event of the next step."""
        self._follow = False
        self._tell("next-step")

    def detach(self) -> None:
        """Let it run, whatever breakpoints are set."""
        self._follow = True
        self._tell("detach")
        self.close()
        self._goes_on()

    def fetch(self, key: TensorKey) -> None:
        """Have a tensor of the held step in full."""
        self._tell("fetch", partial(self._fetched, key), kind=key[0], number=key[1])

    def close(self) -> None:
        """Leave; the training goes on."""
        self._resumed.stop()
        link, self._link = self._link, None
        if link is not None:
            link.close()

    # The connection

    def _folder(self) -> Path | None:
        recording = self._follower.recording
        if recording is None or recording.closed or not self._follower.path:
            return None
        path = Path(self._follower.path)
        return path if path.is_dir() else path.parent

    def _tell(self, command: str, then: Callable[[Answer], None] | None = None, **arguments: Any) -> None:
        link = self._connected()
        if link is not None:
            link.send(command, **arguments).add_done_callback(
                lambda done: self._answered.emit(partial(self._on_answer, done, then))
            )

    def _connected(self) -> ControlLink | None:
        if self._link is None:
            folder = self._folder()
            if folder is None:
                self.failed.emit(NOT_RUNNING)
                return None
            try:
                self._link = ControlLink(folder, lambda frame: self._told.emit(dict(frame)), self._lost.emit, timeout=2.0)
            except ControlError as error:
                self.failed.emit(str(error))
                return None
            self._send_breakpoints(self._session.state)
            self._tell("status", self._on_status)
        return self._link

    def _send_breakpoints(self, state: State) -> None:
        asked = () if state.resting else state.breakpoints
        wanted = [{"text": one.text, "when": one.when} for one in asked if one.enabled]
        self._tell("breakpoints", breakpoints=wanted)

    def _on_answer(self, done: Future[Answer], then: Callable[[Answer], None] | None) -> None:
        error = done.exception()
        if error is not None:
            if self._link is not None:
                self.failed.emit(str(error))
        elif then is not None:
            then(done.result())

    # What comes

    def _on_changed(self, old: State, new: State) -> None:
        if old.recording is not new.recording:
            self.close()
        elif (old.breakpoints, old.resting) != (new.breakpoints, new.resting):
            if self._link is not None:
                self._send_breakpoints(new)
            elif new.breakpoints and not new.resting and self.can_pause:
                self._connected()

    def _on_told(self, frame: Mapping[str, Any]) -> None:
        if self._link is None:
            return  # it was on its way when the connection was closed
        if frame.get("event") in ("held", "shown"):
            self._resumed.stop()
            if frame["event"] == "shown":
                self._follower.poll()
            self._session.hold(held_of(frame), shown=frame["event"] == "shown")
        elif frame.get("event") == "resumed":
            self._resumed.start()

    def _on_status(self, answer: Answer) -> None:
        """It may be held already, by another window or before this one came."""
        if answer.get("held"):
            self._on_told({**answer["held"], "event": "shown"})

    def _goes_on(self) -> None:
        self._session.hold(None)
        if self._follow:
            self._session.follow()

    def _on_lost(self) -> None:
        self._link = None
        self._resumed.stop()
        self._session.hold(None)

    def _fetched(self, key: TensorKey, answer: Answer) -> None:
        held = self._session.state.held
        if held is None:
            return
        try:
            data = np.load(str(answer["file"]), allow_pickle=False)
        except (OSError, ValueError) as error:
            self.failed.emit(f"{answer.get('file')} could not be read ({error})")
            return
        data.flags.writeable = False
        kept = Kept(data, str(answer["dtype"]), tuple(answer["shape"]), True)
        self._session.set(fetched=(*self._session.state.fetched, (key, kept)))


def at_live_end(state: State) -> bool:
    """Whether the training waits and the playhead is where it waits, so that another event is another event of the training."""
    return state.held is not None and state.step + 1 == state.length and state.position >= state.events
