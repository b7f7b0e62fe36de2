"""What happens when more comes than can be written: tensors go first, then statistics, then whole steps but for their loss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..trace import Trace, empty_table
from .format import MIB, Note

SOFT, HARD, FULL = 192 * MIB, 256 * MIB, 320 * MIB
"""Bytes waiting above which tensors, statistics, and whole steps are dropped."""
NOTE_EVERY = 10.0
_NONE = np.zeros(0)


@dataclass(slots=True)
class Pressure:
    """Counts bytes that came (training thread) and went (writer thread), and what was dropped."""

    came: int = 0
    went: int = 0
    tensors: int = 0
    statistics: int = 0
    steps: int = 0
    _told: tuple[int, int, int] = (0, 0, 0)
    _next: float = field(default_factory=time.monotonic)

    @property
    def waiting(self) -> int:
        """Bytes in the queue."""
        return self.came - self.went

    @property
    def high(self) -> bool:
        """Whether something has to be dropped."""
        return self.came - self.went > SOFT

    def lighten(self, trace: Trace, weight: int) -> tuple[Trace | None, int]:
        """The step with less in it and its weight, or None where only its loss is to be kept."""
        if self.waiting > FULL:
            self.steps += 1
            return None, 0
        if trace.tensors:
            self.tensors += 1
            trace = replace(trace, tensors={})
            weight = trace.values.nbytes + trace.gradients.nbytes + 512
        if self.waiting > HARD:
            self.statistics += 1
            graph = trace.graph
            values, gradients = empty_table(len(graph.values)), empty_table(len(graph.edges))
            trace = replace(trace, values=values, gradients=gradients, times=_NONE, durations=_NONE)
        return trace, weight

    def notes(self, last: bool) -> Iterator[Note]:
        """What to say about drops since the last time, at most every ten seconds."""
        now = time.monotonic()
        counts = (self.tensors, self.statistics, self.steps)
        if counts == self._told or (now < self._next and not last):
            return
        self._told, self._next = counts, now + NOTE_EVERY
        text = f"so far {counts[0]} steps lost their tensors, {counts[1]} their statistics, {counts[2]} all but their loss"
        yield Note("dropped", f"the disk is slower than the training: {text}", -1, time.time())
