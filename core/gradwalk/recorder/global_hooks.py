"""Global hooks, which torch calls for every module or optimizer; they can be lifted for a while, as if they were never there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol


class Liftable(Protocol):
    """What can be taken away for a while."""

    def lift(self) -> None:
        """Take it away."""

    def restore(self) -> None:
        """It is back."""


class GlobalHooks:
    """The handles of our global hooks, which it has registered."""

    def __init__(self, register: Iterable[Callable[[], Any]]) -> None:
        self._handles: list[Any] = []
        self._lifted: list[tuple[Any, int, Any]] = []
        self._lifts = 0
        self._lock = threading.Lock()
        self._handles += [make() for make in register]

    def remove(self) -> None:
        """Take the hooks away for good."""
        with self._lock:
            for handle in self._handles:
                handle.remove()
            self._handles, self._lifted = [], []

    def lift(self) -> None:
        """Take the hooks away until ``restore``; the two may be nested, and called from several threads."""
        with self._lock:
            self._lifts += 1
            if self._lifts > 1:
                return
            for handle in self._handles:
                for reference in (handle.hooks_dict_ref, *handle.extra_dict_ref):
                    hooks = reference()
                    if hooks is not None and handle.id in hooks:
                        self._lifted.append((hooks, handle.id, hooks.pop(handle.id)))

    def restore(self) -> None:
        """The hooks are back, before those of the user's."""
        with self._lock:
            self._lifts -= 1
            if self._lifts:
                return
            for hooks, key, hook in reversed(self._lifted):
                hooks[key] = hook
                hooks.move_to_end(key, last=False)
            self._lifted = []
