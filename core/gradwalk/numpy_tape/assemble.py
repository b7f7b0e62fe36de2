"""From the ops of a pass to its Trace. Passes of one structure share one Graph: the second costs a look-up."""

from __future__ import annotations

import linecache
from collections import OrderedDict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..statistics import UNKNOWN
from ..strides import expected
from ..trace import NONE, STATISTICS, Arguments, Graph, Kept, Shape, StepError, Strides, TensorKey, Trace
from .flow import flow_of
from .former import Former
from .graph import build_graph, number
from .places import Place
from .records import Measured, OpRecord, Slot
from .roles import Roles, find_roles
from .words import words

if TYPE_CHECKING:
    from ..recording.sink import Sink

_KNOWN = 256


@dataclass(slots=True)
class Pass:
    """The ops of a pass that has ended. ``loss``, or its number, is given where the script said it."""

    records: list[OpRecord]
    measured: dict[Slot, Measured]
    loss: Slot | None = None
    loss_value: float | None = None
    label: str = ""
    error: StepError | None = None
    raised: bool = False
    """Whether the last op is the one that raised."""

    def without_tail(self, known: Collection[Place]) -> list[OpRecord]:
        """The ops, less those after the last update that no step before this one had: they come after the loop."""
        last = len(self.records)
        while last and self.records[last - 1].place not in known and not _updates(self.records[last - 1]):
            last -= 1
        return self.records[:last] if any(map(_updates, self.records[:last])) else self.records


def _updates(record: OpRecord) -> bool:
    return bool(record.writes) or record.rebound is not None or record.counted


@dataclass(frozen=True, slots=True)
class Known:
    """A structure that was seen: its Graph, and the shapes and strides of the step that it was first seen in."""

    graph: Graph
    shapes: tuple[Shape, ...]
    steps: tuple[tuple[int, ...], ...]
    """Per value its strides in bytes."""
    arguments: tuple[Arguments, ...]
    tape: NDArray[np.int32]
    loss: int
    """The loss's id, or NONE."""


