"""Alerts are looked for beside the window while a recording is open; F8 goes from one to the next, and waits where it must."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, QTimer

from gradwalk.tape import event_at
from gradwalk.trace import NONE

from .activity import Activity
from .alert_scan import Scan, is_growing
from .alerts import NOTHING, AlertRow, Alerts, leaf_of, nearest
from .inspection.subject import selection_of
from .notice import Notice
from .session import Session
from .state import Play, Selection, State
from .watch_limits import limits_of

FIRST_MS, LOOK_MS = 150, 10
"""Before the first turn, so that the window draws first; between two looks for a turn's end."""
PAUSE_MS, REST_MS = 90, 400
"""Between turns of a live recording while there is more to look at, and after that."""
TOLD = 0.25
"""Seconds between two reports of how far it has come."""
PATIENCE = 0.05
"""Seconds that a press of F8 waits at once."""
CLOSING = 2.0
"""Seconds that are waited at most for a worker to let go of a recording."""


@dataclass(frozen=True, slots=True)
class Wish:
    """F8 (or Shift+F8) was pressed at a place, and where it leads is not known yet."""

    by: Literal[1, -1]
    place: tuple[int, int]


class Watcher(QObject):
    """Owned by the shell. One turn after the other runs in a thread; a timer of the window's thread takes in what it found."""

    def __init__(self, session: Session, notice: Notice, activity: Activity, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._notice, self._activity = session, notice, activity
        self._pool: ThreadPoolExecutor | None = None
        self._scan: Scan | None = None
        self._turn: Future[Alerts] | None = None
        self._wish: Wish | None = None
        self._told = 0.0
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._look)
        session.changed.connect(self._on_changed)

    @property
    def settled(self) -> bool:
        """Whether all that the recording holds now has been looked at."""
        state = self._session.state
        return state.recording is None or (state.alerts.complete and state.alerts.looked >= state.length)

    def next(self, by: Literal[1, -1]) -> None:
        """Go to the next (or previous) alert; as soon as it is found, if the playhead has not moved by then."""
        state = self._session.state
        if state.recording is None or state.trace is None:
            return
        self._wish = Wish(by, (state.step, state.position))
        end = time.monotonic() + PATIENCE
        while not self._grant() and time.monotonic() < end:
            self._look()
            if self._turn is not None:
                wait([self._turn], max(end - time.monotonic(), 0.0))
        if self._wish is not None:
            self._activity.begin(
                "alerts", "Looking for the next alert" if by > 0 else "Looking for the alert before", self._give_up
            )

    def close(self) -> None:
        """Let go of the recording."""
        self._begin(None)
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None

    def _on_changed(self, old: State, new: State) -> None:
        if old.recording is not new.recording or (old.watches, old.limits) != (new.watches, new.limits):
            self._begin(new)
        elif old.length != new.length and self._scan is not None and not self._timer.isActive():
            self._timer.start(LOOK_MS)
        if self._wish is not None and self._wish.place != (new.step, new.position):
            self._give_up()

    def _begin(self, state: State | None) -> None:
        """Look at a recording from its first step; at none for None."""
        self._timer.stop()
        self._give_up()
        if self._scan is not None:
            self._scan.cancelled.set()
        if self._turn is not None:
            wait([self._turn], CLOSING)
        if self._scan is not None and (self._turn is None or self._turn.done()):
            self._scan.close()
        self._scan = self._turn = None
        if state is not None and state.recording is not None:
            self._scan = Scan(state.recording, state.watches, limits_of(state.limits))
            self._session.set(alerts=NOTHING)
            self._timer.start(FIRST_MS)

    def _look(self) -> None:
        """Take in a turn that has ended, and begin the next where there is more to look at."""
        scan = self._scan
        if scan is None:
            return
        if self._turn is not None:
            if not self._turn.done():
                self._timer.start(LOOK_MS)
                return
            turn, self._turn = self._turn, None
            self._show(turn.result())  # a fault of the worker is raised here
            if self._scan is not scan or self._rests(is_growing(scan.recording)):
                return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "alerts")
        self._turn = self._pool.submit(scan.turn, self._session.state.length)
        self._timer.start(LOOK_MS)

    def _rests(self, growing: bool) -> bool:
        """Whether there is a pause before the next turn: the training needs the processor too. At the end there is no next."""
        if growing and (self.settled or self._wish is None):
            self._timer.start(REST_MS if self.settled else PAUSE_MS)
            return True
        if self.settled:
            self._timer.stop()
        return self.settled

    def _show(self, alerts: Alerts) -> None:
        shown, now = self._session.state.alerts, time.monotonic()
        news = alerts.rows != shown.rows or alerts.complete != shown.complete
        if news or (alerts.looked != shown.looked and now - self._told > TOLD):
            self._told = now
            self._session.set(alerts=alerts)
        self._grant()

    def _grant(self) -> bool:
        """Whether there is no wish, or it could be granted now."""
        if self._wish is None:
            return True
        state, by = self._session.state, self._wish.by
        row = nearest(state.alerts.rows, self._wish.place, by, state.alert)
        if not (self.settled or (row is not None if by > 0 else state.alerts.looked > state.step)):
            return False
        self._give_up()
        if row is None:
            self._notice.say(f"There is no NaN, Inf or other alert {'after' if by > 0 else 'before'} this event.")
        else:
            visit(self._session, row)
            alert = row.finding.alert
            self._notice.say(alert.sentence, "error" if alert.severity == "error" else "info")
        return True

    def _give_up(self) -> None:
        if self._wish is not None:
            self._wish = None
            self._activity.end("alerts")


def visit(session: Session, row: AlertRow) -> None:
    """Put the playhead where an alert is, and select what it is about: the op or Node, else the leaf."""
    session.set(step=row.step, position=row.position, alert=row, play=Play.PAUSED)
    trace = session.state.trace
    if trace is None:
        return
    position, leaf = row.finding.alert.event, leaf_of(row, trace)
    if 0 <= position < len(trace.tape):
        session.select(selection_of(event_at(trace, position)))
    elif leaf != NONE:
        session.select(Selection("value", leaf))
