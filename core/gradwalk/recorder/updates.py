"""Updates: in-place writes to leaves, optimizers, and gradients that are zeroed or dropped."""

from __future__ import annotations

import sys
import weakref
from types import FrameType
from typing import Any

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from .global_hooks import GlobalHooks
from .records import OpRecord, Place, Slot
from .state import State, clock
from .stepping import OptimizersUnwatched
from .trail import Arrival, What
from .values import describe, shape_of, strides_of


def note_grad_read(state: State, tensor: torch.Tensor, gradient: torch.Tensor) -> None:
    """``w.grad`` was read: it is the gradient of ``w``."""
    slot = state.values.find(gradient)
    if slot is None:
        slot = gradient_slot(state, tensor, gradient)
    elif slot.gradient_of is None:
        slot.gradient_of = state.slot_of(tensor)
    state.observe(slot, gradient)


def gradient_slot(state: State, tensor: torch.Tensor, gradient: torch.Tensor) -> Slot:
    """A new Value for ``tensor.grad``."""
    leaf = state.slot_of(tensor)
    plain = type(gradient) is torch.Tensor and gradient.layout is torch.strided and gradient.dtype is tensor.dtype
    if plain and not leaf.layout and not gradient.requires_grad and gradient.dim() == len(leaf.shape):
        slot = Slot(leaf.shape, leaf.dtype, leaf.device, False, False)  # as torch has it
        slot.name = f"{leaf.name}.grad" if leaf.name else ""
        slot.strides = gradient.stride()
    else:
        slot = describe(gradient, f"{leaf.name}.grad" if leaf.name else "")
    slot.gradient_of = leaf
    return state.values.put(gradient, slot)


def note_grad_set(state: State, function: Any, args: tuple[Any, ...], frame: FrameType | None) -> None:
    """``w.grad = None`` is about to happen; dropping a gradient is an update named ``zero_grad``."""
    tensor, gradient = args[0], args[1] if len(args) > 1 else None
    drops = gradient is None and tensor.is_leaf and tensor.grad is not None
    follower = state.following()
    if follower is not None:
        item = follower.passes(What.GRAD_SET, function, frame, drops)
        if item is not None and follower.dropped_gradient(item, tensor):
            return
        follower.leave()
    state.arrive(Arrival(What.GRAD_SET, function, state.chain_of(frame), detail=drops))
    if drops:
        slot = state.values.find(tensor.grad)
        leaf = slot.gradient_of if slot is not None and slot.gradient_of is not None else state.slot_of(tensor)
        _note_zero_grad(state, leaf, state.places.of(frame, through=True), clock())


def note_zeroed(state: State, tensors: list[torch.Tensor], place: Place, begin: float) -> bool:
    """``w.grad.zero_()`` ran; whether all the tensors were gradients."""
    slots = [state.values.before(tensor) for tensor in tensors]
    leaves = [slot.gradient_of for slot in slots if slot is not None and slot.gradient_of is not None]
    if not leaves or len(leaves) < len(tensors):
        return False
    for tensor, leaf in zip(tensors, leaves, strict=True):
        state.values.write(tensor).zeroed = True
        _note_zero_grad(state, leaf, place, begin)
    return True


def _note_zero_grad(state: State, leaf: Slot, place: Place | None, begin: float) -> None:
    log = state.steps.log
    if log and leaf.last_use < log[0].serial:  # the leaf as it was when the gradient was made: another step's
        tensor = None if leaf.reference is None else leaf.reference()
        leaf = leaf if tensor is None else state.values.find(tensor) or leaf
    if log:
        note_update(state, "zero_grad", (leaf,), (), place, begin)


def note_data_set(state: State, tensor: torch.Tensor, data: torch.Tensor, place: Place | None, begin: float) -> None:
    """``w.data = tensor`` ran. After ``w.data -= step`` it only puts back what is there, and is no update of its own."""
    if state.values.same(tensor, data):
        state.values.settle(tensor)
        return
    state.trail.broken = True
    source, old = state.slot_of(data), state.values.before(tensor) or state.slot_of(tensor)
    new = state.values.write(tensor)
    new.shape = shape_of(tensor)
    new.strides = strides_of(tensor, new.shape)
    state.observe(source, data)
    state.observe(new, tensor)
    if state.steps.trained and old.graded and not state.thread.calls:  # inside a module, FSDP gathers a parameter so
        note_update(state, "set_data", (old, source), (new,), place, begin)


