"""How gradients go through a Node: what comes in, where several meet, and what goes out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradwalk.tape import Stats, index, target_of
from gradwalk.trace import NONE, Shape, Trace

from ..state import Selection
from .facts import edge_shape, gradient_label, gradients_of, kept_at, stats_at
from .subject import has_come


@dataclass(frozen=True, slots=True)
class Flow:
    """One gradient: its name, where it comes from or goes to, and its statistics where it has come."""

    edge: int
    label: str
    other: str
    shape: Shape | None
    there: bool
    stats: Stats | None


@dataclass(frozen=True, slots=True)
class Meeting:
    """Several gradients of one Value that are added up. ``total`` is the RMS of the sum, NaN where it cannot be told."""

    label: str
    parts: tuple[Flow, ...]
    there: bool
    total: float


def incoming(trace: Trace, position: int, node: int) -> tuple[Flow, ...]:
    """The gradients that a Node takes."""
    return tuple(_flow(trace, position, edge, incoming_end=True) for edge in index(trace.graph).edges_into[node])


def outgoing(trace: Trace, position: int, node: int) -> tuple[Flow, ...]:
    """The gradients that a Node gives."""
    return tuple(_flow(trace, position, edge, incoming_end=False) for edge in index(trace.graph).edges_from[node])


def meetings(trace: Trace, position: int, subject: Selection) -> tuple[Meeting, ...]:
    """Where gradients meet at a thing: at a Node's inputs, or at a Value that several ops read."""
    graph = trace.graph
    if subject.kind == "node":
        edges = index(graph).edges_into[subject.id]
    elif subject.kind == "value":
        edges = tuple(edge for edge in gradients_of(graph, subject.id) if graph.edges[edge].target != NONE)
    else:
        return ()
    groups: dict[tuple[int, int, int], list[int]] = {}
    for edge in (graph.edges[i] for i in edges):
        groups.setdefault((edge.target, edge.input_nr, edge.backward), []).append(edge.id)
    return tuple(_meeting(trace, position, tuple(group)) for group in groups.values() if len(group) > 1)


def _flow(trace: Trace, position: int, edge_id: int, *, incoming_end: bool) -> Flow:
    graph = trace.graph
    edge = graph.edges[edge_id]
    if incoming_end:
        other = graph.nodes[edge.source].name if edge.source != NONE else "backward() itself"
    else:
        other = target_of(graph, edge)
    there = has_come(trace, position, edge_id)
    shape = edge_shape(trace, edge)
    return Flow(
        edge_id, gradient_label(graph, edge), other, shape, there, stats_at(trace, ("gradient", edge_id)) if there else None
    )


def _meeting(trace: Trace, position: int, edges: tuple[int, ...]) -> Meeting:
    parts = tuple(_flow(trace, position, edge, incoming_end=True) for edge in edges)
    there = all(part.there for part in parts)
    return Meeting(parts[0].label, parts, there, sum_rms(trace, edges) if there else math.nan)


def sum_rms(trace: Trace, edges: tuple[int, ...]) -> float:
    """The RMS of the sum of the gradients on some edges, from kept tensors; NaN where not all of them are kept."""
    kept = [kept_at(trace, ("gradient", edge)) for edge in edges]
    if any(k is None or not k.complete or k.data.shape != kept[0].data.shape for k in kept):  # type: ignore[union-attr]
        return math.nan
    total = np.sum([k.data.astype(np.float64) for k in kept if k is not None], axis=0)
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.square(total)))) if total.size else 0.0
