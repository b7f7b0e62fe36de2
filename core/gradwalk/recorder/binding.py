"""Which Value of a followed step a tensor is that comes for the first time in it."""

from __future__ import annotations

import weakref
from typing import Any

import torch

from .records import Slot
from .running import Column, Running, unbound
from .state import State
from .values import describe, is_foreign

reference = weakref.ref


def bind(state: State, running: Running, number: int, tensor: Any, *, measured: bool) -> bool:
    """A tensor comes for the first time in the step: whether it may be the Value of that number."""
    routine = running.routine
    if running.refs[number] is not unbound or not isinstance(tensor, torch.Tensor):
        return False
    before = routine.successor_of.get(number)
    if before is not None:
        if running.refs[before]() is not tensor or tensor._version == running.versions[before]:
            return False
        if before in running.strides:
            running.strides[number] = running.strides[before]
    elif not routine.is_external(number) or not _bind_external(state, running, number, tensor):
        return False
    running.refs[number] = reference(tensor)
    running.versions[number] = tensor._version
    if running.measuring:
        _look(running, number, tensor, measured)
    return True


def _look(running: Running, number: int, tensor: torch.Tensor, measured: bool) -> None:
    slot = running.held.get(number)
    if slot is not None and slot.measured is not None and not slot.shared:
        running.borrow(number, slot)
    elif measured and running.routine.measurable[number]:
        running.look(number, tensor)
        if slot is not None:
            slot.measured = Column(running, number)
        return
    if measured:
        running.keep(number, tensor)


def _bind_external(state: State, running: Running, number: int, tensor: torch.Tensor) -> bool:
    """Look the tensor up among the known ones; one that is not known must be none that the step made."""
    values, template = state.values, running.routine.slots[number]
    slot = values.find(tensor)
    if slot is None:
        if any(other() is tensor for other in running.refs):
            return False
        slot = describe(tensor, state.parameters.name_of(tensor) or template.name)
        values.put(tensor, slot)
        slot.shared = is_foreign(tensor)
    elif slot.followed_in == running.serial:
        return False
    if not alike(slot, template):
        return False
    slot.followed_in = running.serial
    if running.closed:
        slot.base = slot.copied = None
    running.held[number] = slot
    if slot.shape != running.routine.shapes[number]:
        running.shapes[number] = slot.shape
    if slot.shape != running.routine.shapes[number] or slot.strides != running.routine.known.strides[number]:
        running.routine.known.note_strides(number, slot, running.strides)
    return True


def alike(slot: Slot, template: Slot) -> bool:
    """Whether a Value from outside is what it was in the step that was learned."""
    return (
        len(slot.shape) == len(template.shape)
        and slot.name == template.name
        and slot.dtype == template.dtype
        and slot.device == template.device
        and slot.requires_grad == template.requires_grad
        and slot.leaf == template.leaf
        and slot.gradient_of is None
    )
