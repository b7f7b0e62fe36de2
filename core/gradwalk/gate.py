"""The gate: where a training thread is held, between two events, while a person looks. Imports neither torch nor NumPy.

1. The app sets breakpoints, or asks for a pause, over the control path: the gate is ``armed``. 2. At each moment before and after
an event a recorder asks whether it is to be held (``why``, on the training's thread). 3. At a wanted one the thread waits inside
``hold``; what the app asks for meanwhile is done by that thread. 4. ``go_on`` lets it run; so does ``release``, which whoever set
the breakpoints need not live to call: the control path calls it when their connection ends.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from .filter.one_event import OneEvent
    from .trace import Kept

When: TypeAlias = Literal["before", "after"]
T = TypeVar("T")
PATIENCE = 30.0
"""Seconds that something which was asked of the held thread may take."""
AT_ONCE, LONGEST_REST = 0.008, 0.15
"""Seconds: a step so far that is written faster is written at once; so long is waited at most before one that is not."""


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """Stops ``when`` (before or after) an event matches ``text``, a filter such as ``$op(mm)`` or ``$grad(rms>1e3)``."""

    text: str
    when: When = "before"
    enabled: bool = True


class Wish(Enum):
    """What the training is to do: run to a breakpoint, on to the next event, or to the next step."""

    RUN = "run"
    EVENT = "event"
    STEP = "step"


class Moment(Protocol):
    """A place between two events of a training that runs."""

    @property
    def when(self) -> When:
        """Before or after ``event``."""

    @property
    def step(self) -> int:
        """The number of the step."""

    @property
    def event(self) -> OneEvent:
        """The event that is about to run, or has run."""

    def show(self) -> None:
        """Write the step so far."""

    def fetch(self, kind: str, number: int) -> Kept:
        """A tensor of the step so far in full: ``value`` or ``gradient`` and its id there. Raises LookupError with a sentence."""


@dataclass(frozen=True, slots=True)
class Stop:
    """That a training is to be held at a moment, ``why`` in a few words, and how many events of the step have run before it."""

    moment: Moment
    why: str
    position: int


class NotHeldError(Exception):
    """Something was asked that only a training that is held can give."""


class Gate:
    """One per recording. ``told`` gets a frame whenever the training is held or goes on (on the training's thread)."""

    def __init__(self) -> None:
        self.armed = False
        """Whether moments are to be shown to it: read without a lock at every event."""
        self.told: Callable[[Mapping[str, Any]], None] = lambda frame: None
        self.company: Callable[[], Mapping[str, Any]] = dict
        """What is told besides of the ranks that train together: see ``recorder/company.py``."""
        self._breakpoints: tuple[Breakpoint, ...] = ()
        self._wish = Wish.RUN
        self._from_step = -1
        self._held: Moment | None = None
        self._answer: dict[str, Any] = {}
        self._asked: list[tuple[Callable[[Moment], Any], Future[Any]]] = []
        self._costs = 0.0
        """Seconds that it took to write the last step so far."""
        self._changed = threading.Condition()
        self._one_at_a_time = threading.Lock()

    # ------------------------------------------------------------------ what the app asks for

    def set_breakpoints(self, breakpoints: Iterable[Breakpoint]) -> None:
        """Hold at these from now on; a step that is followed (by a recorder) goes on to its end first."""
        with self._changed:
            self._breakpoints = tuple(one for one in breakpoints if one.enabled)
            self._rearm()

    def pause(self) -> None:
        """Hold after the next event that is seen."""
        with self._changed:
            if self._held is None:
                self._wish = Wish.EVENT
                self._rearm()

    def go_on(self, wish: Wish = Wish.RUN) -> None:
        """Let the training run: to a breakpoint, or to the next event or step."""
        with self._changed:
            if self._held is not None:
                self._from_step = self._held.step
                self._held = None
            self._wish = wish
            self._rearm()
            self._changed.notify_all()

    def release(self) -> None:
        """Forget all breakpoints, and let the training run."""
        with self._changed:
            self._breakpoints = ()
        self.go_on()

    def held(self) -> dict[str, Any]:
        """What was told when the training was held; empty while it runs."""
        with self._changed:
            return dict(self._answer) if self._held is not None else {}

    def ask(self, act: Callable[[Moment], T]) -> T:
        """Have the held thread do something. Raises NotHeldError, and what ``act`` raises."""
        made: Future[T] = Future()
        with self._changed:
            if self._held is None:
                raise NotHeldError("the training is not held")
            self._asked.append((act, made))
            self._changed.notify_all()
        return made.result(timeout=PATIENCE)

    def _rearm(self) -> None:
        self.armed = bool(self._breakpoints) or self._wish is not Wish.RUN

    # ------------------------------------------------------------------ what the training does

    def why(self, moment: Moment) -> str:
        """Why a training is to be held at a moment, in a few words; "" where it is not."""
        if not self.armed:
            return ""
        if moment.when == "after" and self._wish is Wish.EVENT:
            return "paused"
        if moment.when == "after" and self._wish is Wish.STEP and moment.step > self._from_step:
            return "next step"
        return self.breakpoint_at(moment)

    def breakpoint_at(self, moment: Moment) -> str:
        """The breakpoint that holds a training at a moment, in a few words; "" where none does."""
        from .breakpoints import hit_by

        hit = hit_by(moment.event, moment.when, self._breakpoints)
        return f"breakpoint {hit.text}" if hit is not None else ""

    def hold(self, stop: Stop | None) -> None:
        """Wait at a stop, if there is one. What a signal handler of the user's raises, such as KeyboardInterrupt, ends the wait
        and passes.

        That it is held is told at once. Writing the step so far takes longer in a large one: it waits until nobody has asked for
        the next event for about as long, and is told as ``shown``.
        """
        if stop is None:
            return
        moment = stop.moment
        with self._one_at_a_time:
            event = moment.event
            what = {"name": event.name, "phase": event.phase, "module": event.module, "source": event.source, **self._company()}
            with self._changed:
                if not self.armed:  # let go since
                    return
                at = {"step": moment.step, "position": stop.position}
                self._answer = {"event": "held", "why": stop.why, "when": moment.when, **what, **at}
                self._held, self._wish = moment, Wish.RUN
            self.told(self._answer)
            try:
                self._show(moment)
                self._wait()
            finally:
                self._gone_on()

    def _company(self) -> Mapping[str, Any]:
        try:
            return self.company()
        except Exception:  # whatever torch says to a group that is just being taken down
            return {}

    def _show(self, moment: Moment) -> None:
        with self._changed:
            if self._costs > AT_ONCE:
                self._changed.wait_for(lambda: self._held is None or bool(self._asked), min(self._costs, LONGEST_REST))
            if self._held is None:
                return
        begin = time.monotonic()
        with contextlib.suppress(Exception):  # whatever it is, the training goes on
            moment.show()
        self._costs = time.monotonic() - begin
        self.told({**self._answer, "event": "shown"})

    def _gone_on(self) -> None:
        with self._changed:
            self._held = None
            self._rearm()
            asked, self._asked = self._asked, []
        for _, answer in asked:
            answer.set_exception(NotHeldError("the training has gone on"))
        self.told({"event": "resumed"})

    def _wait(self) -> None:
        while True:
            with self._changed:
                while self._held is not None and not self._asked:
                    self._changed.wait()
                held, asked, self._asked = self._held, self._asked, []
            if held is None:
                self._asked = asked
                return
            for act, answer in asked:
                _answer(act, answer, held)


def _answer(act: Callable[[Moment], Any], answer: Future[Any], held: Moment) -> None:
    try:
        answer.set_result(act(held))
    except Exception as error:
        answer.set_exception(error)
