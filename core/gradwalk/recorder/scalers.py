"""GradScaler: which backward carries which factor, when it is taken out of the gradients, and steps that it skips.

``scale``, ``unscale_``, ``step`` and ``update`` of ``torch.amp.GradScaler`` are wrapped at the class while recording. The factor
is a tensor on the scaler's device; it is measured like any other, so nothing waits for a GPU.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from ..scales import SKIPPED, UNSCALE, UPDATE
from .functions import tensors_in
from .host import host_array
from .records import Measured, OpRecord, Scaled, Slot
from .state import State, clock
from .updates import gradient_slot, note_update, skips_by_itself

_FACTOR = "scale"
"""What the factor is called."""


class GradScalers:
    """Watches every GradScaler of the process."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._stepped: set[int] = set()
        """The optimizers whose step has run since their scaler's began, by ``id``."""
        self._originals = {name: GradScaler.__dict__[name] for name in ("scale", "unscale_", "step", "update")}
        self._wrappers = {
            "scale": self._wrap_scale(self._originals["scale"]),
            "unscale_": self._wrap_unscale(self._originals["unscale_"]),
            "step": self._wrap_step(self._originals["step"]),
            "update": self._wrap_update(self._originals["update"]),
        }
        self._hook = register_optimizer_step_pre_hook(self._before)
        for name, wrapper in self._wrappers.items():
            setattr(GradScaler, name, wrapper)

    def remove(self) -> None:
        """Take the wrappers away."""
        self._hook.remove()
        for name, wrapper in self._wrappers.items():
            if GradScaler.__dict__.get(name) is wrapper:
                setattr(GradScaler, name, self._originals[name])

    def _wrap_scale(self, original: Callable[..., Any]) -> Callable[..., Any]:
        state = self._state

        def scale(scaler: GradScaler, outputs: Any) -> Any:
            result = original(scaler, outputs)
            if result is not outputs:
                state.guarded(_note_scaled, state, scaler, outputs, result)
            return result

        return scale

    def _wrap_unscale(self, original: Callable[..., Any]) -> Callable[..., Any]:
        state = self._state

        def unscale_(scaler: GradScaler, optimizer: Optimizer) -> None:
            begin = clock()
            if scaler.is_enabled():
                state.guarded(_meet_gradients, state, optimizer)
            original(scaler, optimizer)
            if scaler.is_enabled():
                state.guarded(_note_unscaled, state, optimizer, begin, sys._getframe(1))

        return unscale_

    def _wrap_step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        state, stepped = self._state, self._stepped

        def step(scaler: GradScaler, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
            begin = clock()
            stepped.discard(id(optimizer))
            result = original(scaler, optimizer, *args, **kwargs)
            if id(optimizer) not in stepped and scaler.is_enabled():
                state.guarded(_note_skipped, state, optimizer, begin, sys._getframe(1))
            stepped.discard(id(optimizer))
            return result

        return step

    def _wrap_update(self, original: Callable[..., Any]) -> Callable[..., Any]:
        state = self._state

        def update(scaler: GradScaler, *args: Any, **kwargs: Any) -> None:
            begin = clock()
            original(scaler, *args, **kwargs)
            if scaler.is_enabled():
                state.guarded(_note_updated, state, scaler, begin, sys._getframe(1))

        return update

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if not self._state.guarded(skips_by_itself, optimizer):
            self._stepped.add(id(optimizer))


def _note_scaled(state: State, scaler: GradScaler, outputs: Any, result: Any) -> None:
    """From now on these tensors carry the scaler's factor."""
    state.go_slowly()
    factor = scaler._get_scale_async()
    if factor is None:
        return
    state.slot_of(factor, _FACTOR)
    measured = state.statistics.measure(factor, host_array(factor))
    for before, after in zip(tensors_in((outputs,)), tensors_in((result,)), strict=False):
        slot, source = state.values.before(after), state.slot_of(before)
        if slot is not None and measured is not None:
            if source.measured is None:
                source.measured = state.statistics.measure(before, host_array(before))
            slot.scaled = Scaled(measured, source)
            state.scaled_in = slot.serial


def scale_of(state: State, loss: Slot) -> tuple[Measured | None, Measured | None]:
    """The factor that a backward from ``loss`` carries, and the loss without it where that was measured; None for none.

    What is computed from a scaled loss (a sum of two, a mean over micro-batches) carries the factor too.
    """
    if loss.scaled is not None:
        return loss.scaled.factor, loss.scaled.source.measured
    if not state.steps.log or state.scaled_in < state.steps.log[0].serial:
        return None, None
    wanted = {loss}
    for record in reversed(state.steps.log):
        if isinstance(record, OpRecord) and not wanted.isdisjoint(record.outputs):
            for slot in record.inputs:
                if slot.scaled is not None:
                    return slot.scaled.factor, None
            wanted.update(record.inputs)
    return None, None


def _meet_gradients(state: State, optimizer: Optimizer) -> None:
    """Every gradient is known before it is written to."""
    state.go_slowly()
    for parameter, gradient in _gradients(optimizer):
        if state.values.find(gradient) is None:
            gradient_slot(state, parameter, gradient)


def _note_unscaled(state: State, optimizer: Optimizer, begin: float, frame: FrameType | None) -> None:
    """One update in which every gradient of the optimizer gets its next version, which the version counter does not tell."""
    state.go_slowly()
    before: list[Slot] = []
    after: list[Slot] = []
    for _, gradient in _gradients(optimizer):
        old = state.values.before(gradient)
        if old is not None:
            before.append(old)
            after.append(state.values.write(gradient))
            state.observe(after[-1], gradient)
    if after:
        note_update(state, UNSCALE, tuple(before), tuple(after), state.places.of(frame, through=True), begin, variable="")


def _note_skipped(state: State, optimizer: Optimizer, begin: float, frame: FrameType | None) -> None:
    """The scaler found Inf or NaN in the gradients and did not let the optimizer step."""
    state.go_slowly()
    slots = [state.slot_of(gradient) for _, gradient in _gradients(optimizer)]
    if slots:
        name = f"{type(optimizer).__name__}.{SKIPPED}"
        note_update(state, name, tuple(slots), (), state.places.of(frame, through=True), begin, variable="")


def _note_updated(state: State, scaler: GradScaler, begin: float, frame: FrameType | None) -> None:
    """The scaler grew or backed off: its factor has a next version."""
    state.go_slowly()
    factor = scaler._get_scale_async()
    old = None if factor is None else state.values.before(factor)
    if factor is not None and old is not None and state.values.was_written(factor):
        new = state.values.write(factor)
        state.observe(new, factor)
        note_update(state, UPDATE, (old,), (new,), state.places.of(frame, through=True), begin, variable=_FACTOR)


def _gradients(optimizer: Optimizer) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                yield parameter, parameter.grad
