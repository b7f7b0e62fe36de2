"""From the records of a finished step to its Trace. Steps of one structure share one Graph: the second costs a look-up."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from ..builder import GraphBuilder
from ..strides import expected
from ..trace import (
    NONE,
    STATISTICS,
    Arguments,
    EventKind,
    Graph,
    Phase,
    Saved,
    Shape,
    StepError,
    Strides,
    TensorKey,
    Trace,
    Verdict,
    empty_table,
)
from .capture import kept_of
from .device_times import DeviceTimes, Timing
from .functions import words
from .numbering import Numbers
from .order import events_of
from .record_facts import accumulated_by
from .records import BackwardRecord, Copied, Held, Measured, OpRecord, Record, Row, Slot
from .saved import saved_slot
from .statistics import row_of_measured
from .unused import add_unused_parameters, is_parameter

_KNOWN = 256
_UNKNOWN_ROW: Row = (-1.0, *[float("nan")] * 4, -1.0, -1.0, -1.0)


@dataclass(slots=True, eq=False)
class Known:
    """A structure that was seen: its Graph, with the shapes and strides of the step that it was first seen in."""

    graph: Graph
    shapes: tuple[Shape, ...]
    strides: tuple[Strides | None, ...]
    arguments: tuple[Held, ...]
    tape: NDArray[np.int32]

    def note_strides(self, value: int, slot: Slot, strides: dict[int, Strides]) -> None:
        """Note the strides of a Value where they are not what is expected of its shape."""
        wanted, found = expected(slot.shape, self.shapes[value], self.strides[value]), _strides(slot)
        if found is not None and found != wanted:
            strides[value] = found


def _strides(slot: Slot) -> Strides | None:
    """Those of a Value; a parameter that a lazy module gave its shape meanwhile is still known by the old one."""
    return slot.strides if slot.strides is not None and len(slot.strides) == len(slot.shape) else None


class Assembler:
    """Makes Traces, and keeps the Graphs of the structures that it has seen. Without ``name_of`` for steps under way, of which it
    is not known which parameters nothing will use.
    """

    def __init__(self, name_of: Callable[[torch.Tensor], str] | None) -> None:
        self._name_of = name_of
        self._known: OrderedDict[Hashable, Known] = OrderedDict()
        self._graphs: dict[str, Known] = {}
        self._made = 0

    def assemble(self, numbers: Numbers, step: int, start: float) -> Draft:
        """A step's Trace without its statistics, and what will bring them. ``start`` is the time at which the clock was 0."""
        known = self._known.get(numbers.signature)
        if known is None:
            known = self._known[numbers.signature] = self._build(numbers)
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        slots, shapes, first_shapes = list(numbers.slots), {}, known.shapes
        strides: dict[int, Strides] = {}
        arguments = {
            index: words(op)
            for index, (op, first) in enumerate(zip(numbers.ops, known.arguments, strict=True))
            if op.arguments is not first and op.arguments != first
        }
        copies: list[tuple[TensorKey, Copied]] = []
        for index, slot in enumerate(slots):
            if slot.shape != first_shapes[index]:
                shapes[index] = slot.shape
            if slot.strides != known.strides[index] or index in shapes:
                known.note_strides(index, slot, strides)
            if slot.copied is not None:
                copies.append((("value", index), slot.copied))
        copies += [(("gradient", i), edge.copied) for i, (_, edge) in enumerate(numbers.edges) if edge.copied is not None]
        copies += [(("mask", i), op.mask) for i, op in enumerate(numbers.ops) if op.mask is not None]
        return Draft(
            step,
            known,
            shapes,
            strides,
            arguments,
            start,
            _times(numbers.records),
            [slot.measured for slot in slots] + [None] * (len(first_shapes) - len(slots)),
            [edge.measured for _, edge in numbers.edges],
            copies,
            *_loss(numbers.backwards),
            [backward.scale for backward in numbers.backwards],
            _timings(numbers.records),
        )

    def _build(self, numbers: Numbers) -> Known:
        graph = build_graph(numbers, self._made, self._name_of)
        same = self._graphs.get(graph.key)
        if same is not None:
            return same
        self._made += 1
        tape = np.arange(len(graph.events), dtype=np.int32)
        tape.flags.writeable = False
        shapes, strides = tuple(value.shape for value in graph.values), tuple(value.strides for value in graph.values)
        known = Known(graph, shapes, strides, tuple(op.arguments for op in numbers.ops), tape)
        self._graphs[graph.key] = known
        if len(self._graphs) > _KNOWN:
            del self._graphs[next(iter(self._graphs))]
        return known


