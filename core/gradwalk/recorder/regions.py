"""Regions: what the user calls is one op, and what runs inside is not looked at (a compiled function, a functorch transform)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import torch

from ..callsite import names_for
from .failures import note_failure
from .functions import split, tensors_in
from .graph_walk import sequence_number
from .ops import NOTHING, OpCall, finish_op, observe_op
from .records import OpRecord, Place, Slot
from .state import State, clock

_MOST_NODES = 10_000


class Region:
    """A region under way: what went into it, as it was before."""

    def __init__(
        self, state: State, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.name = name
        self.call = OpCall(function, args, kwargs, clock(), sequence_number())
        self.opened = -1
        self.place: Place | None = None
        self.tags: tuple[str, ...] = ()
        self._state = state
        self._read: list[torch.Tensor] = []
        self._inputs: tuple[Slot, ...] = ()

    def open(self, frame: FrameType | None, more: Iterable[torch.Tensor] = ()) -> None:
        """The region begins. ``more`` are tensors that it reads without taking them as arguments: a module's parameters."""
        state = self._state
        state.go_slowly()
        self.place = state.places.of(frame)
        read = list(tensors_in((self.call.args, self.call.kwargs)))
        taken = {id(tensor) for tensor in read}
        read += [tensor for tensor in more if id(tensor) not in taken]
        if self.place is not None:
            self._read, self._inputs = read, self._slots(self.place, read)
        self.opened = state.next_serial()
        state.thread.functions.append(self.opened)

    def _slots(self, place: Place, read: list[torch.Tensor]) -> tuple[Slot, ...]:
        args = self.call.args
        names = dict(zip(map(id, args), names_for(place.call, len(args)), strict=False)) if place.direct else {}
        return tuple([self._state.slot_of(tensor, names.get(id(tensor), "")) for tensor in read])

    def close(self, result: Any) -> None:
        """It has returned: the op goes into the log, with what it made and what it wrote."""
        state, place = self._state, self.place
        self._leave()
        if place is None or self.opened < 0:
            return
        made = [tensor for tensor in tensors_in((result,)) if not any(tensor is other for other in self._read)]
        written = self._written()
        if not made and not written:
            return
        record = self._record()
        self._capture(made)
        made += written
        record.inputs = self._inputs
        writes = {id(tensor) for tensor in written}
        finish_op(state, self.call, record, place, made, writes)
        last = state.steps.log[-1] if state.steps.log else record
        if last.serial > self.opened:  # the ops inside stand before it on the tape, and so do their times
            record.begin = max(record.begin, last.begin)
        state.add(record)
        observe_op(state, record, self._read, made, writes)

    def fail(self, error: BaseException) -> None:
        """It has raised."""
        state, place = self._state, self.place
        self._leave()
        if place is None or self.opened < 0:
            return
        record = self._record()
        record.inputs = self._inputs
        finish_op(state, self.call, record, place, [], NOTHING)
        record.makes_graph = any(slot.requires_grad for slot in record.inputs)
        note_failure(state, error, record)

    def _leave(self) -> None:
        functions = self._state.thread.functions
        if self.opened in functions:
            del functions[functions.index(self.opened) :]
        self.call.end = clock()

    def _record(self) -> OpRecord:
        record = OpRecord(0, self.name, (), ())
        record.opened, record.tags, record.region = self.opened, self.tags, True
        record.arguments = split(self.call.args, self.call.kwargs)[1]
        record.function = self.call.function
        return record

    def _written(self) -> list[torch.Tensor]:
        """The tensors that it wrote to: of its inputs, and of the leaves that wait for an update."""
        values = self._state.values
        leaves = values.written_leaves() if self._state.steps.trained else []
        written = {id(tensor): tensor for tensor in (*self._read, *leaves) if values.was_written(tensor)}
        known = {id(tensor) for tensor in self._read}
        for tensor in written.values():
            slot = values.before(tensor)
            if id(tensor) not in known and slot is not None:
                self._read.append(tensor)
                self._inputs += (slot,)
        return list(written.values())

    def _capture(self, made: Iterable[torch.Tensor]) -> None:
        """The leaves that its Nodes lead to are inputs, too: a closure's weights."""
        known = {id(tensor) for tensor in self._read}
        for leaf in captured_leaves(made, self.call.sequence):
            if id(leaf) not in known:
                known.add(id(leaf))
                self._read.append(leaf)
                self._inputs += (self._state.slot_of(leaf),)


def captured_leaves(made: Iterable[torch.Tensor], first: int) -> list[torch.Tensor]:
    """The leaves that the Nodes lead to which were made from sequence number ``first`` on."""
    nodes = [tensor.grad_fn for tensor in made if tensor.grad_fn is not None]
    seen = set(nodes)
    leaves: list[torch.Tensor] = []
    for node in nodes:  # grows while it is walked
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.Tensor):
            leaves.append(leaf)
        elif node._sequence_nr() >= first and len(nodes) < _MOST_NODES:
            following = [other for other, _ in node.next_functions if other is not None and other not in seen]
            seen.update(following)
            nodes += following
    return leaves
