"""Between the steps that ``every`` asks for the recorder rests: nothing is looked at, and only the backwards are counted.

1. A step has ended, and at least two steps follow that are not wanted. 2. Recording is off, as if it had ended; where a hook
comes by outside of the mode's own handler, the mode and the modules' hooks are taken away. 3. At the end of the last backward
before the step that precedes the wanted one everything is put back. What that backward's step still does is dropped, so that the
step before the wanted one shows where this begins. A forward without a backward is not counted while the recorder rests.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any

from . import modes

if TYPE_CHECKING:
    from torch.overrides import TorchFunctionMode

    from .global_hooks import Liftable
    from .state import State

_ALIKE = 3
"""So many steps in a row must have had as many backwards as each other."""


class Rest:
    """Decides when the recorder rests, counts, and wakes it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.mode: TorchFunctionMode | None = None
        """Our mode in the thread whose steps are recorded, and the hooks on modules; given once the recorder has started."""
        self.hooks: list[Liftable] = []
        self.asleep = False
        self.inside_modules = False
        """Whether the last backward was called inside a module: its call is not seen to end while the recorder rests."""
        self._settled = False
        self._counts: deque[int] = deque(maxlen=_ALIKE)
        self._left = self._steps = self._depth = 0
        self._per_step = 1
        self._thread, self._pid = get_ident(), os.getpid()

    def step_ended(self, backwards: int) -> None:
        """A step with so many backwards has ended: rest, if the next ones are not wanted."""
        state, counts = self._state, self._counts
        counts.append(backwards)
        every, step = state.sink.every, state.step_number
        unwanted = -(-step // every) * every - 1 - step
        alike = len(counts) == _ALIKE and len(set(counts)) == 1 and backwards > 0
        if unwanted > 0 and alike and not state.gate.armed and self.mode is not None and self._is_free():
            self._left, self._steps, self._per_step = unwanted * backwards, unwanted, backwards
            self.asleep, state.off = True, True

    def _is_free(self) -> bool:
        """Whether nothing is under way that would end while the recorder rests."""
        thread = self._state.thread
        busy = thread.aside or thread.backwards or thread.inside is not None or thread.functions or thread.compiled
        return not busy and not self.inside_modules and get_ident() == self._thread

    def settle(self) -> None:
        """Take away what costs, outside of the mode's handler: torch puts the mode back where that ends."""
        try:
            if self._settled or get_ident() != self._thread or self.mode not in modes.stack():
                return
            self._settled = True
            modes.remove(self.mode)
            for hooks in self.hooks:
                hooks.lift()
        except Exception as fault:
            self._state.fault(fault)

    def backward(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a backward while the recorder rests, and wake it after the last."""
        if not self.asleep or get_ident() != self._thread or os.getpid() != self._pid:
            return run(*args, **kwargs)
        self._depth += 1
        try:
            return run(*args, **kwargs)
        finally:
            self._depth -= 1
            if not self._depth and self.asleep:
                self._left -= 1
                if self._left <= 0 or (self._state.gate.armed and self._left % self._per_step == 0):
                    self._steps -= self._left // self._per_step
                    self.wake()

    def wake(self) -> None:
        """Look again from now on."""
        if not self.asleep or os.getpid() != self._pid:
            return
        state, self.asleep = self._state, False
        try:
            if self._settled and self.mode is not None:
                self._settled = False
                modes.push(self.mode)
                for hooks in self.hooks:
                    hooks.restore()
            state.off = False
            state.start_again(self._steps)
        except Exception as fault:
            state.fault(fault)
