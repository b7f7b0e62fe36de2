"""What runs inside a backward: the forward that a checkpoint runs again, custom Functions' backwards, the user's hooks.

Their ops belong to that backward, at the place of the tape where they ran; none is a forward op of the step. The mode for them
carries the backward that it belongs to, since the engine may run it in a thread of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import torch

from .forward import _AFTER, ForwardMode, _transforming
from .functions import Kind
from .graph_walk import sequence_number
from .modes import stack
from .ops import OpCall
from .places import OPTIMIZERS
from .records import BackwardRecord
from .state import State, clock
from .updates import note_grad_set

_TORCH = os.path.join(os.path.dirname(torch.__file__), "")
_CHECKPOINT = os.path.join(_TORCH, "utils", "checkpoint.py")
_NOT_LOOKED_AT = tuple(os.path.join(_TORCH, name, "") for name in ("_functorch", "_inductor"))
_ENGINE = os.path.join(_TORCH, "autograd", "graph.py")
_DEEPEST = 256


class InsideMode(ForwardMode):
    """Watches what runs inside one backward."""

    def __init__(self, state: State, record: BackwardRecord) -> None:
        super().__init__(state)
        self.record = record

    def is_of(self, state: State) -> bool:
        """Whether it is a mode of this recording."""
        return self._state is state

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = {} if kwargs is None else kwargs
        state, thread = self._state, self._state.thread
        if state.off or _transforming():
            return func(*args, **kwargs)
        kind, frame = self._kind(func), sys._getframe(1)
        before, thread.inside = thread.inside, self.record
        try:
            tag = None if kind is Kind.IGNORED else state.guarded(tag_of, frame)
            optimizer = kind not in (Kind.ZERO, Kind.GRAD_SET) and frame.f_code.co_filename.startswith(OPTIMIZERS)
            if not tag or optimizer:
                return func(*args, **kwargs)
            if kind is Kind.GRAD_SET:
                state.guarded(note_grad_set, state, func, args, frame)
                return func(*args, **kwargs)
            call, timer = OpCall(func, args, kwargs, clock(), sequence_number()), state.timer
            if timer is not None:
                call.mark = state.guarded(timer.mark)
            state.hold(state.holding.before_inside, func, frame, tag)
            result = func(*args, **kwargs)
            call.end, thread.tag = clock(), tag
            if timer is not None:
                call.timing = state.guarded(timer.since, call.mark)
            state.guarded(_AFTER[kind], state, call, result, frame)
            state.hold(state.holding.after_inside)
            return result
        finally:
            thread.inside, thread.tag = before, ""


def backward_around(state: State) -> BackwardRecord | None:
    """The innermost recorded backward inside which this thread is."""
    inside: BackwardRecord | None = state.thread.inside
    if inside is None:
        inside = next((mode.record for mode in reversed(stack()) if isinstance(mode, InsideMode) and mode.is_of(state)), None)
    return inside


def tag_of(frame: FrameType | None) -> str:
    """What an op that is called from this frame inside a backward is; nothing for what is not to be looked at."""
    if frame is None or frame.f_code.co_filename == _CHECKPOINT:
        return ""
    tag = "in backward"
    for _ in range(_DEEPEST):
        if frame is None or frame.f_code.co_filename == _ENGINE:
            break
        file = frame.f_code.co_filename
        if file.startswith(_NOT_LOOKED_AT):
            return ""
        if file == _CHECKPOINT:
            tag = "recomputed"
        frame = frame.f_back
    return tag
