"""Functions over the record: statistics of a thing, what an event makes, what has happened at a playhead, labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .ragged import Ragged, ragged
from .same import Same
from .trace import NONE, STATISTICS, Edge, Event, Graph, Phase, Shape, Site, Trace, Value


@dataclass(frozen=True, slots=True)
class Stats:
    """Statistics of one tensor. ``nan``, ``inf``, ``zero`` are numbers of elements, None where they were not counted."""

    count: int
    min: float
    max: float
    mean: float
    rms: float
    nan: int | None
    inf: int | None
    zero: int | None

    @property
    def norm(self) -> float:
        """The L2 norm."""
        return self.rms * math.sqrt(self.count)


NOT_COUNTED = "not counted"


def stats_of(table: NDArray[np.float64], index: int) -> Stats | None:
    """The statistics in column ``index`` of a statistics table, or None where nothing was counted."""
    count, low, high, total, squares, nan, inf, zero = (float(x) for x in table[:, index])
    if not 0 <= count < math.inf:
        return None
    mean = total / count if count else math.nan
    rms = math.sqrt(squares / count) if count and squares >= 0 else (squares if count else math.nan)
    return Stats(int(count), low, high, mean, rms, _counted(nan), _counted(inf), _counted(zero))


def _counted(number: float) -> int | None:
    return int(number) if 0 <= number < math.inf else None


def why_not_counted(trace: Trace, kind: str, index: int) -> str:
    """Why a Value (``kind`` is ``value``) or the gradient on an Edge (``gradient``) has no statistics, in a few words."""
    value = trace.graph.edges[index].value if kind == "gradient" else index
    if value == NONE:
        return NOT_COUNTED
    of = trace.graph.values[value]
    if of.device == "meta":
        return "no statistics: a meta tensor has no elements"
    if of.layout and kind == "value":
        return f"no statistics: {of.layout} tensor"
    return "no statistics: complex numbers" if of.dtype.startswith("complex") else NOT_COUNTED


def rms_of(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square per thing, float64 ``[things]``; NaN where nothing was counted."""
    count, squares = table[STATISTICS.index("count")], table[STATISTICS.index("sumsq")]
    with np.errstate(all="ignore"):
        result: NDArray[np.float64] = np.sqrt(np.where(count > 0, squares / count, np.nan))
    return result


def shape_of(trace: Trace, value: int) -> Shape:
    """The shape of a Value in this step."""
    return trace.shapes.get(value, trace.graph.values[value].shape)


def gradient_shape(trace: Trace, edge: int) -> Shape | None:
    """The shape of the gradient on an Edge in this step: its Value's; None inside a composite op whose sizes have changed."""
    along = trace.graph.edges[edge]
    if along.value != NONE:
        return shape_of(trace, along.value)
    kept = trace.tensors.get(("gradient", edge))
    if kept is not None:
        return kept.shape
    count = trace.gradients[STATISTICS.index("count"), edge]
    return along.shape if along.shape is not None and count in (-1, math.prod(along.shape)) else None


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """Look-ups over a Graph, made once per Graph by :func:`index`."""

    nodes_of_op: tuple[tuple[int, ...], ...]
    """Per Op, its Nodes in the order of their ids."""
    node_of_leaf: dict[int, int]
    """AccumulateGrad by its leaf (a Value's id)."""
    consumers: tuple[tuple[int, ...], ...]
    """Per Value, the Ops that read it."""
    edges_into: tuple[tuple[int, ...], ...]
    """Per Node, the edges that bring it gradients."""
    edges_from: tuple[tuple[int, ...], ...]
    """Per Node, the edges that it sends gradients on."""
    edges_of_event: tuple[tuple[int, ...], ...]
    """Per Event, the edges whose gradient that event makes."""
    losses: frozenset[int]
    """The Values that are a loss of the step."""


