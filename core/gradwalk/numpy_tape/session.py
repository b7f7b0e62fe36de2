"""A tape as the program's runner sees it: put on, taken off, closed."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..gate import Gate
from ..trace import NONE, StepError
from .dispatch import current, switch
from .hook import ImportHook
from .own import Own, is_ours
from .tape import Tape

if TYPE_CHECKING:
    from ..recording.sink import Sink
    from .records import OpRecord


class NumpyTape:
    """The tape of one program, on from the start. At the ``gate`` the program is held where the app asks for it."""

    def __init__(self, sink: Sink, script_folder: Path, gate: Gate | None = None) -> None:
        own = Own(script_folder)
        self._pid = os.getpid()
        self._sink = sink
        self._tape = Tape(sink, own, gate or Gate())
        self._hook = ImportHook(own)
        self._closed = False
        self._hook.install()
        switch(self._tape)

    def off(self) -> None:
        """Note nothing more (torch was imported): the step that is under way ends here, what is computed from now on is plain."""
        self.close()

    def end_step(self, loss: Any = None) -> None:
        """The script says that a step ends here. ``loss`` is its scalar, or a number."""
        if self._closed or not self._tape.ready() or current() is not self._tape:
            return
        try:
            self._tape.steps.end(loss)
        except Exception as fault:  # the program goes on
            self._tape.fault(fault)

    def close(self, error: BaseException | None = None) -> None:
        """The program has ended, by ``error`` if it is given: the last step goes to the sink. Later calls do nothing."""
        if self._closed:
            return
        self._closed = True
        self._hook.remove()
        if current() is self._tape:
            switch(None)
        if os.getpid() != self._pid:
            return
        try:
            self._close(error)
        except Exception as fault:  # the program ends as it does
            self._tape.fault(fault)

    def _close(self, error: BaseException | None) -> None:
        steps = self._tape.steps
        if error is None:
            steps.close(None, None)
            return
        failing, op_raised = self._failing(error)
        if not op_raised and steps.is_complete():
            steps.close(None, None)
            self._sink.note("exception", _sentence(error))
            return
        if not steps.pending and failing is None:
            self._sink.note("exception", _sentence(error))
            return
        steps.close(_described(error), failing)

    def _failing(self, error: BaseException) -> tuple[OpRecord | None, bool]:
        """The op that raised the error that ended the program, and whether one did."""
        raised = self._tape.raised
        if raised is None:
            return None, False
        seen: set[int] = set()
        cause: BaseException | None = error
        while cause is not None and id(cause) not in seen:
            if raised.is_by(cause):
                return raised.record, True
            seen.add(id(cause))
            cause = cause.__cause__ or cause.__context__
        return None, False


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _described(error: BaseException) -> StepError:
    """The error, with the traceback that Python would show without us."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_ours(frame.filename)]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames), *traceback.format_exception_only(error)]
    return StepError(type(error).__name__, str(error), NONE, "".join(lines))
