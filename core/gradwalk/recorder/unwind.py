"""From the part of a step that was followed back to records, as if it had gone the slow way all along."""

from __future__ import annotations

from typing import Any

import torch

from ..statistics import row_of_number
from ..strides import expected
from ..trace import NONE
from .engine import EngineRun
from .engine_plan import Spot
from .records import BackwardRecord, Call, EdgeRecord, NodeRecord, OpRecord, Slot
from .routine import Item
from .running import Column, Running
from .state import State, clock
from .trail import Arrival, What
from .updates import gradient_slot


def unwound(state: State, running: Running, upto: Item | None, *, opened: bool) -> Unwinder:
    """Log the records of the items before ``upto`` (None: of all). ``opened``: the log is new, and what stands before the item
    that closes the step before is its beginning.
    """
    unwinder = Unwinder(state, running)
    for item in running.routine.items if upto is None else running.routine.items[: upto.position]:
        unwinder.log(item, opened and item.position < running.routine.closes)
    return unwinder


class Unwinder:
    """Makes records and Slots of a step that was followed, by the templates of its Routine."""

    def __init__(self, state: State, running: Running) -> None:
        self._state, self._running = state, running
        self._routine = running.routine
        self._slots: dict[int, Slot] = dict(running.held)
        self._numbers = {slot: number for number, slot in enumerate(self._routine.slots)}
        self._ops: dict[int, OpRecord] = {}
        """The new records by the serial numbers of their templates."""
        self._opened: dict[int, int] = {}
        self._shift = running.sequence - self._routine.base
        self._tensors = running.tensors
        self.backward: BackwardRecord | None = None

    def log(self, item: Item, beginning: bool) -> None:
        """One item: its arrival goes onto the trail, its records into the log."""
        state = self._state
        arrival = item.template.again()
        state.trail.add(arrival)
        if item.what is What.ENTER:
            self._enter(item)
        elif item.what is What.LEAVE:
            state.thread.calls.pop()
        elif item.what is What.OPEN:
            self._open(item)
        for offset, template in enumerate(item.records):
            if isinstance(template, OpRecord):
                record = self.op(template, item.event + offset)
                if item.what is What.CLOSE:
                    state.thread.functions.pop()
                if beginning:
                    arrival.records.append(record)
                    state.steps.append(record)
                else:
                    state.add(record)
            else:
                self.log_backward(template, item.event, self._running)

    # ------------------------------------------------------------------ Values

    def slot(self, number: int) -> Slot:
        """The Slot of a Value."""
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = self._new_slot(number)
        return slot

    def slot_like(self, template: Slot | None) -> Slot | None:
        """The Slot that stands where the template stood."""
        number = self._numbers.get(template, NONE) if template is not None else NONE
        return None if number == NONE else self.slot(number)

    def _new_slot(self, number: int) -> Slot:
        running, template = self._running, self._routine.slots[number]
        first = self._routine.shapes[number]
        shape = running.shapes.get(number, first)
        slot = Slot(shape, template.dtype, template.device, template.requires_grad, template.leaf)
        slot.name, slot.written, slot.graded, slot.zeroed = template.name, template.written, template.graded, template.zeroed
        slot.layout, slot.hooks = template.layout, template.hooks
        slot.strides = running.strides.get(number, expected(shape, first, self._routine.known.strides[number]))
        base = self._routine.bases[number]
        slot.base, slot.gradient_of = None if base == NONE else self.slot(base), self.slot_like(template.gradient_of)
        if running.measuring and self._routine.measurable[number]:
            slot.measured = Column(running, number)
        slot.copied = self._tensors.get(("value", number))
        slot.reference = running.refs[number]
        tensor = running.refs[number]()
        if tensor is not None:
            self._state.values.put_again(tensor, slot, running.versions[number])
        return slot

    # ------------------------------------------------------------------ records

    def op(self, template: OpRecord, event: int) -> OpRecord:
        """The record of an op or an update."""
        state, running = self._state, self._running
        inputs = tuple([self.slot(self._numbers[slot]) for slot in template.inputs])
        outputs = tuple([self.slot(self._numbers[slot]) for slot in template.outputs])
        record = OpRecord(state.next_serial(), template.name, inputs, outputs)
        for slot, old in zip(outputs, template.outputs, strict=True):
            base = self._routine.bases[self._numbers[old]]
            slot.serial = record.serial
            slot.base = None if base == NONE else self.slot(base)
        for name in ("update", "place", "variable", "function", "arguments", "makes_graph", "tags", "region"):
            setattr(record, name, getattr(template, name))
        record.mask = self._tensors.get(("mask", self._routine.known.graph.events[event].ref))
        if event in running.arguments:
            _, record.arguments = running.arguments[event]
        record.begin, record.duration = running.begins[event], running.durations[event]
        record.call = state.thread.calls[-1] if state.thread.calls else None
        record.parent = self._opened.get(template.parent, -1)
        record.opened = self._opened.get(template.opened, -1)
        record.first_sequence = template.first_sequence + self._shift
        record.last_sequence = template.last_sequence + self._shift
        record.keys = [(key if key < 0 else key + self._shift, number) for key, number in template.keys]
        self._ops[template.serial] = record
        return record

    def _enter(self, item: Item) -> None:
        calls = self._state.thread.calls
        old: Call = item.template.detail.call
        parent = calls[-1] if calls else None
        outermost = (parent.outermost or parent) if parent is not None else None
        calls.append(Call(old.path, old.name, old.kind, parent, outermost, old.module, old.root, old.hooks))

    def _open(self, item: Item) -> None:
        """A custom Function begins."""
        state = self._state
        serial = state.next_serial()
        self._opened[item.opened] = serial
        state.thread.functions.append(serial)
        opening = self._running.openings.get(item.position)
        if opening is not None:
            opening.serial = serial
            opening.inputs = tuple([self.slot(number) for number in item.inputs])

    # ------------------------------------------------------------------ the backward

    def log_backward(self, template: BackwardRecord, event: int, running: Running, count: int | None = None) -> BackwardRecord:
        """The record of a backward of which ``count`` Nodes ran (None: all)."""
        loss = self.slot_like(template.loss)
        assert loss is not None
        if running.loss is not None and loss.measured is None:
            loss.measured = row_of_number(running.loss)
        record = BackwardRecord(self._state.next_serial(), loss, [], [], begin=running.begins[event])
        record.seeds = [self._edge(edge) for edge in template.seeds]
        for old in template.nodes:
            node = NodeRecord(old.name, old.sequence if old.leaf is not None else old.sequence + self._shift)
            node.owner = self._ops.get(old.owner.serial) if old.owner is not None else None
            node.leaf, node.saved, node.hooks = self.slot_like(old.leaf), old.saved, old.hooks
            record.nodes.append(node)
        self._add_edges(template, record)
        first = event + 1
        order = [place for place, _, _ in template.ran][:count]
        record.ran = [
            (place, running.begins[first + i], running.begins[first + i] + running.durations[first + i])
            for i, place in enumerate(order)
        ]
        for slot in running.gradients:
            slot.serial = record.serial
        self._state.trail.note(record)
        self._state.steps.begin_backward(record, {node.owner.serial for node in record.nodes if node.owner is not None})
        self.backward = record
        return record

    def _add_edges(self, template: BackwardRecord, record: BackwardRecord) -> None:
        arrivals: dict[int, int] = {}
        for old, node in zip(template.nodes, record.nodes, strict=True):
            if node.leaf is not None:
                node.leaf.graded = True
            for edge in old.edges:
                made = self._edge(edge)
                node.edges.append(made)
                if made.target >= 0:
                    arrivals[made.target] = arrivals.get(made.target, 0) + 1
                    record.nodes[made.target].arriving = made if arrivals[made.target] == 1 else None

    def _edge(self, old: EdgeRecord) -> EdgeRecord:
        running, index = self._running, self._routine.edge_of[old]
        edge = EdgeRecord(old.source, old.output, old.target, old.input_nr)
        edge.slot, edge.shape = self.slot_like(old.slot), old.shape
        if running.measuring and old.measured is not None:
            edge.measured = Column(running, running.edges + index)
        edge.copied = self._tensors.get(("gradient", index))
        return edge