@lru_cache(maxsize=64)
def _index(key: Same[Graph]) -> Index:
    graph = key.thing
    nodes_of_op: list[list[int]] = [[] for _ in graph.ops]
    for node in graph.nodes:
        if node.op != NONE:
            nodes_of_op[node.op].append(node.id)
    consumers: list[list[int]] = [[] for _ in graph.values]
    for op in graph.ops:
        for value in dict.fromkeys(op.inputs):
            consumers[value].append(op.id)
    into: list[list[int]] = [[] for _ in graph.nodes]
    out: list[list[int]] = [[] for _ in graph.nodes]
    for edge in graph.edges:
        if edge.target != NONE:
            into[edge.target].append(edge.id)
        if edge.source != NONE:
            out[edge.source].append(edge.id)
    return Index(
        tuple(map(tuple, nodes_of_op)),
        {node.leaf: node.id for node in graph.nodes if node.leaf != NONE},
        tuple(map(tuple, consumers)),
        tuple(map(tuple, into)),
        tuple(map(tuple, out)),
        _edges_by_event(graph),
        frozenset(event.ref for event in graph.events if event.kind == "loss"),
    )


def _edges_by_event(graph: Graph) -> tuple[tuple[int, ...], ...]:
    by_source: dict[tuple[int, int], list[int]] = {}
    by_value: dict[int, list[int]] = {}
    for edge in graph.edges:
        if edge.none:
            continue
        if edge.by != NONE:
            by_value.setdefault(edge.by, []).append(edge.id)
        else:
            by_source.setdefault((edge.source, edge.backward), []).append(edge.id)

    def made_by(event: Event) -> tuple[int, ...]:
        if event.kind in ("node", "accumulate"):
            return tuple(by_source.get((event.ref, event.backward), ()))
        if event.kind == "loss":
            return tuple(by_source.get((NONE, event.backward), ()))
        if not by_value:
            return ()
        return tuple(edge for value in graph.ops[event.ref].outputs for edge in by_value.get(value, ()))

    return tuple(made_by(event) for event in graph.events)


def index(graph: Graph) -> Index:
    """The look-ups of a Graph (cached)."""
    return _index(Same(graph))


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Per thing the tape position at which it happens, or NONE for never; int32 arrays over the Graph's tuples."""

    events: NDArray[np.int32]
    ops: NDArray[np.int32]
    nodes: NDArray[np.int32]
    edges: NDArray[np.int32]
    values: NDArray[np.int32]
    """When a Value is made; 0 for leaves and inputs, which are there from the start."""


def moments(trace: Trace) -> Moments:
    """When each thing of the step happens. A thing has happened at playhead ``p`` where ``0 <= moment < p``."""
    graph, by = trace.graph, _by_event(Same(trace.graph))
    events = _never(len(graph.events))
    events[trace.tape] = np.arange(len(trace.tape), dtype=np.int32)
    ran = events != NONE
    ops, nodes, edges = _never(len(graph.ops)), _never(len(graph.nodes)), _never(len(graph.edges))
    for things, which in ((ops, by.of_op & ran), (nodes, by.of_node & ran)):
        things[by.refs[which]] = events[which]
    made = ran[by.edges.rows]
    edges[by.edges.flat[made]] = events[by.edges.rows[made]]
    latest = by.edges_from.reduced(np.maximum, edges[by.edges_from.flat], NONE)
    nodes = np.where(nodes == NONE, latest, nodes).astype(np.int32)
    values = np.where(by.made_by == NONE, 0, ops[by.made_by] if len(ops) else 0).astype(np.int32)
    return Moments(events, ops, nodes, edges, values)


@dataclass(frozen=True, slots=True, eq=False)
class _ByEvent:
    """A Graph in arrays: per Event its ``refs``, whether it is of an op or a Node, the edges it makes; per Node those that
    leave it; per Value the op that makes it.
    """

    phases: NDArray[np.intp]
    """Per Event its phase, by number."""
    refs: NDArray[np.int32]
    of_op: NDArray[np.bool_]
    of_node: NDArray[np.bool_]
    edges: Ragged
    edges_from: Ragged
    made_by: NDArray[np.int32]