@dataclass(slots=True)
class Draft:
    """A step whose numbers may still be on a device."""

    step: int
    known: Known
    shapes: dict[int, Shape]
    strides: dict[int, Strides]
    arguments: dict[int, Arguments]
    start: float
    times: tuple[list[float], list[float]]
    values: list[Measured | None]
    gradients: list[Measured | None]
    copies: list[tuple[TensorKey, Copied]]
    loss: Measured | None
    loss_scale: Measured | None
    """The factor that ``loss`` carries, None for none."""
    scales: list[Measured | None]
    timings: list[tuple[int, Timing]]
    """What ran on a device, by its place on the tape."""
    verdicts: tuple[Verdict, ...] = ()

    def finish(self, timer: DeviceTimes, *, label: str, error: StepError | None) -> Trace:
        """The Trace; waits for what is under way."""
        begins, durations = np.array(self.times)
        if self.timings:
            begins, durations = timer.read(self.timings, begins, durations)
        first = float(begins[0]) if len(begins) else 0.0
        loss = row_of_measured(self.loss) if self.loss is not None else (0.0,)
        scales = [1.0 if scale is None else row_of_measured(scale)[1] for scale in self.scales]
        scale = 1.0 if self.loss_scale is None else row_of_measured(self.loss_scale)[1]
        return Trace(
            step=self.step,
            graph=self.known.graph,
            tape=self.known.tape,
            values=_table(self.values),
            gradients=_table(self.gradients),
            loss=loss[1] / scale if loss[0] == 1 else None,
            start=self.start + first,
            times=begins - first,
            durations=durations,
            tensors=MappingProxyType({key: kept_of(copied) for key, copied in self.copies}),
            shapes=MappingProxyType(self.shapes),
            strides=MappingProxyType(self.strides),
            arguments=MappingProxyType(self.arguments),
            label=label,
            done=error is None,
            error=error,
            scales=tuple(scales) if any(scale is not None for scale in self.scales) else (),
            verdicts=self.verdicts,
        )


def _loss(backwards: Sequence[BackwardRecord]) -> tuple[Measured | None, Measured | None]:
    """The loss of the step, and the factor that it carries where it was not measured without it.

    It is the number that the first backward into leaves' ``.grad`` started from. What the ``autograd.grad`` of a gradient penalty
    starts from before it, outputs or their sum, is no loss. Where no such backward ran, it is the number of another one.
    """
    backward = max(backwards, key=_likeness, default=None)
    if backward is None or not _likeness(backward):
        return None, None
    return (backward.loss.measured, backward.scale) if backward.unscaled is None else (backward.unscaled, None)


def _likeness(backward: BackwardRecord) -> int:
    """How much like a loss is what a backward started from: 0 for anything but one number, 2 if it reached leaves."""
    one = backward.unscaled is not None or (backward.loss.measured is not None and math.prod(backward.loss.shape) == 1)
    return one * (1 + bool(accumulated_by(backward)))


def _table(measured: list[Measured | None]) -> NDArray[np.float64]:
    if not any(measured):
        return empty_table(len(measured))
    rows = [_UNKNOWN_ROW if one is None else row_of_measured(one) for one in measured]
    table: NDArray[np.float64] = np.array(rows, dtype=np.float64).reshape(len(rows), len(STATISTICS)).T
    return table


def _times(records: Sequence[Record]) -> tuple[list[float], list[float]]:
    begins: list[float] = []
    durations: list[float] = []
    for record, place in events_of(records):
        if place < 0 or isinstance(record, OpRecord):
            begins.append(record.begin)
            durations.append(record.duration)
        else:
            _, begin, end = record.ran[place]
            begin = max(begin, begins[-1])  # what ran inside the Node stands before it on the tape
            begins.append(begin)
            durations.append(end - begin)
    return begins, durations


def _timings(records: Sequence[Record]) -> list[tuple[int, Timing]]:
    """What ran on a device, by its place on the tape."""
    found: list[tuple[int, Timing]] = []
    nodes: dict[int, dict[int, Timing]] = {}
    for position, (record, place) in enumerate(events_of(records)):
        if isinstance(record, OpRecord):
            timing = record.timing
        else:
            timing = nodes.setdefault(record.serial, dict(record.timings)).get(place)
        if timing is not None:
            found.append((position, timing))
    return found


