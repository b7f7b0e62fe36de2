"""While a training is followed, panels draw by turns, a moment apart, so that the window is never held by all at once."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from PySide6.QtCore import QTimer

APART_MS = 10


class Turns:
    """Drawings that wait for their turn, each wish once: who asks again before its turn keeps its place."""

    def __init__(self) -> None:
        self._waiting: dict[weakref.WeakMethod[Any], None] = {}
        self._timer = QTimer(singleShot=True, interval=APART_MS)
        self._timer.timeout.connect(self._next)
        self._due = self._spent = 0.0

    def ask(self, draw: Callable[[], object]) -> None:
        """Have a method called when its turn comes, if its object still lives."""
        self._waiting[weakref.WeakMethod(draw)] = None
        if not self._timer.isActive():
            self._wait()

    def spent(self) -> float:
        """Seconds that drawing and painting took since this was last asked."""
        spent, self._spent = self._spent, 0.0
        return spent

    def _wait(self) -> None:
        self._timer.start()
        self._due = time.monotonic() + APART_MS / 1e3

    def _next(self) -> None:
        """One drawing; that the timer comes late is the painting of the one before."""
        self._spent += max(time.monotonic() - self._due, 0.0)
        begun = time.monotonic()
        if self._waiting:
            draw = next(iter(self._waiting))
            del self._waiting[draw]
            living = draw()
            if living is not None:
                living()
        self._spent += time.monotonic() - begun
        if self._waiting:
            self._wait()


@lru_cache(maxsize=1)
def turns() -> Turns:
    """Those of the window's thread."""
    return Turns()
