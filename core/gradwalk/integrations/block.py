"""A recording that begins in one function and ends in another, as callbacks need it."""

from __future__ import annotations

import atexit
import sys
import weakref
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal

from ..api import Recorded, record


class Block:
    """``with gradwalk.record(...)`` without the indentation. It also ends with the program, and with an uncaught exception."""

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        level: Literal["structure", "statistics", "tensors"] = "statistics",
        every: int = 1,
        steps: int | None = None,
    ) -> None:
        self._settings: dict[str, Any] = {"path": path, "level": level, "every": every, "steps": steps}
        self._open: AbstractContextManager[Recorded] | None = None
        self.recorded: Recorded | None = None
        """Where the recording goes and how far it is, once it has begun."""

    def begin(self) -> None:
        """Begin to record; what is still being recorded ends before. Raises as :func:`gradwalk.record` does."""
        self.end()
        block = record(**self._settings)
        self.recorded, self._open = block.__enter__(), block
        atexit.register(self.end)
        self._before, sys.excepthook = sys.excepthook, self._uncaught

    def end(self, error: BaseException | None = None) -> None:
        """End the recording, with the exception that ended the training; does nothing where none has begun."""
        block, self._open = self._open, None
        if block is None:
            return
        atexit.unregister(self.end)
        if sys.excepthook == self._uncaught:
            sys.excepthook = self._before
        block.__exit__(None if error is None else type(error), error, None if error is None else error.__traceback__)

    def end_with(self, frame: FrameType) -> None:
        """End the recording at the latest when this frame is gone: when the function has returned or raised."""
        frame.f_locals["<gradwalk>"] = last = _Last()
        weakref.finalize(last, self._gone, self._open).atexit = False

    def _gone(self, block: AbstractContextManager[Recorded] | None) -> None:
        if block is self._open:
            self.end(UnfinishedError("the training did not come to its end"))

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        before = self._before
        self.end(error)
        before(kind, error, trace)


class _Last:
    """What a frame holds."""


class UnfinishedError(Exception):
    """Stands for an exception that somebody has caught."""
