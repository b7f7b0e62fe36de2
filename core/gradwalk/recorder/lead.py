"""Which steps are followed: learns Routines from steps that went the slow way, and hands over those that were followed."""

from __future__ import annotations

from threading import get_ident
from typing import TypeAlias

from ..recording.retention import Keep
from .assemble import Known
from .engine import EngineRun
from .graph_walk import sequence_number
from .kept import KeptStrip, Pool
from .kernel import FLOAT
from .numbering import Numbers
from .quick import QuickFollower
from .routine import NotFollowable, Routine
from .running import Running
from .state import State
from .steps import Cut
from .trail import Arrival, Chain
from .unwind import LostRun, Unwinder, unwound

Key: TypeAlias = tuple[Known, Chain]
"""A structure, and the place that its first call came from."""
_REMEMBERED = 64
_HISTORY = 8
_LEARNED_AFTER = 2
"""How often a structure must come before it is learned."""
_RING_STEPS = 8
_MOST_FAILURES = 3
"""How often in a row a Routine may fail before it is not tried again."""


class Lead:
    """Chooses the Routine of the step to come, and takes the steps in and out of following."""

    def __init__(self, state: State) -> None:
        self.follower = QuickFollower(state, self)
        self._state = state
        self._routines: dict[Key, Routine | None] = {}
        self._seen: dict[Key, int] = {}
        self._next: dict[tuple[Key, ...], Key] = {}
        self._history: tuple[Key, ...] = ()
        self._shadow: Routine | None = None
        self._matched = 0
        self._runs = 0
        self._pending: Running | None = None
        self._pool = Pool()

    # ------------------------------------------------------------------ steps that go the slow way

    def came(self, arrival: Arrival) -> None:
        """Something came the slow way: whether the step is still what it is expected to be."""
        shadow = self._shadow
        if shadow is None:
            return
        if self._matched < len(shadow.items) and shadow.items[self._matched].template.resembles(arrival):
            self._matched += 1
        else:
            self._shadow = None

    def begins(self) -> bool:
        """Follow from here on, where a step has gone the slow way to its end as expected and it is known what comes then."""
        shadow = self._shadow
        if self._state.timer is not None or self._state.gate.armed:  # what runs on a device is timed the slow way
            return False
        if shadow is None or self._matched < len(shadow.items) or get_ident() != self.follower.thread:
            return False
        self._shadow = None
        self._follow(self._after((*self._history, shadow.key)[-_HISTORY:]))
        return self.follower.item is not None

    def step_ended(self, cut: Cut, numbers: Numbers, known: Known) -> None:
        """A step ended the slow way."""
        trail = self._state.trail
        closing = trail.closing
        arrivals = trail.cut(cut.records)
        key = known, arrivals[0].chain if arrivals else ()
        self._remember(key)
        seen = self._seen[key] = self._seen.get(key, 0) + 1
        if arrivals and closing >= 0 and key not in self._routines and seen >= _LEARNED_AFTER:
            self._learn(key, numbers, arrivals, closing, cut.label)
        if self.follower.item is None:
            self._expect(self._after(self._history))

    def _learn(self, key: Key, numbers: Numbers, arrivals: list[Arrival], closing: int, label: str) -> None:
        if len(self._routines) >= _REMEMBERED:
            self._routines.clear()
            self._seen.clear()
            self._next.clear()
        try:
            self._routines[key] = routine = Routine(key[0], numbers, arrivals, label, measured=self._state.measured)
            routine.closed_by(closing)
            routine.waits = tuple([numbers.slots[slot] for slot in self._state.steps.pending if slot in numbers.slots])
        except NotFollowable:
            self._routines[key] = None

    def _remember(self, key: Key) -> None:
        history = self._history
        self._next[history] = self._next[history[-1:]] = key
        self._history = (*history, key)[-_HISTORY:]

    def _after(self, history: tuple[Key, ...]) -> Routine | None:
        """The Routine that came after these steps the last time."""
        key = self._next.get(history, self._next.get(history[-1:]))
        routine = self._routines.get(key) if key is not None else None
        return routine if routine is not None and routine.failures < _MOST_FAILURES else None

    def _expect(self, routine: Routine | None) -> None:
        """Compare what comes the slow way, from what came already of the next step on."""
        self._shadow, self._matched = routine, 0
        for arrival in self._state.trail.arrivals:
            self.came(arrival)

    # ------------------------------------------------------------------ steps that are followed

    def _follow(self, routine: Routine | None) -> None:
        """Begin to follow a step."""
        state = self._state
        if routine is None or state.trail.broken or state.checks.near:  # what is checked goes the slow way from its start
            self._stop()
            return
        wanted = state.sink.wants(state.step_number + 1)
        measuring = wanted and state.sink.level != "structure"
        kept = KeptStrip(self._pool, *self._room(routine)) if measuring else None
        self._runs += 1
        self.follower.running = Running(self._runs, routine, state.statistics, state.guarded, measuring=measuring, kept=kept)
        self.follower.running.sequence = sequence_number()
        self.follower.shift = self.follower.running.sequence - routine.base
        self.follower.item = routine.items[0]

    def _room(self, routine: Routine) -> tuple[int, int]:
        """How many elements of a step the ring can hold, and of a tensor: so many that eight steps fit."""
        floats = self._state.sink.ring_bytes // _RING_STEPS // FLOAT
        return routine.room(floats)

    def step_is_complete(self) -> None:
        """Everything of the step has come; it ends when the next one begins."""
        running = self.follower.running
        assert running is not None
        running.routine.failures = 0
        self._pending = running
        self._follow(self._after((*self._history, running.routine.key)[-_HISTORY:]))

    def close(self) -> bool:
        """The step before has ended; whether the one that has begun can be followed further."""
        state, pending, running = self._state, self._pending, self.follower.running
        self._pending = None
        if running is not None:
            running.closed = True
        if pending is None:
            state.steps.close()
        else:
            self._remember(pending.routine.key)
            state.close_followed(pending)
        if self.follower.item is None or running is None or state.off:
            return False
        for slot in running.held.values():  # of the step before nothing is needed any more
            slot.base = slot.copied = None
        if state.keep is Keep.FULL or state.gate.armed:  # its tensors are copied, its events shown, the slow way
            self.unwind(failed=False)
            return False
        return True

    def start_again(self) -> None:
        """Some steps were not looked at: what comes next is not known."""
        self.follower.item = self.follower.running = self._pending = self._shadow = None
        self._history = ()

    # ------------------------------------------------------------------ leaving

    def _stop(self) -> None:
        """Nothing is known of what comes: what is complete becomes records, too."""
        if self._pending is not None:
            self.unwind()
        self.follower.item = self.follower.running = None

    def leave(self) -> None:
        """What came was not expected."""
        self.unwind()

    def unwind(self, *, failed: bool = True) -> Unwinder | None:
        """From here on the slow way: what was followed becomes records, as if it had gone there all along."""
        follower, pending = self.follower, self._pending
        running, item = follower.running, follower.item
        follower.item = follower.running = self._pending = None
        trail, steps = self._state.trail, self._state.steps
        if pending is not None:
            trail.restart(pending.routine.closes)
            steps.reopen()
            unwound(self._state, pending, None, opened=True)
        if running is None or item is None:
            return None
        running.routine.failures += failed
        if running.closed:
            trail.restart(running.routine.closes)
            steps.reopen()
        return unwound(self._state, running, item, opened=running.closed)

    def lose(self, run: EngineRun) -> None:
        """A backward does not run as planned: it goes on the slow way."""
        unwinder = self.unwind()
        if unwinder is not None:
            run.lost = LostRun(self._state, run, unwinder)
