"""Python threads that the script starts: the mode is per thread, and is entered in each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch.overrides import TorchFunctionMode

_BOOTSTRAP = "_bootstrap_inner"


class Threads:
    """While installed, every thread that starts is watched."""

    def __init__(self, make_mode: Callable[[], TorchFunctionMode]) -> None:
        self._original: Callable[[threading.Thread], None] | None = getattr(threading.Thread, _BOOTSTRAP, None)
        self._wrapper = self._wrap(make_mode)
        if self._original is not None:
            setattr(threading.Thread, _BOOTSTRAP, self._wrapper)

    def remove(self) -> None:
        """Watch no further thread; those that run are left alone."""
        if self._original is not None and getattr(threading.Thread, _BOOTSTRAP) is self._wrapper:
            setattr(threading.Thread, _BOOTSTRAP, self._original)

    def _wrap(self, make_mode: Callable[[], TorchFunctionMode]) -> Callable[[threading.Thread], Any]:
        original = self._original

        def bootstrap(thread: threading.Thread) -> None:
            assert original is not None
            try:
                mode: AbstractContextManager[Any] = make_mode()
            except Exception:  # a fault of ours: the thread is not watched
                mode = nullcontext()
            with mode:
                original(thread)

        return bootstrap
