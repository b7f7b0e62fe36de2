"""Live pause: the window's end of the control path. It sends breakpoints, hears when the training is held, and lets it go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from gradwalk.control import Answer, ControlError, file_of
from gradwalk.control_link import ControlLink
from gradwalk.gate import Breakpoint
from gradwalk.trace import Kept, TensorKey

from .held import Held, held_of
from .live import Follower
from .session import Session
from .state import State

FLICKER_MS = 250
"""A training that is held again so soon has not gone on for the eye."""
NOT_RUNNING = "This recording has no training that runs on this machine"


@dataclass(slots=True)
class Rank:
    """The connection to one rank, where it waits, and what it was told last to go to."""

    link: ControlLink
    held: Held | None = None
    errand: str = ""
    """``next-event`` or ``next-step``, until it is held again."""


class Pausing(QObject):
    """Owned by the shell. ``failed`` carries a sentence, ``fetched`` says that a tensor has come. A connection is made when it
    is first needed, and lives as long as the recording is open: its end lets the training go on.

    Of several ranks the one that is shown is held. One that waits goes on waiting when another is shown, until it is let go.

    ``arrived``: the training waits where it was sent, and whether the recording shows that already. ``strayed``: it goes
    elsewhere, or waits at a breakpoint before it came there.
    """

    failed = Signal(str)
    fetched = Signal()
    arrived = Signal(bool)
    strayed = Signal()
    _told = Signal(object, dict)
    _lost = Signal(object)
    _answered = Signal(object)

    def __init__(self, session: Session, follower: Follower, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._follower = session, follower
        self._ranks: dict[int, Rank] = {}
        self._of: Path | None = None
        """The run folder that they belong to."""
        self._resumed = QTimer(self, singleShot=True, interval=FLICKER_MS)
        self._resumed.timeout.connect(self._goes_on)
        self._follow = False
        self._sent_from: tuple[int, int] | None = None
        """The playhead when the training was sent to its next event or step, until the recording shows where it waits then."""
        self._target: tuple[int, Breakpoint] | None = None
        """The rank that runs to a place, and that place: a breakpoint until it is held again, there or elsewhere."""
        self._told.connect(self._on_told)
        self._lost.connect(self._on_lost)
        self._answered.connect(lambda act: act())
        session.changed.connect(self._on_changed)

    # What a person can do

    @property
    def can_pause(self) -> bool:
        """Whether the recording's training runs on this machine and listens."""
        folder = self._folder()
        return folder is not None and (folder / file_of(self._shown)).exists()

    @property
    def on_its_way(self) -> bool:
        """Whether a training goes to its next event or step, and is not there yet."""
        return any(one.errand for one in self._ranks.values())

    @property
    def stands_at_the_end(self) -> bool:
        """Whether another event is another event of the training: the playhead is where it waits, or was sent on from."""
        state = self._session.state
        return at_live_end(state) or self._sent_from == (state.step, state.position)

    def pause(self) -> None:
        """Hold the training after the next event that is seen."""
        self._stray()
        self._session.set(resting=False)
        self._tell(self._shown, "pause")

    def resume(self) -> None:
        """Let it run to the next breakpoint; a rank that is not shown is let go."""
        self._session.set(resting=False)
        if self._waiting != self._shown:
            self.detach()
            return
        self._stray()
        self._follow = True
        self._tell(self._shown, "continue")

    def next_event(self) -> None:
        """Let it run one event."""
        self._send_to("next-event")

    def next_step(self) -> None:
        """Let it run to the first event of the next step."""
        self._send_to("next-step")

    def _send_to(self, errand: str) -> None:
        rank, state = self._waiting, self._session.state
        self._follow = False
        self._tell(rank, errand)
        if rank in self._ranks:
            self._sent_from, self._ranks[rank].errand = (state.step, state.position), errand

    def _stray(self) -> None:
        """What the training was sent to does not count any more."""
        self._sent_from = None
        for one in self._ranks.values():
            one.errand = ""
        self.strayed.emit()

    def run_to(self, text: str) -> None:
        """Let it run to before the next event that a filter finds, or to a breakpoint before that."""
        self._stray()
        rank = self._waiting
        self._follow, self._target = True, (rank, Breakpoint(text))
        self._send_breakpoints(rank, self._session.state)
        self._tell(rank, "continue")

    def detach(self) -> None:
        """Let it run, whatever breakpoints are set: they rest. The connection is left when that has been heard."""
        self._stray()
        rank = self._waiting
        if rank == self._shown:
            self._session.set(resting=True)
        self._follow = self._follow or rank == self._shown
        self._tell(rank, "detach", lambda answer: self._detached(rank))
        if rank == self._shown:
            self._goes_on()

    def _detached(self, rank: int) -> None:
        self._leave(rank)
        if rank == self._shown:
            self._goes_on()  # that it was held once more may have come meanwhile
            self._hold_again(self._session.state)  # so may a wish that it be held after all

    def fetch(self, key: TensorKey) -> None:
        """Have a tensor of the held step in full."""
        self._tell(self._shown, "fetch", partial(self._fetched, key), kind=key[0], number=key[1])

    def close(self) -> None:
        """Leave all ranks; the training goes on."""
        self._resumed.stop()
        for rank in [*self._ranks]:
            self._leave(rank)

    # The connections

    @property
    def _shown(self) -> int:
        """The rank whose recording is shown."""
        recording = self._follower.recording
        return recording.rank if recording is not None else 0

    @property
    def _waiting(self) -> int:
        """The rank that is let go: the one that is shown, unless another waits and it does not."""
        held = [rank for rank, one in self._ranks.items() if one.held is not None]
        return self._shown if self._shown in held or not held else held[0]

    def _folder(self) -> Path | None:
        recording = self._follower.recording
        if recording is None or recording.closed or not self._follower.path:
            return None
        path = Path(self._follower.path)
        return path if path.is_dir() else path.parent

    def _tell(self, rank: int, command: str, then: Callable[[Answer], None] | None = None, **arguments: Any) -> None:
        link = self._connected(rank)
        if link is not None:
            link.send(command, **arguments).add_done_callback(
                lambda done: self._answered.emit(partial(self._on_answer, rank, done, then))
            )

    def _connected(self, rank: int) -> ControlLink | None:
        if rank not in self._ranks:
            folder = self._folder()
            if folder is None:
                self.failed.emit(NOT_RUNNING)
                return None
            try:
                self._ranks[rank] = Rank(self._link_to(folder, rank))
            except ControlError as error:
                self.failed.emit(str(error))
                return None
            self._of = folder
            self._send_breakpoints(rank, self._session.state)
            self._tell(rank, "status", lambda answer: self._on_status(rank, answer))
        return self._ranks[rank].link

    def _link_to(self, folder: Path, rank: int) -> ControlLink:
        """A connection whose signals say which it is: what was on its way when it was closed is no news any more."""
        made: list[ControlLink] = []
        link = ControlLink(
            folder,
            lambda frame: self._told.emit(made, dict(frame)),
            lambda: self._lost.emit(made),
            timeout=2.0,
            rank=rank,
        )
        made.append(link)
        return link

    def _rank_of(self, made: list[ControlLink]) -> int | None:
        return next((rank for rank, one in self._ranks.items() if one.link in made), None)

    def _leave(self, rank: int) -> None:
        one = self._ranks.pop(rank, None)
        if one is not None:
            self._forget_target(rank)
            one.link.close()
            self._tell_besides()
            if one.errand:
                self._stray()

    def _send_breakpoints(self, rank: int, state: State) -> None:
        target = () if self._target is None or self._target[0] != rank else (self._target[1],)
        asked = target if state.resting else (*state.breakpoints, *target)
        wanted = [{"text": one.text, "when": one.when} for one in asked if one.enabled]
        self._tell(rank, "breakpoints", breakpoints=wanted)

    def _forget_target(self, rank: int) -> bool:
        found = self._target is not None and self._target[0] == rank
        self._target = None if found else self._target
        return found

    def _on_answer(self, rank: int, done: Future[Answer], then: Callable[[Answer], None] | None) -> None:
        error = done.exception()
        if error is not None:
            if rank in self._ranks:
                self.failed.emit(str(error))
        elif then is not None:
            then(done.result())

    # What comes

    def _on_changed(self, old: State, new: State) -> None:
        if old.recording is not new.recording:
            self._resumed.stop()
            if new.recording is None:
                QTimer.singleShot(0, self._keep_to_the_run)  # another rank of it may be about to be shown
            else:
                self._keep_to_the_run()
        elif (old.breakpoints, old.resting) != (new.breakpoints, new.resting):
            for rank in [*self._ranks]:
                self._send_breakpoints(rank, new)
            self._hold_again(new)

    def _hold_again(self, state: State) -> None:
        """Have the shown rank know the breakpoints, where it has been left and they are to hold it."""
        if self._shown not in self._ranks and state.breakpoints and not state.resting and self.can_pause:
            self._connected(self._shown)

    def _keep_to_the_run(self) -> None:
        """Leave the ranks of another run, and those that are neither shown nor wait."""
        shown, here = self._shown, self._folder() == self._of
        for rank, one in [*self._ranks.items()]:
            if not here or (rank != shown and one.held is None):
                self._leave(rank)
        if self._session.state.recording is not None:
            held = self._ranks[shown].held if shown in self._ranks else None
            if held is not None:
                self._session.hold(held, shown=True)
            self._tell_besides()

    def _tell_besides(self) -> None:
        besides = tuple(one.held for rank, one in self._ranks.items() if one.held is not None and rank != self._shown)
        self._session.set(held_besides=besides)

    def _on_told(self, made: list[ControlLink], frame: Mapping[str, Any]) -> None:
        rank = self._rank_of(made)
        if rank is None:
            return  # it was on its way when the connection was closed
        one = self._ranks[rank]
        if frame.get("event") in ("held", "shown"):
            one.held = held_of(frame)
            if frame["event"] == "held" and self._forget_target(rank):
                self._send_breakpoints(rank, self._session.state)
        elif frame.get("event") == "resumed":
            one.held = None
        if rank == self._shown:
            self._show(frame)
        else:
            self._tell_besides()
        self._say_where(one, frame)

    def _say_where(self, one: Rank, frame: Mapping[str, Any]) -> None:
        errand, state = one.errand, self._session.state
        if frame.get("event") == "held":
            one.errand = ""
            if errand == "next-step" and frame.get("why") != "next step":
                self._stray()  # a breakpoint was on the way
            else:
                self.arrived.emit(False)
        elif frame.get("event") == "shown" and errand:  # of the place that it has left since
            self._sent_from = (state.step, state.position)
        elif frame.get("event") == "shown":
            self._sent_from = None
            self.arrived.emit(True)

    def _show(self, frame: Mapping[str, Any]) -> None:
        if frame.get("event") in ("held", "shown"):
            self._resumed.stop()
            if frame["event"] == "shown":
                self._follower.poll()
            self._session.hold(held_of(frame), shown=frame["event"] == "shown")
        elif frame.get("event") == "resumed":
            self._resumed.start()

    def _on_status(self, rank: int, answer: Answer) -> None:
        """It may be held already, by another window or before this one came."""
        if answer.get("held") and rank in self._ranks:
            self._on_told([self._ranks[rank].link], {**answer["held"], "event": "shown"})

    def _goes_on(self) -> None:
        self._session.hold(None)
        if self._follow:
            self._session.follow()

    def _on_lost(self, made: list[ControlLink]) -> None:
        rank = self._rank_of(made)
        if rank is None:
            return
        del self._ranks[rank]
        self._forget_target(rank)
        self._stray()
        if rank == self._shown:
            self._resumed.stop()
            self._session.hold(None)
        else:
            self._tell_besides()

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
        self.fetched.emit()


def at_live_end(state: State) -> bool:
    """Whether the training waits and the playhead is where it waits, so that another event is another event of the training."""
    return state.held is not None and state.step + 1 == state.length and state.position >= state.events
