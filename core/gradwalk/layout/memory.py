"""What was made before, the oldest forgotten first; also when several threads ask."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """Remembers what was made for a key, up to a ``room`` that is used up by ``weigh(key)`` each."""

    def __init__(self, room: int, weigh: Callable[[K], int]) -> None:
        self.hits = self.misses = 0
        self._room, self._weigh = room, weigh
        self._made: OrderedDict[K, V] = OrderedDict()
        self._used = 0
        self._lock = Lock()

    def of(self, key: K, make: Callable[[], V]) -> V:
        """What was made for ``key``, or else what ``make`` gives now. Two threads may make the same at once."""
        with self._lock:
            made = self._made.get(key)
            if made is not None:
                self._made.move_to_end(key)
                self.hits += 1
                return made
            self.misses += 1
        made = make()
        with self._lock:
            self._keep(key, made)
        return made

    def _keep(self, key: K, made: V) -> None:
        if key not in self._made:
            self._used += self._weigh(key)
        self._made[key] = made
        while self._used > self._room and len(self._made) > 1:
            self._used -= self._weigh(self._made.popitem(last=False)[0])

    def forget(self) -> None:
        """Forget everything."""
        with self._lock:
            self._made.clear()
            self.hits = self.misses = self._used = 0
