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

from ..callsite import names_for
from .failures import note_failure
from .follower import note_arguments
from .functions import split, tensors_in
from .graph_walk import sequence_number
from .inside import backward_around, tag_of
from .ops import NOTHING, OpCall, finish_op, observe_op
from .records import BackwardRecord, OpRecord, Place, Slot
from .running import Opening
from .state import State, clock, variable_name
from .trail import Arrival, What, spec_of

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
            state.hold(state.holding.before_op, cls, sys._getframe(1))
            call = OpCall(cls, args, kwargs, clock(), sequence_number())
            opening = Opening()
            state.guarded(_open, state, call, opening, sys._getframe(1))
            if state.checks.near and opening.serial >= 0:
                state.guarded(_note_call, state, call, opening)
            timer = state.timer
            if timer is not None:
                call.mark = state.guarded(timer.mark)
            try:
                result = original(*args, **kwargs)
            except Exception as error:
                if inside is None:
                    state.guarded(_note_raised, state, call, opening, error, sys._getframe(1))
                raise
            finally:
                if opening.serial >= 0:
                    state.thread.functions.pop()
            call.end = clock()
            if timer is not None:
                call.timing = state.guarded(timer.since, call.mark)
            state.guarded(_close_at, state, (inside, tag), call, opening, result, sys._getframe(1))
            state.hold(state.holding.after_ops)
            return result

        return apply


class Began:
    """How a custom Function began: its serial number and its inputs. All beginnings of one class are alike."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.began: tuple[int, tuple[Slot, ...]] = (-1, ())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Began) and other.function is self.function

    __hash__ = None  # type: ignore[assignment]


def _around(state: State, frame: FrameType | None) -> tuple[BackwardRecord | None, str]:
    """The backward inside which a custom Function is applied, and what it is there."""
    inside = backward_around(state)
    return inside, tag_of(frame) if inside is not None else ""


def _close_at(
    state: State,
    around: tuple[BackwardRecord | None, str],
    call: OpCall,
    opening: Opening,
    result: Any,
    frame: FrameType | None,
) -> None:
    thread = state.thread
    before, thread.inside, thread.tag = thread.inside, *around
    try:
        _close(state, call, opening, result, frame)
    finally:
        thread.inside, thread.tag = before, ""


def _open(state: State, call: OpCall, opening: Opening, frame: FrameType | None) -> None:
    """The custom Function begins: its inputs are read before its forward can write to them."""
    follower = state.following()
    if follower is not None:
        item = follower.passes(What.OPEN, None, frame, Began(call.function))
        if item is not None and follower.opens(item, list(tensors_in(call.args)), opening):
            return
        follower.leave()
    began = Began(call.function)
    state.arrive(Arrival(What.OPEN, None, state.chain_of(frame), detail=began))
    opening.inputs = tuple(state.slot_of(tensor) for tensor in tensors_in(call.args))
    opening.serial = state.next_serial()
    began.began = opening.serial, opening.inputs
    state.thread.functions.append(opening.serial)


def _note_call(state: State, call: OpCall, opening: Opening) -> None:
    """What it was given, for a check of the step."""
    state.function_calls.note(opening.serial, call.function, call.args, grad=state.grad)


def _close(state: State, call: OpCall, opening: Opening, result: Any, frame: FrameType | None) -> None:
    follower = state.following()
    if follower is not None and opening.serial < 0:
        item = follower.passes(What.CLOSE, None, frame, Began(call.function))
        running = follower.running
        if item is not None and follower.took_op(item, call.args, result, call.begin, call.end):
            if running is not None:
                note_arguments(running, item, (None, *call.args), call.kwargs)
            return
        follower.leave()
        if opening.serial >= 0:
            state.thread.functions.pop()
    if opening.serial < 0:
        return
    detail = Began(call.function)
    state.arrive(Arrival(What.CLOSE, None, state.chain_of(frame), spec_of(call.args, call.kwargs), detail=detail))
    place = state.places.of(frame)
    made = list(tensors_in((result,)))
    if place is not None and made:
        record = _record(call, opening)
        _name_inputs(state, place, call)
        finish_op(state, call, record, place, made, NOTHING)
        last = state.steps.log[-1] if state.steps.log else record
        if last.serial > opening.serial:  # the ops inside stand before it on the tape, and so do their times
            record.begin = max(record.begin, last.begin)
        state.add(record)
        read = list(tensors_in(call.args))
        observe_op(state, record, read, made, {id(tensor) for tensor in read if state.values.was_written(tensor)})


def _name_inputs(state: State, place: Place, call: OpCall) -> None:
    """``MyReLU.apply(w)`` names a tensor that came from outside and has no name yet."""
    if place.direct:
        for tensor, name in zip(call.args, names_for(place.call, len(call.args)), strict=False):
            slot = state.values.before(tensor) if name and isinstance(tensor, torch.Tensor) else None
            if slot is not None and not slot.name and slot.serial < 0:
                slot.name = variable_name(name)


def _record(call: OpCall, opening: Opening) -> OpRecord:
    record = OpRecord(0, call.function.__name__, opening.inputs, ())
    record.opened = opening.serial
    record.function = getattr(call.function, "forward", None)
    record.arguments = split((None, *call.args), call.kwargs)[1]
    return record


def _note_raised(state: State, call: OpCall, opening: Opening, error: BaseException, frame: FrameType | None) -> None:
    follower = state.following()
    if follower is not None:
        follower.leave()
    state.trail.broken = True
    place = state.places.of(frame)
    if place is not None and opening.serial >= 0:
        call.end = clock()
        record = _record(call, opening)
        finish_op(state, call, record, place, [], NOTHING)
        record.makes_graph = any(slot.requires_grad for slot in opening.inputs)
        note_failure(state, error, record)
