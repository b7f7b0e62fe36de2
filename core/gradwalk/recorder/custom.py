"""Custom autograd Functions: ``apply`` does not pass through the mode, so it is wrapped while recording.

The wrapper stands at the class below ``Function``, where ``Function.apply`` looks ``apply`` up each time: an alias such as
``relu = MyReLU.apply`` is seen whenever it was made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch.autograd import function as autograd_function

from .failures import note_failure
from .forward import NOTHING, OpCall, finish_op, observe_op, sequence_number
from .functions import split, tensors_in
from .inside import backward_around, tag_of
from .records import BackwardRecord, OpRecord, Slot
from .state import State, clock

_BASE: type = autograd_function._SingleLevelFunction


class CustomFunctions:
    """Makes every custom Function that is applied an op with its class name; the ops in its forward are its children."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._apply = classmethod(self._make_apply())
        _BASE.apply = self._apply  # type: ignore[attr-defined]

    def remove(self) -> None:
        """Take the wrapper away."""
        if _BASE.__dict__.get("apply") is self._apply:
            del _BASE.apply  # type: ignore[attr-defined]

    def _make_apply(self) -> Callable[..., Any]:
        state = self._state
        plain = torch._C._FunctionBase.__dict__["apply"]

        def apply(cls: type, *args: Any, **kwargs: Any) -> Any:
            original = plain.__get__(None, cls)
            if state.off or state.thread.aside:
                return original(*args, **kwargs)
            inside, tag = state.guarded(_around, state, sys._getframe(1)) or (None, "")
            if (state.thread.backwards or inside is not None) and not tag:
                return original(*args, **kwargs)
            call = OpCall(cls, args, kwargs, clock(), sequence_number())
            opened = state.guarded(_open, state, args) or (-1, ())
            try:
                result = original(*args, **kwargs)
            except Exception as error:
                if inside is None:
                    state.guarded(_note_raised, state, call, opened, error, sys._getframe(1))
                raise
            finally:
                if opened[0] >= 0:
                    state.thread.functions.pop()
            call.end = clock()
            if opened[0] >= 0:
                state.guarded(_close_at, state, (inside, tag), call, opened, result, sys._getframe(1))
            return result

        return apply


def _around(state: State, frame: FrameType | None) -> tuple[BackwardRecord | None, str]:
    """The backward inside which a custom Function is applied, and what it is there."""
    inside = backward_around(state)
    return inside, tag_of(frame) if inside is not None else ""


def _close_at(
    state: State,
    around: tuple[BackwardRecord | None, str],
    call: OpCall,
    opened: tuple[int, tuple[Slot, ...]],
    result: Any,
    frame: FrameType | None,
) -> None:
    thread = state.thread
    before, thread.inside, thread.tag = thread.inside, *around
    try:
        _close(state, call, opened, result, frame)
    finally:
        thread.inside, thread.tag = before, ""


def _open(state: State, args: tuple[Any, ...]) -> tuple[int, tuple[Slot, ...]]:
    """The custom Function begins: its inputs are read before its forward can write to them."""
    inputs = tuple(state.slot_of(tensor) for tensor in tensors_in(args))
    serial = state.next_serial()
    state.thread.functions.append(serial)
    return serial, inputs


def _close(state: State, call: OpCall, opened: tuple[int, tuple[Slot, ...]], result: Any, frame: FrameType | None) -> None:
    place = state.places.of(frame)
    made = list(tensors_in((result,)))
    if place is not None and made:
        record = _record(call, opened)
        finish_op(state, call, record, place, made, NOTHING)
        last = state.steps.log[-1] if state.steps.log else record
        if last.serial > opened[0]:  # the ops inside stand before it on the tape, and so do their times
            record.begin = max(record.begin, last.begin)
        state.add(record)
        read = list(tensors_in(call.args))
        observe_op(state, record, read, made, {id(tensor) for tensor in read if state.values.was_written(tensor)})


def _record(call: OpCall, opened: tuple[int, tuple[Slot, ...]]) -> OpRecord:
    record = OpRecord(0, call.function.__name__, opened[1], ())
    record.opened = opened[0]
    record.function = getattr(call.function, "forward", None)
    record.arguments = split((None, *call.args), call.kwargs)[1]
    return record


def _note_raised(
    state: State, call: OpCall, opened: tuple[int, tuple[Slot, ...]], error: BaseException, frame: FrameType | None
) -> None:
    place = state.places.of(frame)
    if place is not None and opened[0] >= 0:
        call.end = clock()
        record = _record(call, opened)
        finish_op(state, call, record, place, [], NOTHING)
        record.makes_graph = any(slot.requires_grad for slot in opened[1])
        note_failure(state, error, record)