class LostRun:
    """A backward that was followed and does not run as planned: what arrives is noted in its record."""

    def __init__(self, state: State, run: EngineRun, unwinder: Unwinder) -> None:
        self._state, self._run = state, run
        template = run.item.records[0]
        assert isinstance(template, BackwardRecord)
        state.trail.add(Arrival(What.BACKWARD, None, run.item.chain))
        state.trail.broken = True
        self.record = unwinder.log_backward(template, run.item.event, run.running, run.at)
        self._arriving: dict[tuple[int, int], list[EdgeRecord]] = {}
        for edge in (*self.record.seeds, *[edge for node in self.record.nodes for edge in node.edges]):
            self._arriving.setdefault((edge.target, edge.input_nr), []).append(edge)

    def arrived(self, spot: Spot, gradient: Any, first: bool) -> None:
        """A gradient has come to an input of a Node."""
        self._state.guarded(self._note, spot, gradient, first)

    def _note(self, spot: Spot, gradient: torch.Tensor | None, first: bool) -> None:
        if first:
            now = clock()
            self.record.ran.append((spot.place, now, now))
        edges = self._arriving.get((spot.place, spot.input_nr), ())
        if gradient is not None and len(edges) == 1:
            edges[0].measured, edges[0].copied = self._state.look_at_gradient(gradient)

    def ended(self) -> None:
        """The leaves' gradients, as far as they are there."""
        for place, _, _ in self.record.ran:
            node = self.record.nodes[place]
            leaf = node.leaf.reference() if node.leaf is not None and node.leaf.reference is not None else None
            if leaf is None or leaf.grad is None:
                continue
            edge = node.edges[0]
            edge.measured, edge.copied = self._state.look_at_gradient(leaf.grad)
            slot = gradient_slot(self._state, leaf, leaf.grad)
            slot.serial = self.record.serial
            self._state.take_over(slot, edge.measured, edge.copied)
