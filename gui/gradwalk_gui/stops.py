"""Stepping, where the record and a training that waits meet: the commands that go on, stop, and set breakpoints."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from . import stopping
from .pausing import Pausing
from .session import Session

if TYPE_CHECKING:
    from .views.breakpoints import BreakpointsView
    from .window import Window


@dataclass(frozen=True, slots=True)
class Press:
    """A step that a person asks for. ``on_record``: it can only be made when the record has the place before."""

    act: Callable[[], None]
    on_record: bool = False


class Stops:
    """Owned by the shell; what does not come to pass is one sentence in the notice bar."""

    def __init__(self, session: Session, pausing: Pausing, window: Window) -> None:
        self._session, self._window = session, window
        self.pausing = pausing
        self._complaint = ""
        self._presses: deque[Press] = deque()
        """What was pressed while the training is on its way to where the press before takes it."""
        pausing.arrived.connect(self._carry_on)
        pausing.strayed.connect(self._presses.clear)
        pausing.failed.connect(self._complain)
        pausing.fetched.connect(self._take_back)

    def next_event(self) -> None:
        """One event on: of the record, or of the training that waits there."""
        self._do(Press(lambda: (self.pausing if self.pausing.stands_at_the_end else self._session).next_event()))

    def next_step(self) -> None:
        """One training step on: of the record, or of the training that waits there."""
        self._do(Press(lambda: (self.pausing if self.pausing.stands_at_the_end else self._session).next_step()))

    def previous_event(self) -> None:
        """One event back, on the record."""
        self._do(Press(self._session.previous_event, on_record=True))

    def previous_step(self) -> None:
        """One training step back, on the record."""
        self._do(Press(lambda: self._session.next_step(-1), on_record=True))

    def live_event(self) -> None:
        """One event of the training that waits, wherever the playhead is."""
        self._do(Press(self.pausing.next_event))

    def live_step(self) -> None:
        """One step of the training that waits."""
        self._do(Press(self.pausing.next_step))

    def forget_presses(self) -> None:
        """Do nothing of what waits for its turn."""
        self._presses.clear()

    def _do(self, press: Press) -> None:
        """At once; while the training is on its way and the playhead waits for it, when the presses before are done."""
        if (self.pausing.on_its_way or self._presses) and self.pausing.stands_at_the_end:
            self._presses.append(press)
        else:
            self._presses.clear()
            press.act()

    def _carry_on(self, shown: bool) -> None:
        """The training waits where it was sent; ``shown``: the record has it."""
        while self._presses and not self.pausing.on_its_way and (shown or not self._presses[0].on_record):
            self._presses.popleft().act()

    def go_on(self, by: Literal[1, -1]) -> None:
        """Continue to the next (or previous) breakpoint; a training that waits is let go."""
        state = self._session.state
        if by > 0 and (state.held is not None or state.held_besides):
            self.pausing.resume()
        else:
            self._remark(stopping.go_on(self._session, by))

    def run_to_selected(self, by: Literal[1, -1]) -> None:
        """Run on (or back) to what is selected; a training that waits is let run to where it comes next."""
        ahead = stopping.text_ahead(self._session.state, by)
        if ahead:
            self.pausing.run_to(ahead)
        else:
            self._remark(stopping.run_to_selected(self._session, by))

    def last_writer(self) -> None:
        """Go to what wrote the selected tensor last."""
        self._remark(stopping.to_last_writer(self._session))

    def toggle_breakpoint(self) -> None:
        """Set a breakpoint at the selection or the next event, or remove it."""
        self._session.set(breakpoints=stopping.toggled(self._session.state))

    def ask_breakpoint(self) -> None:
        """Ask for the condition of a breakpoint."""
        self._window.populate()
        self._window.desk.show_dock("breakpoints")
        cast("BreakpointsView", self._window.desk.views["breakpoints"]).ask()

    def fetch(self) -> None:
        """Fetch the selected tensor from the training that waits."""
        key = stopping.tensor_of(self._session.state)
        if key is not None:
            self.pausing.fetch(key)

    def _complain(self, sentence: str) -> None:
        self._complaint = sentence
        self._window.notice.say(sentence)

    def _take_back(self) -> None:
        """What was asked for has come: an earlier complaint is no news any more."""
        if self._complaint and self._window.notice.text == self._complaint:
            self._window.notice.hide()

    def _remark(self, sentence: str) -> None:
        if sentence:
            self._window.notice.say(sentence)
