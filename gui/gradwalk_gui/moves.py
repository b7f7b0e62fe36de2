"""Where the playhead can jump to within a step: pure functions from a Trace and a place to a tape position. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from gradwalk.tape import event_at, index, module_of, moments, phases
from gradwalk.trace import NONE, Event, Trace


def phase_start(trace: Trace, position: int, by: Literal[1, -1]) -> int | None:
    """The nearest start (or the end) of a phase after, or before, ``position``; None where the step has no other."""
    starts = [start for _, start, _ in phases(trace)] + [len(trace.tape)]
    ahead = [start for start in starts if (start > position if by > 0 else start < position)]
    if not ahead:
        return None
    return min(ahead) if by > 0 else max(ahead)


def into_module(trace: Trace, position: int) -> int | None:
    """Before the next event that lies in another module call than the event at ``position``; None where there is none."""
    return _next_where(trace, position, lambda here, there: there != here and there != "")


def out_of_module(trace: Trace, position: int) -> int | None:
    """Before the next event that lies outside the module call of the event at ``position``; None where there is none."""
    return _next_where(trace, position, lambda here, there: not inside(here, there))


def inside(module: str, path: str) -> bool:
    """Whether ``path`` is ``module`` or lies in it; everything lies in the module without a name."""
    return module == "" or path == module or path.startswith(f"{module}.")


def _next_where(trace: Trace, position: int, wanted: Callable[[str, str], bool]) -> int | None:
    if position >= len(trace.tape):
        return None
    here = module_of(trace.graph, event_at(trace, position))
    for later in range(position + 1, len(trace.tape)):
        if wanted(here, module_of(trace.graph, event_at(trace, later))):
            return later
    return None


def counterpart(trace: Trace, event: Event) -> int | None:
    """The tape position of an op's first backward Node, or of the forward op of a Node; None where there is none.

    A leaf's AccumulateGrad goes with the first op that reads the leaf; the loss with the op that made it.
    """
    if event.phase == "forward":
        return _first_node_of(trace, event.ref)
    op = forward_op(trace, event)
    if op == NONE:
        return None
    at = int(moments(trace).ops[op])
    return None if at == NONE else at


def forward_op(trace: Trace, event: Event) -> int:
    """The forward Op that an event of the loss or of the backward phase answers to, or NONE."""
    graph, look = trace.graph, index(trace.graph)
    if event.kind == "loss":
        return graph.values[event.ref].op
    if event.kind in ("node", "accumulate"):
        node = graph.nodes[event.ref]
        return node.op if node.leaf == NONE else _first_reader(trace, node.leaf)
    edges = look.edges_of_event[event.id]
    sources = [graph.edges[edge].source for edge in edges if graph.edges[edge].source != NONE]
    return graph.nodes[sources[0]].op if sources else NONE


def _first_reader(trace: Trace, leaf: int) -> int:
    readers = [op for op in index(trace.graph).consumers[leaf] if trace.graph.ops[op].phase == "forward"]
    return readers[0] if readers else NONE


def _first_node_of(trace: Trace, op: int) -> int | None:
    nodes = moments(trace).nodes
    ran = [int(nodes[node]) for node in index(trace.graph).nodes_of_op[op] if nodes[node] != NONE]
    return min(ran) if ran else None


def position_of(trace: Trace, event: Event) -> int | None:
    """Where an event is on the tape, or None."""
    places = np.flatnonzero(trace.tape == event.id)
    return int(places[0]) if len(places) else None


def first_inside(trace: Trace, path: str) -> int | None:
    """Where the first event inside a module is on the tape, or None."""
    events, graph = trace.graph.events, trace.graph
    return next((i for i, event in enumerate(trace.tape.tolist()) if inside(path, module_of(graph, events[event]))), None)
