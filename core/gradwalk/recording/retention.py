"""Which steps keep their tensors: the first three, then log-spaced ones, pinned ones, and a ring of the last eight in memory."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum

from ..trace import Trace
from .format import MIB
from .room import share
from .tensors import Tensors, bytes_of

FULL_STEP_BYTES = 16 * MIB
"""A step whose tensors total less keeps every one of them in full under :attr:`Keep.FULL`: with small ones and
samples beside them, so much may wait for the file."""
SMALL_BYTES = 64 * 1024
"""A tensor up to this size is kept in full in any case, under ``FULL`` and ``SMALL``."""

FIRST_STEPS = 3
PER_DECADE = 8
RING_STEPS, RING_BYTES, LEAST_RING_BYTES = 8, 64 * MIB, 8 * MIB
BYTES_PER_SECOND, BURST_BYTES, TOTAL_BYTES = 2 * MIB, 64 * MIB, 1024 * MIB


class Keep(Enum):
    """What tensors of a step a recorder hands over.

    ``FULL``: all in full where they total less than FULL_STEP_BYTES, else each in full up to SMALL_BYTES and above that a strided
    sample (``Kept.complete`` False). ``SMALL``: only those up to SMALL_BYTES. ``NONE``: none.
    """

    NONE = "none"
    SMALL = "small"
    FULL = "full"


def is_log_spaced(step: int) -> bool:
    """Whether a step is one of the eight per decade that keep their tensors."""
    if step < 1:
        return step == 0
    place: int = round(math.log10(step) * PER_DECADE)
    nearest: int = round(10.0 ** (place / PER_DECADE))
    return step == nearest


class Retention:
    """Decides per step, and keeps account: 2 MB a second after a burst, 1 GB in all; over that it thins evenly.

    With ``every_step`` (the level ``tensors``) every step is kept in full and only the total bounds it. A step whose turn it is
    while there is no room for it before the file (``has_room``, by the size of the last one) passes its turn on to the next.
    """

    def __init__(
        self,
        *,
        every_step: bool = False,
        total: int = TOTAL_BYTES,
        rate: int = BYTES_PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
        has_room: Callable[[int], bool] = lambda size: True,
        pinned: Sequence[range] = (),
    ) -> None:
        self.thinned = 0
        """How many steps would have kept their tensors but for the budget."""
        self._every_step = every_step
        self._total = total
        self._rate = rate
        self._clock = clock
        self._has_room = has_room
        self._owed = False
        self._size = 0
        """Bytes of the last tensors that were handed over."""
        self._start = clock()
        self._spent = 0
        self._kept, self._kept_step = 0, 0
        self._pinned, self._ranges = set[int](), tuple(pinned)
        self._capture = False
        self.begun = -1
        """The latest step that was asked about."""
        self._last: tuple[int, Keep] | None = None

    def pin(self, step: int) -> None:
        """Keep a step's tensors in full whatever the budget says."""
        self._pinned.add(step)

    def capture(self) -> int:
        """Pin the first step that is not begun yet; gives the number of the one that is. May be called from any thread."""
        self._capture = True
        return self.begun

    def is_pinned(self, step: int) -> bool:
        """Whether a step was pinned, one by one or in a range."""
        return step in self._pinned or any(step in steps for steps in self._ranges)

    def plan(self, step: int) -> Keep:
        """What to keep of a step; asking again for the same step gives the same answer."""
        if self._last is None or self._last[0] != step:
            if step > self.begun:
                self.begun = step
                if self._capture:
                    self._capture = False
                    self.pin(step)
            self._last = step, self._decide(step)
        return self._last[1]

    def spent(self, step: int, size: int) -> None:
        """Tensors of so many bytes were handed to the writer. Those of a pinned step are beside the budget."""
        if not self.is_pinned(step):
            self._spent += size
            self._size = size

    def _decide(self, step: int) -> Keep:
        pinned = self.is_pinned(step)
        first = step < FIRST_STEPS or pinned
        if not (first or self._every_step or self._owed or is_log_spaced(step)):
            return Keep.SMALL
        self._owed = not self._every_step and not pinned and not self._has_room(self._size)
        if self._owed:
            return Keep.SMALL
        if first or (self._due(step) and (self._every_step or self._flows())):
            self._kept, self._kept_step = self._kept + 1, step
            return Keep.FULL
        self.thinned += 1
        return Keep.SMALL

    def _due(self, step: int) -> bool:
        """Above half of the total, kept steps get further and further apart, so that some are left however long it goes on."""
        left = self._total - self._spent
        if self._spent <= self._total // 2:
            return True
        cost = self._spent / max(self._kept, 1)
        return left >= cost and step >= self._kept_step * (1 + 4 * cost / left)

    def _flows(self) -> bool:
        return self._spent <= BURST_BYTES + self._rate * (self._clock() - self._start)


class Ring:
    """The tensors of the last few steps, those that were not written in full. Oldest first out when it holds too much.

    What was taken out of it counts until it is written: ``on_loan`` says how many bytes that is.
    """

    def __init__(self, steps: int = RING_STEPS, limit: int | None = None, on_loan: Callable[[], int] = lambda: 0) -> None:
        self._steps = steps
        self._on_loan = on_loan
        self.limit = share(RING_BYTES, LEAST_RING_BYTES) if limit is None else limit
        self._held: deque[tuple[int, Tensors, int]] = deque()
        self._bytes = 0

    def push(self, trace: Trace) -> None:
        """Hold the tensors of a step."""
        size = bytes_of(trace.tensors)
        self._held.append((trace.step, trace.tensors, size))
        self._bytes += size
        limit = self.limit - self._on_loan()
        while self._held and (len(self._held) > self._steps or self._bytes > limit):
            self._bytes -= self._held.popleft()[2]

    def take(self) -> list[tuple[int, Tensors, int]]:
        """What is held of tensors up to SMALL_BYTES, by step, oldest first, with the bytes that hold it; it is empty then."""
        held: list[tuple[int, Tensors, int]] = [(step, _small(tensors), size) for step, tensors, size in self._held]
        self._held.clear()
        self._bytes = 0
        return held


def _small(tensors: Tensors) -> Tensors:
    return {key: kept for key, kept in tensors.items() if kept.data.nbytes <= SMALL_BYTES}
