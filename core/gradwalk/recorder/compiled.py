"""Regions that ``torch.compile`` made: they stay compiled, and each call is one op.

Dynamo turns itself on and off, per thread, through one function. Wherever that turns it on we step aside: our mode leaves the
stack and our global hooks are lifted, so that Dynamo finds (and guards on) what it would find without us. Wherever it is turned
off, for a part that is not compiled, we come back. 1. a compiled function is called: the region opens; 2. Dynamo is on: aside;
3. it is off: the region closes as an op.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Sequence
from types import FrameType, ModuleType
from typing import Any

import torch
from torch import nn

from ..run.hooks import ImportHook
from .forward import ForwardMode
from .global_hooks import Liftable
from .modes import Taken, put_back, take_off
from .modules import ModuleCalls
from .places import is_users
from .regions import Region
from .state import State

_DYNAMO = "torch._dynamo.eval_frame"
_SWITCH = "set_eval_frame"
_MISSING = object()


class _Under:
    """A compiled function under way in a thread."""

    def __init__(self, frame: FrameType, region: Region, module: nn.Module | None) -> None:
        self.frame = id(frame)
        self.region = region
        self.module = module
        """The module whose call it is, where no hook saw that begin."""


class CompiledRegions:
    """Watches Dynamo's switch."""

    def __init__(self, state: State, modules: ModuleCalls, hooks: Sequence[Liftable]) -> None:
        self._state = state
        self._modules = modules
        self._hooks = hooks
        self._dynamo: ModuleType | None = None
        self._original: Callable[..., Any] | None = None
        self._wrapper: Callable[..., Any] | None = None
        self._has_hook = torch.nn.modules.module._has_any_global_hook
        self._has_others_hook = self._make_has_others_hook()
        torch.nn.modules.module._has_any_global_hook = self._has_others_hook
        self._import = ImportHook({_DYNAMO: lambda: state.guarded(self._install)})
        self._import.install()

    def remove(self) -> None:
        """Watch no longer."""
        self._import.remove()
        if torch.nn.modules.module._has_any_global_hook is self._has_others_hook:
            torch.nn.modules.module._has_any_global_hook = self._has_hook
        for name, value in list(vars(self._dynamo).items()) if self._dynamo is not None else ():
            if value is self._wrapper:
                setattr(self._dynamo, name, self._original)

    def _install(self) -> None:
        dynamo = sys.modules[_DYNAMO]
        original = getattr(dynamo, _SWITCH)
        wrapper = self._make_switch(original)
        dynamo.skip_code(wrapper.__code__)
        self._dynamo, self._original, self._wrapper = dynamo, original, wrapper
        for name, value in list(vars(dynamo).items()):
            if value is original:
                setattr(dynamo, name, wrapper)

    def _make_switch(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """What stands for Dynamo's switch. Our own code runs only while that is off."""
        suppress = contextlib.suppress

        def set_eval_frame(callback: Any) -> Any:
            prior = original(None)
            if callback is None:
                if prior is not None:
                    with suppress(Exception):
                        self._back(sys._getframe(1))
                return prior
            if prior is None:
                with suppress(Exception):
                    self._aside(sys._getframe(1))
            original(callback)
            return prior

        return set_eval_frame

    def _make_has_others_hook(self) -> Callable[[], bool]:
        """``torch.compile`` warns of global hooks; ours are lifted, and no reason to."""
        plain: Callable[[], Any] = self._has_hook
        hooks = self._hooks

        def _has_any_global_hook() -> bool:
            try:
                for ours in hooks:
                    ours.lift()
                found = bool(plain())
                for ours in hooks:
                    ours.restore()
            except Exception:
                return False
            return found

        return _has_any_global_hook

    # ------------------------------------------------------------------ aside and back

    def _aside(self, frame: FrameType) -> None:
        thread = self._state.thread
        if thread.unseen and thread.unseen[-1] == id(frame):
            thread.unseen.pop()
            return
        if not thread.aside:
            self._state.guarded(self._open, _caller_of_switch(frame))
        thread.aside.append(_take_off())
        for ours in self._hooks:
            ours.lift()

    def _back(self, frame: FrameType) -> None:
        thread = self._state.thread
        if _runs_compiled_code(frame):
            thread.unseen.append(id(frame))
            return
        if thread.aside:
            for ours in self._hooks:
                ours.restore()
            _put_back(thread.aside.pop())
        if not thread.aside:
            self._state.guarded(self._close, _caller_of_switch(frame))

    def _open(self, frame: FrameType) -> None:
        if any(under.frame == id(frame) for under in self._state.thread.compiled):
            return
        there = frame.f_locals
        function, args, kwargs = there.get("fn"), there.get("args"), there.get("kwargs")
        if not callable(function) or not isinstance(args, tuple) or not isinstance(kwargs, dict):
            return
        function, user = _original_of(function), frame.f_back
        owner = function if isinstance(function, nn.Module) else getattr(function, "__self__", None)
        module = owner if isinstance(owner, nn.Module) else None
        entered = module if module is not None and _is_its_call(function) and not _is_under_way(module, user) else None
        if entered is not None:
            self._modules.enter(entered, args, torch.is_grad_enabled(), user)
        region = Region(self._state, _name(function, module), function, args, kwargs)
        region.tags = ("compiled",)
        self._state.thread.compiled.append(_Under(frame, region, entered))
        region.open(user, () if module is None else module.parameters())

    def _close(self, frame: FrameType) -> None:
        compiled = self._state.thread.compiled
        while compiled and any(under.frame == id(frame) for under in compiled):
            under = compiled.pop()
            if under.frame != id(frame):
                continue  # it never came back
            result, error = frame.f_locals.get("result", _MISSING), sys.exc_info()[1]
            if result is not _MISSING:
                under.region.close(result)
            elif error is not None:
                under.region.fail(error)
            if under.module is not None:
                self._modules.leave(under.module, None if result is _MISSING else result, frame.f_back)


def _runs_compiled_code(frame: FrameType) -> bool:
    """Whether Dynamo is off because code that it compiled runs, not a part of the user's that is not compiled."""
    there = frame.f_locals
    function, context = there.get("fn"), there.get("self")
    if type(context).__name__ != "DisableContext":
        return False
    owner = getattr(function, "__self__", None)
    if (getattr(context, "msg", None) or "").startswith("do not trace Dynamo") or isinstance(owner, torch.fx.GraphModule):
        return True
    code = getattr(_original_of(function), "__code__", None)
    return not isinstance(owner, nn.Module) and (code is None or not is_users(code.co_filename))


def _take_off() -> Taken:
    return take_off(ForwardMode)


def _put_back(taken: Taken) -> None:
    put_back(taken)


def _is_its_call(function: Any) -> bool:
    """Whether a module's method is what runs when it is called."""
    return getattr(function, "__name__", "") in ("_call_impl", "_wrapped_call_impl")


def _is_under_way(module: nn.Module, frame: FrameType | None) -> bool:
    """Whether the call of ``torch.compile(module)``, which stands around the module's own, is on record."""
    caller = frame.f_locals.get("self") if frame is not None else None
    inside = caller.__dict__.get("_modules") if isinstance(caller, nn.Module) else None
    return isinstance(inside, dict) and inside.get("_orig_mod") is module  # a scripted module has something else there


def _caller_of_switch(frame: FrameType) -> FrameType:
    """The frame of the compiled function: the one that called the switch, or a helper that did."""
    if "fn" not in frame.f_locals and frame.f_back is not None and "fn" in frame.f_back.f_locals:
        return frame.f_back
    return frame


def _original_of(function: Any) -> Any:
    """What the user gave to ``torch.compile``."""
    return inspect.unwrap(function) if hasattr(function, "__wrapped__") else function


def _name(function: Any, module: nn.Module | None) -> str:
    """``compiled Net``, ``compiled train_step``."""
    name = type(module).__name__ if module is not None else getattr(function, "__name__", "")
    return f"compiled {name}" if name.isidentifier() else "compiled region"
