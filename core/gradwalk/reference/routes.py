"""The ways that the gradients of a step took: which op gave which Value its gradient, backward by backward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from ..tape import index, moments
from ..trace import NONE, Edge, Graph, Trace

BY_HAND = "(by hand)"


@dataclass(slots=True, eq=False)
class Stop:
    """Where gradients came in and went on: an op with all of its Nodes, a leaf's AccumulateGrad, or a Node without an op.

    ``given`` are per Value the edges that bring it its gradient from here; of a hand-written backward it may be none.
    """

    op: int = NONE
    leaf: int = NONE
    given: dict[int, list[Edge]] = field(default_factory=dict)
    stored: list[Edge] = field(default_factory=list)
    """The edges to the leaf's ``.grad``."""
    moment: int = NONE


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One backward: its seeds by Value (the Edge, or None for a seed of 1), and its stops in an order that no gradient goes
    against.
    """

    seeds: Mapping[int, Edge | None]
    stops: Sequence[Stop]


def routes_of(trace: Trace) -> tuple[Route, ...]:
    """The backwards of a step, in their order."""
    graph, when = trace.graph, moments(trace)
    if any(node.name.endswith(BY_HAND) for node in graph.nodes):
        return (_by_hand(trace),)
    ran: dict[int, list[Edge]] = {}
    for edge in graph.edges:
        if not edge.none and when.edges[edge.id] != NONE:
            ran.setdefault(edge.backward, []).append(edge)
    return tuple(_route(trace, ran[backward]) for backward in sorted(ran))


def _route(trace: Trace, edges: Sequence[Edge]) -> Route:
    graph, when = trace.graph, moments(trace)
    stops: dict[tuple[str, int], Stop] = {}
    before: dict[tuple[str, int], set[tuple[str, int]]] = {}
    seeds: dict[int, Edge | None] = {}
    for edge in edges:
        source, target = _place(graph, edge.source), _place(graph, edge.target)
        moment = int(when.edges[edge.id])
        for place in (source, target):
            if place is not None:
                before.setdefault(place, set())
                stops.setdefault(place, _stop(graph, place))
        if source is None:
            seeds[edge.value] = edge
            continue
        stop = stops[source]
        stop.moment = max(stop.moment, moment)
        if target is None:
            stop.stored.append(edge)
        elif target != source:
            before[target].add(source)
            if edge.value != NONE:
                stop.given.setdefault(edge.value, []).append(edge)
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError:
        order = sorted(stops, key=lambda place: stops[place].moment)
    return Route(seeds, [stops[place] for place in order])


def _place(graph: Graph, node: int) -> tuple[str, int] | None:
    if node == NONE:
        return None
    op = graph.nodes[node].op
    return ("node", node) if op == NONE else ("op", op)


def _stop(graph: Graph, place: tuple[str, int]) -> Stop:
    kind, number = place
    return Stop(op=number) if kind == "op" else Stop(leaf=graph.nodes[number].leaf)


def _by_hand(trace: Trace) -> Route:
    """The backward of a program that writes it out: from the loss along the formulas, next to the arrays that hold gradients."""
    graph, look, when = trace.graph, index(trace.graph), moments(trace)
    edges: dict[tuple[int, int], list[Edge]] = {}
    stops = []
    for edge in graph.edges:
        if edge.none or when.edges[edge.id] == NONE:
            continue
        if edge.target == NONE:
            stops.append(Stop(leaf=edge.value, stored=[edge], moment=int(when.edges[edge.id])))
        elif edge.source != NONE:
            edges.setdefault((graph.nodes[edge.source].op, edge.value), []).append(edge)
    ops = []
    for op in reversed(graph.ops):
        if look.nodes_of_op[op.id] and op.phase in ("forward", "loss"):
            wanted = [value for value in dict.fromkeys(op.inputs) if graph.values[value].requires_grad]
            given = {value: edges.get((op.id, value), []) for value in wanted}
            last = max((int(when.edges[edge.id]) for some in given.values() for edge in some), default=NONE)
            ops.append(Stop(op=op.id, given=given, moment=last))
    losses = [value for value in sorted(look.losses) if graph.values[value].op != NONE]
    return Route(dict.fromkeys(losses), [*ops, *stops])


@dataclass(frozen=True, slots=True)
class Depths:
    """How many ops lie between a thing and the loss, by the longest way: of Values that get a gradient, and of stops (ops)."""

    values: Mapping[int, int]
    ops: Mapping[int, int]


def depths_of(graph: Graph, routes: Sequence[Route]) -> Depths:
    """The depths along all backwards of a step; 0 is the loss."""
    values: dict[int, int] = {}
    ops: dict[int, int] = {}
    for route in routes:
        here = dict.fromkeys(route.seeds, 0)
        for stop in route.stops:
            if stop.op == NONE:
                continue
            depth = 1 + max((here.get(value, 0) for value in graph.ops[stop.op].outputs), default=0)
            ops[stop.op] = max(depth, ops.get(stop.op, 0))
            for value in stop.given:
                here[value] = max(depth, here.get(value, 0))
        for value, depth in here.items():
            values[value] = max(depth, values.get(value, 0))
    return Depths(values, ops)
