"""Reads the statistics of all steps by turns, a few milliseconds at a time: the window never waits for a long recording."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QObject, QTimer, Signal
from shiboken6 import isValid

from gradwalk.recording.tables import Asked, Tables, tables_from, together

from ..state import Steps
from ..turns import turns

BUDGET = 0.006
"""Seconds of reading in one turn."""
LONG, SHARE = 0.03, 3.0
"""A turn that took longer than this (a large Graph was read for the first time) is followed by a rest of so many times that."""
SHOW_EVERY = 0.1
"""Seconds between two showings of what has been read so far."""


class Track(Protocol):
    """What takes statistics step after step: a probe, or the heat map."""

    at: int
    """How many steps it has taken."""

    @property
    def asked(self) -> Asked:
        """What it needs of a step."""

    def take(self, end: int, tables: Sequence[Tables]) -> None:
        """Take the steps up to ``end``; those that no table tells of could not be read."""


class Gatherer(QObject):
    """Brings tracks up to the end of a recording; what they have taken is never read again. ``grew`` after every part."""

    grew = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._recording: Steps | None = None
        self._length = 0
        self._tracks: tuple[Track, ...] = ()
        self._shown = 0.0
        self._news = False

    @property
    def busy(self) -> bool:
        """Whether there is more to read, or to show."""
        return self._news or any(track.at < self._length for track in self._tracks)

    def follow(self, recording: Steps | None, length: int, tracks: Sequence[Track]) -> None:
        """Bring some tracks up to the first ``length`` steps of a recording; others are left where they are."""
        self._recording, self._length, self._tracks = recording, length, tuple(tracks)
        self._news = self._news and recording is not None
        if recording is not None and self.busy:
            self._ask()

    def _turn(self) -> None:
        if not isValid(self):
            return
        begun = time.monotonic()
        more = self._read()
        while more and time.monotonic() < begun + BUDGET:
            more = self._read()
        now = time.monotonic()
        if self._news and (not more or now - self._shown > SHOW_EVERY):
            self._news, self._shown = False, now
            self.grew.emit()
        if more and now - begun > LONG:
            QTimer.singleShot(round(SHARE * (now - begun) * 1000), self, self._ask)
        elif more:
            self._ask()

    def _ask(self) -> None:
        turns().ask(self._turn)

    def _read(self) -> bool:
        """One part for the tracks that are furthest behind; whether there is more."""
        behind = [track for track in self._tracks if track.at < self._length]
        if not behind or self._recording is None:
            return False
        at = min(track.at for track in behind)
        here = [track for track in behind if track.at == at]
        end, tables = tables_from(self._recording, at, together(track.asked for track in here))
        if end <= at:  # the last step is not complete yet
            return False
        for track in here:
            track.take(end, tables)
        self._news = True
        return True
