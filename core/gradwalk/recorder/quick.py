"""The quick way through what comes most: plain calls of ops, ``.grad`` read or dropped, modules entered and left.

Each method says whether what came was taken; where it was not, the Follower's own methods have the last word. No fault of ours
comes out of here: a method that faults has not taken what came.
"""

from __future__ import annotations

from threading import get_ident
from typing import Any

import torch

from .binding import bind
from .follower import Follower, note_arguments
from .hooks import is_hooked, of_module
from .routine import Item
from .running import Running
from .trail import What

is_grad_enabled = torch.is_grad_enabled
_PLAIN = frozenset((int, float, bool, str, type(None), complex, torch.dtype, torch.device, type(Ellipsis)))
"""Types of arguments in which there is no tensor."""


class QuickFollower(Follower):
    """Follows the steps of one thread."""

    def meets(  # noqa: C901  (in one piece: it runs for every op)
        self, item: Item, args: tuple[Any, ...], frame: Any, kwargs: dict[str, Any] | None = None
    ) -> bool:
        """Whether a call of a simple op is the expected one. Where it is not, ``expects`` has the last word."""
        running = self.running
        try:
            for code, instruction in item.chain:
                if frame.f_code is not code or frame.f_lasti != instruction:
                    return False
                frame = frame.f_back
            refs: list[Any] = running.refs  # type: ignore[union-attr]
            versions = running.versions  # type: ignore[union-attr]
            other = False
            for argument, number, first in zip(args, item.spec, item.plain, strict=True):  # type: ignore[arg-type]
                if number < 0:
                    if type(argument) not in _PLAIN:
                        return False
                    other = other or (argument is not first and argument != first)
                elif refs[number]() is not argument:
                    if not bind(self.state, running, number, argument, measured=True):  # type: ignore[arg-type]
                        return False
                elif argument._version != versions[number]:
                    return False
            if other or kwargs:
                note_arguments(running, item, args, kwargs)  # type: ignore[arg-type]
        except Exception:
            return False
        return True

    def meets_named(self, item: Item, args: tuple[Any, ...], kwargs: dict[str, Any] | None, frame: Any) -> bool:
        """The same for a call with named arguments, none of them a tensor."""
        return _plainly_named(kwargs, item.keywords) and self.meets(item, args, frame, kwargs)

    def gets(self, item: Item, args: tuple[Any, ...], result: Any, begin: float, end: float) -> bool:
        """Note what a simple op made; no fault of ours comes out of here."""
        try:
            with self.state.lock:
                running = self.running
                if running is None or self.item is not item:
                    return False
                if type(result) is torch.Tensor:
                    if len(item.made) != 1 or not self.took_new(running, item, 0, result, args):
                        return False
                elif not self._took_several(running, item, result, args):
                    return False
                event = item.event
                running.begins[event] = begin
                running.durations[event] = end - begin
                self.item = after = item.after
                if after is None:
                    self.lead.step_is_complete()
                return True
        except RuntimeError:
            return False
        except Exception as fault:
            self.state.fault(fault)
            return False

    def _took_several(self, running: Running, item: Item, results: Any, args: tuple[Any, ...]) -> bool:
        if type(results) not in (tuple, list) or len(results) != len(item.made):
            return False
        for index, result in enumerate(results):
            if type(result) is not torch.Tensor or not self.took_new(running, item, index, result, args):
                return False
        return True

    def passes_quickly(self, item: Item, frame: Any) -> bool:
        """Whether the item, expected in this thread, comes from its place. Where it does not, ``passes`` has the last word."""
        running = self.running
        if item.after is None or running is None or item.position == running.routine.closes:
            return False
        for code, instruction in item.chain:
            if frame is None or frame.f_code is not code or frame.f_lasti != instruction:
                return False
            frame = frame.f_back
        return True

    def reads(self, item: Item, gradient: Any) -> bool:
        """Go on after ``w.grad`` was read, where that was nothing or is known."""
        try:
            with self.state.lock:
                if self.item is not item or (gradient is not None and self.state.values.find(gradient) is None):
                    return False
                self.item = item.after
                return True
        except Exception:
            return False

    def drops(self, item: Item, args: tuple[Any, ...]) -> bool:
        """Go on before ``w.grad = None``, of the leaf that is expected; else ``passes`` has the last word."""
        try:
            tensor, gradient = args
            with self.state.lock:
                if self.item is not item or gradient is not None:
                    return False
                if (tensor.is_leaf and tensor.grad is not None) is not item.detail:
                    return False
                return self.dropped_gradient(item, tensor)
        except Exception:
            return False

    def calls(self, what: What, module: Any, frame: Any) -> bool:
        """Go on where a module is entered or left (then without a frame), as expected. Else ``passes`` has the last word."""
        item = self.item
        if item is None or item.what is not what or get_ident() != self.thread:
            return False
        try:
            detail = item.detail
            if frame is not None and (detail.hooks or is_hooked(module)) and of_module(module) != detail.hooks:
                return False
            if detail.module() is not module or (frame is not None and detail.grad is not is_grad_enabled()):
                return False
            with self.state.lock:
                if self.item is not item or not self.passes_quickly(item, frame):
                    return False
                self.item = item.after
                return True
        except Exception:
            return False


def _plainly_named(kwargs: dict[str, Any] | None, keywords: tuple[str, ...]) -> bool:
    """Whether the named arguments are those of these keywords, and no tensors."""
    return kwargs is not None and tuple(kwargs) == keywords and all([type(named) in _PLAIN for named in kwargs.values()])  # noqa: C419
