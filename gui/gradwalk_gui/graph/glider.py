"""Keeps a glide going: a timer that runs only while cards glide, and that gives up where the frames come too slowly."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QElapsedTimer, QObject, QTimer

from .animator import FRAME
from .glide import DURATION, Glide
from .scene import Scene

SLOW = 24.0
"""Milliseconds between two frames above which the glide ends at once."""


class Glider(QObject):
    """One glide with its starting time; calls ``redraw`` at each frame."""

    def __init__(self, parent: QObject, redraw: Callable[[], None]) -> None:
        super().__init__(parent)
        self._redraw = redraw
        self._glide: Glide | None = None
        self._clock = QElapsedTimer()
        self._last = 0
        self._timer = QTimer(self, interval=FRAME)
        self._timer.timeout.connect(self._tick)

    @property
    def running(self) -> bool:
        """Whether anything glides."""
        return self._glide is not None

    def start(self, glide: Glide | None) -> None:
        """Start a glide; the one before ends."""
        self.stop()
        if glide is not None:
            self._glide, self._last = glide, 0
            self._clock.start()
            self._timer.start()

    def stop(self) -> None:
        """Everything stands where it belongs."""
        self._glide = None
        self._timer.stop()

    def scene(self) -> Scene | None:
        """The scene at this moment; None where nothing glides."""
        return None if self._glide is None else self._glide.at(self._clock.elapsed() / DURATION)

    def _tick(self) -> None:
        now = self._clock.elapsed()
        if now >= DURATION or (self._last and now - self._last > FRAME + SLOW):
            self.stop()
        self._last = now
        self._redraw()
