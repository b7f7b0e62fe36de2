"""The forward: a TorchFunctionMode through which every torch function of the user's passes.

What is expected next is followed (``follower.py``); anything else goes the slow way: it runs, untouched, and becomes a record
(``ops.py``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ..trace import Hook
from .follower import Follower
from .functions import Kind, kind_of
from .graph_walk import sequence_number
from .hooks import registered
from .ops import OpCall, note_op, note_raised
from .places import NOWHERE, OPTIMIZERS
from .quick import QuickFollower
from .routine import Item
from .state import State, clock
from .trail import Arrival, What, spec_of
from .updates import note_data_set, note_grad_read, note_grad_set

_transforming: Callable[[], bool] = torch._C._are_functorch_transforms_active
"""Whether vmap, grad and the like are at work, whose tensors are not to be looked at."""
_KINDS_LIMIT = 50_000
_IGNORED, _GRAD_READ = Kind.IGNORED, Kind.GRAD_READ


class ForwardMode(TorchFunctionMode):
    """Watches one thread's torch functions. The thread whose steps may be followed gives its ``follower``."""

    def __init__(self, state: State, follower: QuickFollower | None = None) -> None:
        super().__init__()
        self._state = state
        self._follower = follower
        self._kinds: dict[Any, Kind] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        follower = self._follower
        if follower is not None:
            item = follower.item
            if item is not None:
                if item.function is func:
                    frame = sys._getframe(1)
                    if item.simple and (
                        follower.meets_named(item, args, kwargs, frame)
                        if kwargs or item.keywords
                        else follower.meets(item, args, frame)
                    ):
                        return self._run(follower, follower.gets, item, func, args, kwargs, frame)
                    return self._follow(follower, item, func, args, kwargs, frame)
                if item.access and item.function == func:
                    return self._follow_access(follower, item, func, args, sys._getframe(1))
        kind = self._kinds.get(func) if func.__hash__ is not None else _IGNORED
        if kind is None:
            kind = self._kind(func)
        if kind is _IGNORED or self._state.off or _transforming():
            return func(*args, **kwargs) if kwargs else func(*args)
        if kind is _GRAD_READ and sys._getframe(1).f_code.co_filename.startswith(OPTIMIZERS):
            return func(*args)
        if self._state.thread.backwards:
            self._state.disturbed = True
            return func(*args, **kwargs) if kwargs else func(*args)
        return self._come(kind, func, args, {} if kwargs is None else kwargs, sys._getframe(1))

    def _kind(self, function: Callable[..., Any]) -> Kind:
        try:
            kind = self._kinds.get(function)
        except TypeError:  # a callable that does not hash
            return _IGNORED
        if kind is None:
            if self._state.off:
                return _IGNORED
            if len(self._kinds) > _KINDS_LIMIT:
                self._kinds.clear()
            kind = self._kinds[function] = self._state.guarded(kind_of, function) or _IGNORED
        return kind

    # ------------------------------------------------------------------ what is followed

    def _follow_access(
        self, follower: QuickFollower, item: Item, func: Callable[..., Any], args: tuple[Any, ...], frame: FrameType
    ) -> Any:
        """``w.grad`` is read or dropped, as expected."""
        if not follower.passes_quickly(item, frame):
            return self._come(self._kind(func), func, args, {}, frame)
        if item.what is What.GRAD_SET:
            if not follower.drops(item, args):
                return self._come(Kind.GRAD_SET, func, args, {}, frame)
            return func(*args)
        result = func(*args)
        if not follower.reads(item, result):
            self._told(follower, self._kind(func), func, args, result, frame)
        return result

    def _follow(
        self,
        follower: Follower,
        item: Item,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        frame: FrameType,
    ) -> Any:
        """A call of the function that is expected next: run it, and compare before and after."""
        if not follower.expects(item, args, kwargs, frame):
            return self._come(self._kind(func), func, args, kwargs or {}, frame)
        return self._run(follower, follower.took, item, func, args, kwargs, frame)

    def _run(
        self,
        follower: Follower,
        take: Callable[[Item, tuple[Any, ...], Any, float, float], bool],
        item: Item,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        frame: FrameType,
    ) -> Any:
        """Run the call that is expected; ``take`` says whether it made what was."""
        begin = clock()
        try:
            result = func(*args, **kwargs) if kwargs else func(*args)
        except Exception as error:
            self._raised(OpCall(func, args, kwargs or {}, begin, item.sequence + follower.shift), error, frame)
            raise
        end = clock()
        if not take(item, args, result, begin, end):
            self._differs(OpCall(func, args, kwargs or {}, begin, item.sequence + follower.shift), end, result, frame)
        return result

    def _raised(self, call: OpCall, error: Exception, frame: FrameType) -> None:
        """An op that was expected raised."""
        state = self._state
        state.guarded(state.leave)
        state.trail.broken = True
        state.guarded(note_raised, state, call, error, frame)

    def _differs(self, call: OpCall, end: float, result: Any, frame: FrameType) -> None:
        """An op that was expected made something else than expected."""
        state, call.end = self._state, end
        state.guarded(state.leave)
        state.guarded(_note_slowly, state, self._kind(call.function), call, result, frame)

    # ------------------------------------------------------------------ the slow way

    def _come(self, kind: Kind, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
        """Something that was not expected, or not known to be."""
        state = self._state
        if kind is Kind.IGNORED or state.off or _transforming():
            return func(*args, **kwargs)
        if kind is Kind.GRAD_SET:
            state.hold(state.holding.before_drop, args[0], args[1] if len(args) > 1 else None, frame)
            state.guarded(note_grad_set, state, func, args, frame)
            result = func(*args, **kwargs)
            state.hold(state.holding.after_ops)
            return result
        if kind is not Kind.ZERO and frame.f_code.co_filename.startswith(OPTIMIZERS):
            return func(*args, **kwargs)
        follower = state.guarded(state.following)
        if follower is not None:
            item = follower.item
            if item is not None and kind in _OPS and item.function == func and follower.expects(item, args, kwargs, frame):
                return self._follow(follower, item, func, args, kwargs, frame)
            if kind in _TOLD:
                return self._tell(follower, kind, func, args, kwargs, frame)
            state.guarded(follower.leave)
        return self._go_slowly(kind, func, args, kwargs, frame)

    def _tell(
        self,
        follower: Follower,
        kind: Kind,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType,
    ) -> Any:
        """Something that makes no op, in a step that is followed."""
        result = func(*args, **kwargs)
        if kind is Kind.HOOKED:
            args = (args[0], registered(func, args, kwargs))
        self._told(follower, kind, func, args, result, frame)
        return result

    def _told(
        self, follower: Follower, kind: Kind, func: Callable[..., Any], args: tuple[Any, ...], result: Any, frame: FrameType
    ) -> None:
        state = self._state
        if not state.guarded(follower.told, kind, func, args, result, frame):
            state.guarded(_note_slowly, state, kind, OpCall(func, args, {}, clock(), 0), result, frame)

    def _go_slowly(
        self, kind: Kind, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
    ) -> Any:
        state = self._state
        if kind in _OPS:
            state.hold(state.holding.before_op, func, frame, args)
        call = OpCall(func, args, kwargs, clock(), sequence_number())
        if state.timer is not None:
            call.mark = state.guarded(state.timer.mark)
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            state.trail.broken = True
            if kind in _OPS:
                state.guarded(note_raised, state, call, error, frame)
            raise
        call.end = clock()
        if state.timer is not None:
            call.timing = state.guarded(state.timer.since, call.mark)
        state.guarded(_note_slowly, state, kind, call, result, frame)
        state.hold(state.holding.after_ops)
        return result


def _note_slowly(state: State, kind: Kind, call: OpCall, result: Any, frame: FrameType | None) -> None:
    what = _WHATS.get(kind)
    if what is None:
        state.trail.broken = True
    else:
        chain = state.chain_of(frame)
        detail = _hook_of(call) if kind is Kind.HOOKED else None
        state.arrive(Arrival(what, call.function, chain, spec_of(call.args, call.kwargs), tuple(call.kwargs), detail))
    _AFTER[kind](state, call, result, frame)


def _note_item_set(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    note_op(state, call, call.args[0], frame)


def _note_grad_read(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    if result is not None:
        note_grad_read(state, call.args[0], result)


def _note_data_read(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    place = state.places.of(frame) or NOWHERE
    name = place.call.operands[0] if place.direct and place.call.operands else ""
    state.slot_of(call.args[0], name)
    state.values.alias(result, call.args[0])


def _note_data_set(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    note_data_set(state, call.args[0], call.args[1], state.places.of(frame), call.begin)


def _hook_of(call: OpCall) -> Hook | None:
    given = call.args[1] if len(call.args) > 1 else None
    return given if isinstance(given, Hook) else registered(call.function, call.args, call.kwargs)


def _note_hooked(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    """A hook was registered on a tensor; those of leaves are read when a backward reaches them."""
    slot, hook = state.values.before(call.args[0]), _hook_of(call)
    if slot is not None and not slot.leaf and hook is not None and hook not in slot.hooks:
        slot.hooks += (hook,)


def _note_node_read(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    """What the script does with a Node shows only when a backward is looked at the slow way."""


def _note_refreshed(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    tensor = call.args[0]
    slot = state.values.before(tensor)
    if slot is not None:
        slot.requires_grad, slot.leaf = tensor.requires_grad, tensor.requires_grad and tensor.is_leaf


def _note_shared(state: State, call: OpCall, result: Any, frame: FrameType | None) -> None:
    """From now on NumPy can write to the tensor behind our back: it is measured every time."""
    if isinstance(call.args[0], torch.Tensor):
        state.values.share(call.args[0])


_WHATS = {
    Kind.OP: What.OP,
    Kind.ZERO: What.OP,
    Kind.ITEM_SET: What.OP,
    Kind.GRAD_READ: What.GRAD_READ,
    Kind.SHARED: What.SHARED,
    Kind.HOOKED: What.HOOKED,
}
"""How the arrivals that can be followed are called; the others break the trail."""
_TOLD = (Kind.GRAD_READ, Kind.SHARED, Kind.HOOKED)
_OPS = (Kind.OP, Kind.ZERO, Kind.ITEM_SET)
_AFTER: dict[Kind, Callable[[State, OpCall, Any, FrameType | None], None]] = {
    Kind.OP: note_op,
    Kind.ZERO: note_op,
    Kind.ITEM_SET: _note_item_set,
    Kind.GRAD_READ: _note_grad_read,
    Kind.DATA_READ: _note_data_read,
    Kind.DATA_SET: _note_data_set,
    Kind.REFRESH: _note_refreshed,
    Kind.SHARED: _note_shared,
    Kind.HOOKED: _note_hooked,
    Kind.NODE_READ: _note_node_read,
}
