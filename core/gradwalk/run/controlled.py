"""What a run can be told over the control path: stop, and everything about holding the training."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ..control import ControlError, ControlServer
from ..gate import Breakpoint, Gate, NotHeldError, Wish
from ..platform import interrupt_main_thread
from ..refusal import RefusalError
from .recorded import RunRecording, say

Frame: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = dict[str, Any]
FETCHED = "fetched"
"""The folder, inside the run's, for tensors that were fetched while the training was held."""


def controlled(recording: RunRecording) -> ControlServer | None:
    """Let a run be told things; None where this machine does not allow it."""
    controls = Controls(recording)
    try:
        server = ControlServer(recording.folder, controls.handlers(), controls.left, recording.rank)
    except OSError as error:
        say(f"the run cannot be controlled from the window ({error.strerror or error})")
        return None
    controls.server = server
    recording.gate.told = server.tell
    return server


class Controls:
    """Answers commands. Breakpoints belong to the connection that set them, and go with it: a lost one never holds a training."""

    server: ControlServer

    def __init__(self, recording: RunRecording) -> None:
        self._recording = recording
        self._gate: Gate = recording.gate
        self._breakpoints: dict[int, tuple[Breakpoint, ...]] = {}

    def handlers(self) -> dict[str, Callable[[Frame], Answer]]:
        """By the names of the commands."""
        return {
            "status": self._status,
            "stop": self._stop,
            "breakpoints": self._set_breakpoints,
            "pause": self._pause,
            "continue": lambda frame: self._go_on(frame, Wish.RUN),
            "next-event": lambda frame: self._go_on(frame, Wish.EVENT),
            "next-step": lambda frame: self._go_on(frame, Wish.STEP),
            "detach": self._detach,
            "fetch": self._fetch,
            "attach": self._attach,
            "capture": self._capture,
            "check": self._check,
        }

    def left(self, peer: int) -> None:
        """A connection has ended: what it held goes on."""
        if self._breakpoints.pop(peer, None) is None:
            return
        self._renew()
        if not self._breakpoints:
            self._gate.release()
            shutil.rmtree(self._recording.folder / FETCHED, ignore_errors=True)

    def _status(self, _: Frame) -> Answer:
        return {**self._recording.status(), "held": self._gate.held()}

    def _stop(self, _: Frame) -> Answer:
        def stop() -> None:
            interrupt_main_thread()
            self._gate.release()

        self.server.afterwards(stop)
        return {}

    def _set_breakpoints(self, frame: Frame) -> Answer:
        self._breakpoints[frame["peer"]] = tuple([_breakpoint(one) for one in _listed(frame.get("breakpoints"))])
        self._renew()
        return {}

    def _pause(self, frame: Frame) -> Answer:
        self._breakpoints.setdefault(frame["peer"], ())
        self._gate.pause()
        return {}

    def _go_on(self, frame: Frame, wish: Wish) -> Answer:
        self._breakpoints.setdefault(frame["peer"], ())
        self._gate.go_on(wish)
        return {}

    def _detach(self, frame: Frame) -> Answer:
        self._breakpoints.setdefault(frame["peer"], ())
        self.left(frame["peer"])
        self._gate.go_on()
        return {}

    def _renew(self) -> None:
        self._gate.set_breakpoints([one for some in self._breakpoints.values() for one in some])

    def _attach(self, _: Frame) -> Answer:
        self._recording.attached.set()
        return {}

    def _capture(self, frame: Frame) -> Answer:
        step = frame.get("step")
        if step is not None and (type(step) is not int or step < 0):
            raise ControlError("the step to keep in full is a number from 0 on")
        try:
            return self._recording.capture(step)
        except RefusalError as refusal:
            raise ControlError(str(refusal)) from None

    def _check(self, frame: Frame) -> Answer:
        step = frame.get("step")
        if step is not None and (type(step) is not int or not 0 <= step < 1 << 60):
            raise ControlError('what to check is {"step": its number}, or nothing for the next step')
        try:
            return self._recording.check(step)
        except RefusalError as refusal:
            raise ControlError(str(refusal)) from None

    def _fetch(self, frame: Frame) -> Answer:
        kind, number = frame.get("kind", "value"), frame.get("number")
        if kind not in ("value", "gradient") or not isinstance(number, int):
            raise ControlError('what to fetch is {"kind": "value" or "gradient", "number": its id}')
        try:
            kept = self._gate.ask(lambda moment: moment.fetch(kind, number))
        except (NotHeldError, LookupError) as refusal:
            raise ControlError(str(refusal.args[0])) from None
        import numpy as np

        folder = self._recording.folder / FETCHED
        folder.mkdir(exist_ok=True)
        file = folder / f"{kind}-{number}.npy"
        np.save(file, kept.data, allow_pickle=False)
        return {"file": str(file), "dtype": kept.dtype, "shape": list(kept.shape)}


def _listed(what: object) -> list[Any]:
    if not isinstance(what, list) or len(what) > 1000:
        raise ControlError("breakpoints come as a list of at most 1,000")
    return what


def _breakpoint(what: object) -> Breakpoint:
    found = what if isinstance(what, dict) else {}
    text, when = found.get("text"), found.get("when", "before")
    if not isinstance(text, str) or when not in ("before", "after"):
        raise ControlError('a breakpoint is {"text": a filter, "when": "before" or "after"}')
    if "numpy" in sys.modules:  # the script has not come to it otherwise: it must be the first to import it
        from ..breakpoints import checked
        from ..filter import FilterError

        try:
            checked(text, when)
        except FilterError as error:
            raise ControlError(str(error)) from None
    return Breakpoint(text, when, bool(found.get("enabled", True)))