@lru_cache(maxsize=64)
def _by_event(key: Same[Graph]) -> _ByEvent:
    graph, look = key.thing, index(key.thing)
    names = {phase: number for number, phase in enumerate(sorted({event.phase for event in graph.events}))}
    return _ByEvent(
        np.array([names[event.phase] for event in graph.events], dtype=np.intp),
        np.array([event.ref for event in graph.events], dtype=np.int32),
        np.array([event.kind in ("op", "update") for event in graph.events], dtype=np.bool_),
        np.array([event.kind in ("node", "accumulate") for event in graph.events], dtype=np.bool_),
        ragged(look.edges_of_event),
        ragged(look.edges_from),
        np.array([value.op for value in graph.values], dtype=np.int32),
    )


def _never(things: int) -> NDArray[np.int32]:
    return np.full(things, NONE, dtype=np.int32)


def event_at(trace: Trace, position: int) -> Event:
    """The event at a tape position."""
    return trace.graph.events[int(trace.tape[position])]


def phases(trace: Trace) -> list[tuple[Phase, int, int]]:
    """Runs of equal phase along the tape as ``(phase, first position, one past the last)``."""
    if not len(trace.tape):
        return []
    numbers = _by_event(Same(trace.graph)).phases[trace.tape]
    starts = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]])).tolist()
    return [(event_at(trace, start).phase, start, end) for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True)]


def name_of(graph: Graph, event: Event) -> str:
    """What an event is called: the op's torch name, the Node's name, or ``loss``."""
    if event.kind in ("op", "update"):
        return graph.ops[event.ref].name
    return "loss" if event.kind == "loss" else graph.nodes[event.ref].name


def op_of(graph: Graph, event: Event) -> int:
    """The forward op that an event belongs to (a Node's is the op that made it), or NONE."""
    if event.kind in ("op", "update"):
        return event.ref
    return graph.values[event.ref].op if event.kind == "loss" else graph.nodes[event.ref].op


def site_of(graph: Graph, event: Event) -> Site | None:
    """The source of an event; a Node has the source of the forward op that made it."""
    op = op_of(graph, event)
    if op == NONE and event.kind == "accumulate":
        users = [use for use in index(graph).consumers[graph.nodes[event.ref].leaf] if graph.ops[use].phase == "forward"]
        op = users[0] if users else NONE
    if op == NONE or graph.ops[op].site == NONE:
        return None
    return graph.sites[graph.ops[op].site]


def module_of(graph: Graph, event: Event) -> str:
    """The module path of an event, or an empty string."""
    op = op_of(graph, event)
    module = graph.ops[op].module if op != NONE else NONE
    return graph.modules[module].path if module != NONE else ""


def variable_of(graph: Graph, event: Event) -> str:
    """The variable (or parameter) that an event gives: the op's, the loss's, or for a Node the value whose gradient it takes."""
    if event.kind in ("op", "update"):
        return graph.ops[event.ref].variable
    if event.kind == "loss":
        return graph.values[event.ref].name
    node = graph.nodes[event.ref]
    if node.leaf != NONE:
        return graph.values[node.leaf].name
    return graph.ops[node.op].variable if node.op != NONE else ""


def target_of(graph: Graph, edge: Edge) -> str:
    """Where a gradient goes, in words: ``MmBackward0``, ``AccumulateGrad w1`` or ``w1.grad``."""
    if edge.target == NONE:
        return f"{label_of(graph.values[edge.value])}.grad" if edge.value != NONE else ".grad"
    node = graph.nodes[edge.target]
    return f"{node.name} {label_of(graph.values[node.leaf])}" if node.leaf != NONE else node.name


def label_of(value: Value) -> str:
    """A short name for a Value, never empty."""
    return value.name or f"%{value.id}"


def value_label(graph: Graph, value: int) -> str:
    """A Value's name; an unnamed result is called by its op, such as ``mm output``."""
    made = graph.values[value]
    if made.name or made.op == NONE:
        return label_of(made)
    op = graph.ops[made.op]
    return op.variable or (f"{op.name} output {made.output}" if len(op.outputs) > 1 else f"{op.name} output")
