"""A place between two events at which the training is held: its step so far, and which of its tensors can still be had.

A tensor can be had whole while it is alive and as it was: of the version, and in the range, that the step has seen. What has
written to it since is looked for in the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from ..filter.one_event import OneEvent
from ..gate import When
from ..trace import NONE, Kept
from .capture import ALL, Captor, kept_of
from .host import host_array
from .numbering import Numbers
from .order import events_of
from .pending import kept_by_a_node
from .records import BackwardRecord, EdgeRecord, OpRecord, Record, Row, Slot
from .state import State
from .statistics import Statistics, row_of_measured

UNCOUNTED = ("batch_norm", "instance_norm")
"""Ops that write to an input (the running statistics) without its version counter telling."""


@dataclass(slots=True)
class RecordedMoment:
    """A place between two events of a step under way."""

    state: State
    when: When
    event: OneEvent
    step: int
    """The number of the open step."""
    given: Mapping[EdgeRecord, Any]
    """The gradients that the Node which has just run gave."""
    _numbers: Numbers | None = field(default=None, init=False)

    def position(self) -> int:
        """How many events of the step have run."""
        return sum(1 for _ in events_of(self.state.of_the_step(self.state.steps.log)))

    def show(self) -> None:
        """Write the step so far."""
        self.state.guarded(self._show)

    def _show(self) -> None:
        numbers = self._numbered()
        if numbers.records:
            self.state.handing.so_far(numbers, self.step)

    def _numbered(self) -> Numbers:
        if self._numbers is None:
            steps = self.state.steps
            self._numbers = Numbers(self.state.of_the_step(steps.log), pending=True, ahead=steps.of_the_next())
        return self._numbers

    def fetch(self, kind: str, number: int) -> Kept:
        """A tensor in full."""
        made = self.state.guarded(self._fetch, kind, number)
        if made is None:
            raise LookupError("the tensor could not be copied")
        if isinstance(made, str):
            raise LookupError(made)
        return made

    def _fetch(self, kind: str, number: int) -> Kept | str:
        tensor, why = self._gradient(number) if kind == "gradient" else self._value(number)
        if tensor is None:
            return why
        captor = Captor()
        captor.begin_step(ALL)
        copied = captor.copy(tensor, host_array(tensor))
        return "its elements cannot be copied" if copied is None else kept_of(copied)

    # ------------------------------------------------------------------ a Value

    def _value(self, number: int) -> tuple[torch.Tensor | None, str]:
        slots = list(self._numbered().slots)
        if not 0 <= number < len(slots):
            return None, f"the step so far has no value {number}"
        slot, called = slots[number], self._called(slots[number])
        tensor = slot.reference() if slot.reference is not None else None
        if tensor is not None and not self._is_another(slot, tensor):
            return tensor, ""
        writer = self._writer(slot, tensor)
        if writer != NONE or tensor is not None:
            return None, f"{called} is overwritten {_by(writer)}"
        if not self._may_read_nodes(slot):
            return None, f"{called} is freed, or kept by a Node that cannot be read while the backward is inside one"
        return kept_by_a_node(slot, self._numbered()), f"{called} is freed: nothing holds it any more"

    def _is_another(self, slot: Slot, tensor: torch.Tensor) -> bool:
        """Whether a tensor is not what it was: by its version, else by its range, for some ops count no version."""
        values = self.state.values
        if values.was_written(tensor) or values.before(tensor) is not slot:
            return True
        if slot.measured is None:
            return False
        copy = tensor.detach().cpu()
        now = Statistics().measure(copy, host_array(copy))
        return now is not None and _differ(row_of_measured(now), row_of_measured(slot.measured))

    def _writer(self, slot: Slot, tensor: torch.Tensor | None) -> int:
        """The position on the tape of what wrote over a Value, or NONE: to it, to memory that it shares, or without saying so."""
        found = self._those(lambda record, _: _writes(record, slot))
        if not found and tensor is not None:
            found = self._those(lambda record, _: record.serial > slot.serial and _writes_memory(record, slot, tensor))
            found = found[-1:] if slot.serial < 0 else found  # made by no op that is known: the last write is not before it
        if not found and slot.gradient_of is not None and slot.gradient_of.reference is not None:
            leaf = slot.gradient_of.reference()
            found = self._those(lambda record, place: _changes_gradient(record, place, leaf))[-1:]
        return (found or self._those(lambda record, _: _updates_uncounted(record, slot)) or [NONE])[0]

    def _may_read_nodes(self, slot: Slot) -> bool:
        """Not what a Node keeps that may be running: reading it would wait for its end, in the thread that it waits for."""
        between = self.event.kind in ("node", "accumulate") or (self.event.kind == "loss" and self.when == "after")
        under_way = self.state.thread.backwards - between
        inside = under_way > 0 or "in backward" in self.event.tags or "recomputed" in self.event.tags
        return not inside and (slot.device == "cpu" or not between)

    # ------------------------------------------------------------------ a gradient

    def _gradient(self, number: int) -> tuple[torch.Tensor | None, str]:
        numbers = self._numbered()
        if not 0 <= number < len(numbers.edges):
            return None, f"the step so far has no gradient {number}"
        which, edge = numbers.edges[number]
        backward = numbers.backwards[which]
        called = f"the gradient of {self._called(edge.slot) if edge.slot is not None else f'edge {number}'}"
        found = self.given.get(edge)
        if isinstance(found, torch.Tensor):
            return found, ""
        if edge.source >= 0 and edge.source not in [place for place, _, _ in backward.ran]:
            return None, f"{called} is not there yet: its Node has not run"
        leaf = edge.slot.reference() if edge.target < 0 and edge.slot is not None and edge.slot.reference is not None else None
        if leaf is not None:
            return self._accumulated(backward, leaf, called)
        return None, f"{called} is freed, or on its way: it can be fetched right after the Node that gave it"

    def _accumulated(self, backward: BackwardRecord, leaf: torch.Tensor, called: str) -> tuple[torch.Tensor | None, str]:
        """What a backward left in ``leaf.grad``, unless that has changed since."""
        gradient, values = leaf.grad, self.state.values
        slot = values.before(gradient) if gradient is not None else None
        changed = self._those(lambda record, place: record.serial > backward.serial and _changes_gradient(record, place, leaf))
        if gradient is None:
            return None, f"{called} is freed: " + (f"#{changed[-1]} has dropped it" if changed else "nothing holds it any more")
        if not changed and slot is not None and slot.serial == backward.serial and not self._is_another(slot, gradient):
            return gradient, ""
        return None, f"{called} is overwritten {_by(changed[0] if changed else NONE)}"

    # ------------------------------------------------------------------ in words

    def _called(self, slot: Slot) -> str:
        """``%5 relu``: a Value's number, and its name or that of the op which made it."""
        numbers = self._numbered()
        made_by = next((op.name for op in numbers.ops if slot in op.outputs), "")
        return f"%{numbers.slots[slot]} {slot.name or made_by}".rstrip()

    def _those(self, wanted: Callable[[Record, int], bool]) -> list[int]:
        """The positions on the tape of the events that are wanted."""
        return [at for at, event in enumerate(events_of(self._numbered().records)) if wanted(*event)]


