"""How the training thread wakes the writer's and waits for it, safe against an interrupt at any point.

The events of ``threading`` are written in Python around a lock: a KeyboardInterrupt between taking that lock and the block that
lets go of it leaves it taken for ever, and the thread on the other side stands still. Each method here that the training thread
calls is one call into C, which an interrupt either finds done or not begun.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue


class Wake:
    """Set by any thread, waited for by one."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wake the one that waits, now or when it next waits."""
        self._calls.put(None)

    def is_set(self) -> bool:
        """Whether the one that waits has a call to answer."""
        return not self._calls.empty()

    def wait(self, timeout: float) -> None:
        """Until the next call, at most ``timeout`` seconds; answers all calls that have come."""
        try:
            self._calls.get(timeout=timeout)
            while True:
                self._calls.get_nowait()
        except Empty:
            pass


class Ticket:
    """Something that will have happened: ``set`` once by one thread, waited for by another, as often as it likes."""

    def __init__(self) -> None:
        self._happened = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """It has happened."""
        self._happened = True
        self._lock.release()

    def wait(self, timeout: float) -> bool:
        """Wait for at most ``timeout`` seconds; whether it has happened."""
        return self._happened or self._lock.acquire(timeout=timeout)