def note_update(
    state: State,
    name: str,
    inputs: tuple[Slot, ...],
    outputs: tuple[Slot, ...],
    place: Place | None,
    begin: float,
    variable: str | None = None,
) -> None:
    """Note an update; it is about its first input unless ``variable`` says otherwise."""
    serial = state.next_serial()
    for slot in outputs:
        slot.serial = serial
    record = OpRecord(serial, name, inputs, outputs)
    record.begin, record.duration = begin, clock() - begin
    record.update, record.place, record.variable = True, place, inputs[0].name if variable is None else variable
    state.add(record)


class Stepped:
    """That an optimizer made a step. Two are equal for the same optimizer."""

    __slots__ = ("_optimizer",)

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = weakref.ref(optimizer)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stepped) and other._optimizer() is self._optimizer() is not None

    __hash__ = None  # type: ignore[assignment]


class OptimizerSteps:
    """One update per parameter that an optimizer's ``step`` wrote to, seen by the version counters."""

    def __init__(self, state: State, unwatched: OptimizersUnwatched) -> None:
        self._state = state
        self._unwatched = unwatched
        self._begins: dict[int, float] = {}
        self.hooks = GlobalHooks(
            [
                lambda: register_optimizer_step_pre_hook(self._before),
                lambda: register_optimizer_step_post_hook(self._after),
            ]
        )

    def remove(self) -> None:
        """Take the hooks away."""
        self.hooks.remove()

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._state.rest.asleep:
            self._state.rest.settle()
            return
        self._state.hold(self._state.holding.before_step, optimizer, sys._getframe(1))
        if len(self._begins) > 64:  # steps that raised never came back
            self._begins.clear()
        self._begins[id(optimizer)] = clock()
        self._state.guarded(self._unwatched.begin, optimizer, args, kwargs)

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._state.guarded(self._unwatched.end)
        self._state.guarded(self._note_step, optimizer, sys._getframe(1))
        self._state.hold(self._state.holding.after_ops)

    def _note_step(self, optimizer: Optimizer, frame: FrameType | None) -> None:
        state = self._state
        begin = self._begins.pop(id(optimizer), clock())
        if skips_by_itself(optimizer):
            state.go_slowly()
            return
        follower, stepped = state.following(), Stepped(optimizer)
        if follower is not None:
            item = follower.passes(What.OPTIMIZER, None, frame, stepped)
            if item is not None and follower.stepped(item, optimizer, begin):
                return
            follower.leave()
        state.arrive(Arrival(What.OPTIMIZER, None, state.chain_of(frame), detail=stepped))
        place = state.places.of(frame, through=True)
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                old = state.values.before(parameter)
                if old is not None and _was_updated(state, group, parameter):
                    gradient = parameter.grad
                    read = [] if gradient is None else [state.values.find(gradient) or gradient_slot(state, parameter, gradient)]
                    for slot in read:
                        state.observe(slot, parameter.grad)
                    new = state.values.write(parameter)
                    state.observe(new, parameter)
                    name = f"{type(optimizer).__name__}.step"
                    note_update(state, name, (old, *read), (new,), place, begin)
                    begin = clock()


def _was_updated(state: State, group: dict[str, Any], parameter: torch.Tensor) -> bool:
    """Whether a step wrote to a parameter. A fused kernel leaves the version counter as it is."""
    return bool(state.values.was_written(parameter)) or (bool(group.get("fused")) and parameter.grad is not None)


def skips_by_itself(optimizer: Optimizer) -> bool:
    """Whether a fused kernel found that a GradScaler had seen Inf or NaN, and wrote nothing; on a GPU only the kernel knows."""
    found = getattr(optimizer, "found_inf", None)
    return isinstance(found, torch.Tensor) and found.is_cpu and bool(found.item())