def _by(writer: int) -> str:
    return "by what no hook has seen" if writer == NONE else f"by #{writer}"


def _writes(record: Record, slot: Slot) -> bool:
    return isinstance(record, OpRecord) and any(out.written and out.base is slot for out in record.outputs)


def _writes_memory(record: Record, slot: Slot, tensor: torch.Tensor) -> bool:
    """Whether an op wrote to other views of a tensor's memory."""
    if not isinstance(record, OpRecord) or slot in record.outputs:
        return False
    written = [out.reference() for out in record.outputs if out.written and out.reference is not None]
    return any(one is not None and one is not tensor and _shares_memory(one, tensor) for one in written)


def _updates_uncounted(record: Record, slot: Slot) -> bool:
    return isinstance(record, OpRecord) and record.name in UNCOUNTED and slot in record.inputs


def _shares_memory(one: torch.Tensor, other: torch.Tensor) -> bool:
    try:
        return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr() != 0
    except (RuntimeError, NotImplementedError):
        return False


def _changes_gradient(record: Record, place: int, leaf: torch.Tensor | None) -> bool:
    """Whether an event writes to ``leaf.grad``, or drops it."""
    if isinstance(record, BackwardRecord):
        slot = record.nodes[record.ran[place][0]].leaf if place >= 0 else None
        return slot is not None and _is(slot, leaf)
    if record.update and not record.outputs:
        return any(_is(one, leaf) for one in record.inputs)
    return any(out.written and out.gradient_of is not None and _is(out.gradient_of, leaf) for out in record.outputs)


def _is(slot: Slot, tensor: torch.Tensor | None) -> bool:
    return tensor is not None and slot.reference is not None and slot.reference() is tensor


def _differ(one: Row, other: Row) -> bool:
    """Whether two rows of finite numbers have another least or largest one; a device tells less of NaN and Inf than the CPU."""
    ends = (*one[1:3], *other[1:3])
    return all(math.isfinite(end) for end in ends) and ends[:2] != ends[2:]
