"""Remembers the breakpoints of each program from one start of the app to the next, and sets them again with its recording.

What was kept from an earlier start rests: it stops the playhead on the record, but holds no training before a person has asked
for that in this start (a breakpoint set or ticked, Pause, Resume, or the button in the panel).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject

from gradwalk.breakpoints import checked
from gradwalk.filter import FilterError
from gradwalk.gate import Breakpoint

from .live import Follower
from .session import Session
from .state import State

MOST_PROGRAMS = 24
"""Of so many programs the breakpoints are remembered."""
MOST, LONGEST = 200, 4000
"""Breakpoints of one program that are remembered; characters of one, and of a program's name."""


class KeptStops(QObject):
    """``texts`` are for the settings. A program is known by its script, as the recording names it; that name is never opened."""

    def __init__(self, session: Session, follower: Follower, texts: tuple[str, ...]) -> None:
        super().__init__(follower)
        self.texts = texts
        self._session, self._follower = session, follower
        self._asked: set[str] = set()
        """The programs that a person wanted held in this start of the app."""
        self._restored: tuple[Breakpoint, ...] = ()
        follower.opened.connect(self._on_opened)
        session.changed.connect(self._on_changed)

    def _on_opened(self, _path: str) -> None:
        program = self._program()
        self._restored = remembered(self.texts, program)
        self._session.set(breakpoints=self._restored, resting=bool(self._restored) and program not in self._asked)

    def _on_changed(self, old: State, new: State) -> None:
        program = self._program()
        if old.recording is not new.recording or new.recording is None or not program:
            return
        if old.breakpoints != new.breakpoints:
            self.texts = remember(self.texts, program, new.breakpoints)
            if new.breakpoints is not self._restored and set(_enabled(new)) - set(_enabled(old)):
                self._asked.add(program)
                self._session.set(resting=False)
        if old.resting and not new.resting:
            self._asked.add(program)

    def _program(self) -> str:
        recording = self._follower.recording
        if recording is None or not self._follower.path:
            return ""
        script = recording.info.script
        return script if 0 < len(script) <= LONGEST else str(Path(self._follower.path).absolute())


def remembered(texts: tuple[str, ...], program: str) -> tuple[Breakpoint, ...]:
    """The breakpoints that a program had; ``texts`` are those of the settings, of which what is no breakpoint is left out."""
    rows = next((rows for name, rows in map(_pair, texts) if name == program), [])
    found = (_breakpoint(row) for row in rows[:MOST])
    return tuple(one for one in found if one is not None)


def remember(texts: tuple[str, ...], program: str, breakpoints: tuple[Breakpoint, ...]) -> tuple[str, ...]:
    """The texts for the settings with the breakpoints of a program at the head."""
    others = tuple(text for text in texts if _pair(text)[0] not in (program, ""))
    rows = [[one.text, one.when, one.enabled] for one in breakpoints[:MOST] if len(one.text) <= LONGEST]
    mine = (json.dumps([program, rows]),) if rows else ()
    return (*mine, *others)[:MOST_PROGRAMS]


def _enabled(state: State) -> tuple[Breakpoint, ...]:
    return tuple(one for one in state.breakpoints if one.enabled)


def _pair(text: str) -> tuple[str, list[Any]]:
    try:
        pair = json.loads(text)
    except (ValueError, RecursionError):
        return "", []
    right = isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], list)
    return (pair[0], pair[1]) if right else ("", [])


def _breakpoint(row: Any) -> Breakpoint | None:
    if not isinstance(row, list) or len(row) != 3 or not isinstance(row[0], str) or len(row[0]) > LONGEST:
        return None
    text, when, enabled = row
    if when not in ("before", "after") or not isinstance(enabled, bool):
        return None
    try:
        checked(text, when)
    except FilterError:
        return None
    return Breakpoint(text, when, enabled)
