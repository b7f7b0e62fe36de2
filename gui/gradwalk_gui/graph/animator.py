"""Keeps flights in the air: a timer that runs only while something flies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from PySide6.QtCore import QElapsedTimer, QObject, QTimer

from .animation import Flight
from .wavefront import Wavefront

FRAME = 16
"""Milliseconds between two frames."""
AT_ONCE = {Flight: 3, Wavefront: 8}
"""More than these are not in the air together; the oldest lands at once."""
Flying: TypeAlias = Flight | Wavefront


class Animator(QObject):
    """Flights with their starting times. At each frame ``redraw`` is told what flies, and what landed since the last one."""

    def __init__(self, parent: QObject, redraw: Callable[[tuple[Flying, ...]], None]) -> None:
        super().__init__(parent)
        self._redraw = redraw
        self._flights: list[tuple[Flying, int]] = []
        self._clock = QElapsedTimer()
        self._clock.start()
        self._timer = QTimer(self)
        self._timer.setInterval(FRAME)
        self._timer.timeout.connect(self._tick)

    @property
    def running(self) -> bool:
        """Whether anything is in the air."""
        return bool(self._flights)

    def launch(self, flight: Flying) -> None:
        """Start a flight, or a wavefront."""
        if not flight:
            return
        before = self._flights
        self._flights = [*before, (flight, self._clock.elapsed())][-AT_ONCE[type(flight)] :]
        self._timer.start()
        self._redraw((*_of(before), flight))

    def land(self) -> None:
        """End all flights."""
        if self._flights:
            gone, self._flights = self._flights, []
            self._redraw(_of(gone))
        self._timer.stop()

    def in_the_air(self) -> list[tuple[Flying, float]]:
        """Flights, each with the fraction of its time that has gone."""
        now = self._clock.elapsed()
        return [(flight, min((now - start) / flight.duration, 1.0)) for flight, start in self._flights]

    def _tick(self) -> None:
        now, before = self._clock.elapsed(), self._flights
        self._flights = [(flight, start) for flight, start in before if now - start < flight.duration]
        if not self._flights:
            self._timer.stop()
        self._redraw(_of(before))


def _of(flights: list[tuple[Flying, int]]) -> tuple[Flying, ...]:
    return tuple(flight for flight, _ in flights)