class Assembler:
    """Makes Traces, and keeps the Graphs of the structures that it has seen. ``former`` learns from them.

    With ``of`` another Assembler, which shares what it knows, it makes those of steps under way.
    """

    def __init__(self, sink: Sink, former: Former, of: Assembler | None = None) -> None:
        self._sink, self.former, self._under_way = sink, former, of is not None
        self._known: OrderedDict[Hashable, Known] = OrderedDict()
        self._graphs: dict[str, Known] = {}
        self._made = 0
        self._printed: set[Place] = set() if of is None else of._printed
        self._files: set[str] = set()
        self.last_place: Place | None = None
        """Where the last op of the last step was."""

    def assemble(self, ended: Pass, step: int, clock: float) -> Trace:
        """The Trace of a pass; ``clock`` is the time at which the clock of its records was 0."""
        self.last_place = ended.records[-1].place
        self._printed.update(r.place for r in ended.records if any(slot.printed for slot in r.outputs))
        values = number(ended.records)
        known = self._structure(ended, values)
        rows = [ended.measured[slot].row if slot in ended.measured else UNKNOWN for slot in values]
        table = np.array(rows, dtype=np.float64).reshape(len(rows), len(STATISTICS)).T.copy()
        times, durations = _times(ended.records, known.graph)
        return Trace(
            step=step,
            graph=known.graph,
            tape=known.tape,
            values=table,
            gradients=table[:, np.array([edge.by for edge in known.graph.edges], dtype=np.intp)],
            loss=_loss(ended, known, table),
            start=clock + (times[0] if len(times) else 0.0),
            times=times - times[:1],
            durations=durations,
            tensors=MappingProxyType(_tensors(ended, values, known.graph)),
            shapes=MappingProxyType({i: slot.shape for slot, i in values.items() if slot.shape != known.shapes[i]}),
            strides=MappingProxyType(_strides(values, known)),
            arguments=MappingProxyType(_arguments(ended.records, known)),
            label=ended.label,
            done=ended.error is None,
            error=replace(ended.error, event=len(known.tape) - 1) if ended.error is not None and ended.raised else ended.error,
        )

    def roles(self, records: list[OpRecord]) -> Roles:
        """What the ops of a step under way are."""
        return self.former.roles(flow_of(records), self._printed)

    def _structure(self, ended: Pass, values: dict[Slot, int]) -> Known:
        signature = self._signature(ended, values)
        known = self._known.get(signature)
        if known is None:
            known = self._known[signature] = self._build(ended, values)
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(signature)
        return known

    def _signature(self, ended: Pass, values: dict[Slot, int]) -> Hashable:
        """What makes two passes one structure. Shapes are in it, since a gradient is known by its shape too."""
        ops = tuple(
            (
                record.name,
                record.place,
                record.variable,
                tuple([values[slot] for slot in record.inputs]),
                tuple([values[slot] for slot in record.outputs]),
                tuple([values.get(old, NONE) for old, _ in record.writes]),
                values.get(record.rebound, NONE) if record.rebound is not None else NONE,
                record.counted,
                record.place in self._printed,
            )
            for record in ended.records
        )
        slots = tuple([(slot.name, slot.aliases, slot.shape, slot.dtype) for slot in values])
        return (
            ops,
            slots,
            values.get(ended.loss, NONE) if ended.loss is not None else NONE,
            self._under_way and self.former.learned,
        )

    def _build(self, ended: Pass, values: dict[Slot, int]) -> Known:
        flow = flow_of(ended.records)
        roles = self.former.roles(flow, self._printed) if self._under_way else find_roles(flow, self._printed, ended.loss)
        graph = build_graph(flow, roles, values, self._made)
        same = self._graphs.get(graph.key)
        if same is not None:
            return same
        self._made += 1
        if not self._under_way:
            self.former.learn(flow, roles)
        tape = np.arange(len(graph.events), dtype=np.int32)
        tape.flags.writeable = False
        loss = values[roles.loss] if roles.loss is not None else NONE
        shapes, steps = tuple(v.shape for v in graph.values), tuple(slot.steps for slot in values)
        known = Known(graph, shapes, steps, tuple(op.arguments for op in graph.ops), tape, loss)
        self._graphs[graph.key] = known
        if len(self._graphs) > _KNOWN:
            del self._graphs[next(iter(self._graphs))]
        self._keep_sources(graph)
        return known

    def _keep_sources(self, graph: Graph) -> None:
        for file in {site.file for site in graph.sites} - self._files:
            self._files.add(file)
            self._sink.source(file, "".join(linecache.getlines(file)))


def _strides(values: dict[Slot, int], known: Known) -> dict[int, Strides]:
    """The strides of those Values that lie otherwise in memory than in the step that the Graph tells of."""
    found: dict[int, Strides] = {}
    for slot, index in values.items():
        if slot.steps != known.steps[index] or slot.shape != known.shapes[index]:
            strides, first = slot.strides, known.graph.values[index].strides
            if strides is not None and strides != expected(slot.shape, known.shapes[index], first):
                found[index] = strides
    return found


def _arguments(records: Sequence[OpRecord], known: Known) -> dict[int, Arguments]:
    """The arguments of those ops that were given others than in the step that the Graph tells of."""
    given = enumerate(zip(map(words, records), known.arguments, strict=True))
    return {index: now for index, (now, first) in given if now != first}


def _loss(ended: Pass, known: Known, table: NDArray[np.float64]) -> float | None:
    if ended.loss_value is not None:
        return ended.loss_value
    if known.loss == NONE or table[0, known.loss] != 1:
        return None
    return float(table[STATISTICS.index("sum"), known.loss])


def _times(records: list[OpRecord], graph: Graph) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When every event began, and how long it took; the loss is there when its op has ended."""
    begins: list[float] = []
    durations: list[float] = []
    for event in graph.events:
        if event.kind == "loss":
            begins.append(begins[-1] + durations[-1])
            durations.append(0.0)
        else:
            begins.append(records[event.ref].begin)
            durations.append(records[event.ref].duration)
    return np.array(begins), np.array(durations)


def _tensors(ended: Pass, values: dict[Slot, int], graph: Graph) -> dict[TensorKey, Kept]:
    kept = {index: ended.measured[slot].kept for slot, index in values.items() if slot in ended.measured}
    found: dict[TensorKey, Kept] = {("value", index): one for index, one in kept.items() if one is not None}
    for edge in graph.edges:
        one = kept.get(edge.by)
        if one is not None:
            found["gradient", edge.id] = one
    return found
