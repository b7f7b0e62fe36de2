"""Why the thing that is looked at has no gradient (``gradwalk.why`` knows)."""

from __future__ import annotations

from gradwalk import why
from gradwalk.trace import NONE, Trace

from ..numbers import count
from ..state import Selection
from .modules import boundary_of

MOST = 3
"""Of a module so many parameters without a gradient are told of."""


def why_no_gradient(trace: Trace, subject: Selection) -> str:
    """The sentence, or an empty string where the thing has a gradient or can have none; of a module one per parameter."""
    sentences = [sentence for value in _values(trace, subject) if (sentence := why.why_no_gradient(trace, value))]
    if subject.kind != "module":
        return next(iter(sentences), "")
    left = len(sentences) - MOST
    return " ".join([*sentences[:MOST], *([f"{count(left, 'more parameter')} without a gradient."] if left > 0 else [])])


def _values(trace: Trace, subject: Selection) -> tuple[int, ...]:
    """The Values that are asked about."""
    graph = trace.graph
    if subject.kind == "value":
        return (subject.id,)
    if subject.kind == "op":
        return graph.ops[subject.id].outputs if graph.ops[subject.id].phase == "forward" else ()
    if subject.kind == "node":
        leaf = graph.nodes[subject.id].leaf
        return (leaf,) if leaf != NONE else ()
    if subject.kind == "edge":
        edge = graph.edges[subject.id]
        return (edge.value,) if edge.none and edge.value != NONE else ()
    return boundary_of(graph, subject.id).parameters