def build_graph(numbers: Numbers, graph_id: int, name_of: Callable[[torch.Tensor], str] | None) -> Graph:
    """The Graph of a step; ``name_of`` gives the names of parameters that nothing uses."""
    build = GraphBuilder()
    _add_values(build, numbers)
    if name_of is not None:
        add_unused_parameters(build, numbers, name_of)
    _add_modules(build, numbers)
    phases = _phases(numbers)
    for op in numbers.ops:
        site = build.add_site(op.place.site) if op.place is not None and op.place.site is not None else NONE
        build.add_op(
            op.name,
            tuple(numbers.slots[slot] for slot in op.inputs),
            tuple(numbers.slots[slot] for slot in op.outputs),
            phase=phases[op.serial],
            arguments=words(op),
            module=numbers.calls[op.call] if op.call is not None else NONE,
            site=site,
            variable=op.variable,
            parent=numbers.parents.get(op.parent, NONE),
            custom=op.custom,
            tags=op.tags,
        )
    _add_nodes(build, numbers)
    _add_events(build, numbers, phases)
    return build.freeze(graph_id)


def _add_values(build: GraphBuilder, numbers: Numbers) -> None:
    for slot in numbers.slots:
        build.add_value(
            slot.shape,
            slot.dtype,
            name=slot.name,
            role="leaf" if slot.leaf else "input",
            device=slot.device,
            requires_grad=slot.requires_grad,
            version=_depth(slot, numbers),
            base=numbers.slot(slot.base),
            gradient_of=numbers.slot(slot.gradient_of),
            parameter=is_parameter(slot),
            layout=slot.layout,
            strides=_strides(slot),
            hooks=slot.hooks,
        )


def _depth(slot: Slot, numbers: Numbers) -> int:
    depth = 0
    while slot.base is not None and slot.base in numbers.slots:
        slot, depth = slot.base, depth + 1
    return depth


def _add_modules(build: GraphBuilder, numbers: Numbers) -> None:
    seen: dict[str, int] = {}
    for call in numbers.calls:
        seen[call.path] = count = seen.get(call.path, 0) + 1
        name = call.name if count == 1 else f"{call.name}#{count}"
        build.add_module(name, call.path, call.kind, NONE if call.parent is None else numbers.calls[call.parent], call.hooks)


def _phases(numbers: Numbers) -> dict[int, Phase]:
    """Per op, by serial number. What runs after the last backward or graph, and every update, is of the phase ``update``.

    What a step that is held has of the next one is its forward.
    """
    last = max(
        (index for index, record in enumerate(numbers.records) if isinstance(record, BackwardRecord) or record.makes_graph),
        default=len(numbers.records),
    )
    if not numbers.backwards:
        last = len(numbers.records)
    phases: dict[int, Phase] = {
        record.serial: "update" if record.update or (index > last and record.serial not in numbers.ahead) else "forward"
        for index, record in enumerate(numbers.records)
        if isinstance(record, OpRecord)
    }
    for op in numbers.ops:
        phases.setdefault(op.serial, "update" if op.update else "backward")
    return phases


def _add_nodes(build: GraphBuilder, numbers: Numbers) -> None:
    lowest = min((node.sequence for node in numbers.nodes if node.leaf is None), default=0)
    for node in numbers.nodes:
        build.add_node(
            node.name,
            op=numbers.owner(node),
            leaf=numbers.slot(node.leaf),
            sequence=0 if node.leaf is not None else node.sequence - lowest,
            saved=tuple(Saved(s.name, numbers.slot(saved_slot(s, node.owner)), s.shape, s.dtype, s.bytes) for s in node.saved),
            hooks=node.hooks,
        )
    for number, edge in numbers.edges:
        ids = numbers.node_ids[number]
        build.add_edge(
            NONE if edge.source < 0 else ids[edge.source],
            NONE if edge.target < 0 else ids[edge.target],
            output=edge.output,
            input_nr=edge.input_nr,
            value=numbers.slot(edge.slot),
            backward=number,
            shape=edge.shape,
            none=edge.none,
        )


def _add_events(build: GraphBuilder, numbers: Numbers, phases: dict[int, Phase]) -> None:
    numbered = {record: which for which, record in enumerate(numbers.backwards)}
    for record, place in events_of(numbers.records):
        if isinstance(record, OpRecord):
            build.add_event("update" if record.update else "op", phases[record.serial], numbers.op_of[record.serial])
            continue
        backward = numbered[record]
        if place < 0:
            build.add_event("loss", "loss", numbers.slot(record.loss), backward)
            continue
        index = record.ran[place][0]
        kind: EventKind = "node" if record.nodes[index].leaf is None else "accumulate"
        build.add_event(kind, "backward", numbers.node_ids[backward][index], backward)
