"""The module path: which modules' calls are under way, by the global forward hooks."""

from __future__ import annotations

import os
import sys
import weakref
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from ..callsite import names_for
from ..trace import Hook
from .functions import tensors_in
from .global_hooks import GlobalHooks
from .hooks import of_module
from .inside import backward_around
from .places import NOWHERE
from .records import Call, OpRecord
from .state import State
from .trail import Arrival, What

_LOOK_BACK = 64
_MODULE_FILE = register_module_forward_hook.__code__.co_filename
_CALLING_FILES = (_MODULE_FILE, os.path.join("torch", "_dynamo", "eval_frame.py"))
_CALLING = frozenset(("_call_impl", "_wrapped_call_impl", "inner", "__call__"))


class Entered:
    """That a module was entered or left. Two are equal for the same module, grad mode and hooks."""

    __slots__ = ("call", "grad", "hooks", "module")

    def __init__(self, module: nn.Module, grad: bool, hooks: tuple[Hook, ...] = ()) -> None:
        self.module = weakref.ref(module)
        self.grad = grad
        self.hooks = hooks
        """Those of the module as it was entered."""
        self.call: Call | None = None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Entered)
            and (other.grad, other.hooks) == (self.grad, self.hooks)
            and other.module() is self.module() is not None
        )

    __hash__ = None  # type: ignore[assignment]


class ModuleCalls:
    """Keeps the stack of module calls of each thread."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._depth = 0
        """How far out the caller of the last module was."""
        self.hooks = GlobalHooks(
            [
                lambda: register_module_forward_pre_hook(self._before),
                lambda: register_module_forward_hook(self._after, always_call=True),
            ]
        )

    def remove(self) -> None:
        """Take the hooks away."""
        self.hooks.remove()

    def _before(self, module: nn.Module, args: Any) -> None:
        state, frame, lead = self._state, sys._getframe(1), self._state.lead
        if state.rest.asleep:
            state.rest.settle()
            return
        if state.thread.aside:
            return
        if lead is not None and lead.follower.item is not None:
            around: Any = frame
            for _ in range(self._depth):
                around = None if around is None else around.f_back
            if around is not None and lead.follower.calls(What.ENTER, module, around):
                return
        state.guarded(self.enter, module, args, torch.is_grad_enabled(), frame)

    def _after(self, module: nn.Module, args: Any, result: Any) -> None:
        state, lead = self._state, self._state.lead
        if state.thread.aside:
            return
        if lead is not None and lead.follower.item is not None and lead.follower.calls(What.LEAVE, module, None):
            return
        state.guarded(self.leave, module, result, sys._getframe(1))

    def enter(self, module: nn.Module, args: Any, grad: bool, frame: FrameType | None) -> None:
        """A module's call begins, in the frame ``frame``."""
        state = self._state
        frame, self._depth = _caller(frame)
        follower, entered = state.following(), Entered(module, grad, of_module(module))
        if follower is not None:
            item = follower.passes(What.ENTER, None, frame, entered)
            if item is not None:
                follower.advance(item)
                return
            follower.leave()
        state.arrive(Arrival(What.ENTER, None, state.chain_of(frame), detail=entered))
        entered.call = self._note_call(module, args, grad, frame)

    def _note_call(self, module: nn.Module, args: Any, grad: bool, frame: FrameType | None) -> Call:
        state, calls = self._state, self._state.thread.calls
        unknown = [tensor for tensor in tensors_in(args) if state.values.before(tensor) is None]
        place = state.places.of(frame) or NOWHERE if unknown or not calls else NOWHERE
        parent = calls[-1] if calls else None
        callee = place.call.callee if place.direct else ""
        inside = parent is None and backward_around(state) is not None
        root = parent.root if parent is not None else (state.parameters.root_around(module) if inside else None)
        root = root or state.parameters.root_of(module, callee)
        path = state.parameters.path(root, module)
        outermost = calls[0] if calls else None
        call = Call(path, _name(path, parent), _kind(module), parent, outermost, id(module), root, of_module(module))
        calls.append(call)
        if parent is None and not inside:
            state.steps.enter_module(id(module), grad)
        if unknown and place.direct:
            names = dict(zip(map(id, args), names_for(place.call, len(args)), strict=False))
            for tensor in unknown:
                state.slot_of(tensor, names.get(id(tensor), ""))
        return call

    def leave(self, module: nn.Module, result: Any, frame: FrameType | None) -> None:
        """A module's call has ended."""
        state = self._state
        follower, left = state.following(), Entered(module, False)
        if follower is not None:
            item = follower.passes(What.LEAVE, None, None, left)
            if item is not None:
                follower.advance(item)
                return
            follower.leave()
        calls = state.thread.calls
        state.arrive(Arrival(What.LEAVE, None, (), detail=left))
        while calls and calls.pop().module != id(module):
            pass  # calls whose hooks never came
        if isinstance(result, torch.Tensor):
            self._name_result(result, frame)

    def _name_result(self, result: torch.Tensor, frame: FrameType | None) -> None:
        """``y = net(x)`` gives the op that made the result its variable, unless it has one of its own."""
        state = self._state
        slot = state.values.before(result)
        if slot is None or slot.name or slot.serial < 0:
            return
        place = state.places.of(_caller(frame)[0])
        if place is None or not place.direct or not place.call.variable:
            return
        for record in reversed(state.steps.log[-_LOOK_BACK:]):
            if isinstance(record, OpRecord) and record.serial == slot.serial:
                slot.name = record.variable = place.call.variable
                return


def _caller(frame: FrameType | None) -> tuple[FrameType | None, int]:
    """The frame in which ``module(...)`` stands, outside ``Module.__call__``'s own and ``torch.compile``'s around it.

    Also how far out it is.
    """
    depth = 0
    while frame is not None and frame.f_code.co_name in _CALLING and frame.f_code.co_filename.endswith(_CALLING_FILES):
        frame = frame.f_back
        depth += 1
    return frame, depth


def _kind(module: nn.Module) -> str:
    """The class of a module, and of what ``torch.compile`` has wrapped."""
    inside = module.__dict__.get("_modules")
    return type(inside.get("_orig_mod", module) if isinstance(inside, dict) else module).__name__


def _name(path: str, parent: Call | None) -> str:
    """``fc1``: the path without that of the module that called it."""
    if parent is not None and path.startswith(f"{parent.path}."):
        return path[len(parent.path) + 1 :]
    return path
