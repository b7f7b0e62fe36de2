"""What a check reads of a step: elements of Values, the gradients that came to an op and those that it gave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..tape import index
from ..trace import NONE, Edge, Graph, Kept, Op, Trace
from .program import Tensors, named
from .registry import Array


class NotThereError(ValueError):
    """A tensor's elements are not in the recording; the text says of which and why."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """One op of a step. Elements come as float64, whole numbers and truth values as they are; else NotThereError."""

    trace: Trace
    op: Op

    @cached_property
    def nodes(self) -> frozenset[int]:
        """The op's Nodes."""
        return frozenset(index(self.trace.graph).nodes_of_op[self.op.id])

    @cached_property
    def _edges(self) -> list[Edge]:
        look, edges = index(self.trace.graph), self.trace.graph.edges
        touching = {edge for node in self.nodes for edge in (*look.edges_into[node], *look.edges_from[node])}
        return [edge for edge in map(edges.__getitem__, sorted(touching)) if not edge.none]

    @cached_property
    def _read(self) -> dict[int, Any]:
        return {}

    def value(self, value: int) -> Any:
        """The elements of a Value."""
        if value not in self._read:
            self._read[value] = elements_in(self.trace.tensors.get(("value", value)), named(self.trace.graph, value))
        return self._read[value]

    def gradient(self, edge: Edge) -> Any:
        """The elements of the gradient on an Edge."""
        kept = self.trace.tensors.get(("gradient", edge.id))
        if kept is None and edge.by != NONE:
            kept = self.trace.tensors.get(("value", edge.by))
        of = named(self.trace.graph, edge.value) if edge.value != NONE else "a tensor inside the op"
        return elements_in(kept, f"the gradient of {of}")

    def incoming(self) -> tuple[Tensors, Tensors, int]:
        """The gradients of the outputs by Value, of the last backward that came here, those that meet added; what their absolute
        values add up to where several meet; and how many meet at most.
        """
        ours = [edge for edge in self._edges if edge.target in self.nodes and edge.value in self.op.outputs]
        into = [edge for edge in ours if edge.source not in self.nodes]  # what an op's own Nodes hand on is its backward's work
        last = max((edge.backward for edge in into), default=0)
        found, sizes, parts = dict[int, Any](), dict[int, Any](), Counter[int]()
        for edge in into:
            if edge.backward == last:
                part = self.gradient(edge)
                parts[edge.value] += 1
                if edge.value in found:
                    sizes[edge.value] = sizes.get(edge.value, np.abs(found[edge.value])) + np.abs(part)
                    found[edge.value] = found[edge.value] + part
                else:
                    found[edge.value] = part
        return found, sizes, max(parts.values(), default=1)

    def given(self) -> dict[int, list[Edge]]:
        """The Edges with the gradients of the inputs, by Value, of the last backward.

        Autocast casts a weight once for all ops that read it. What they give meets at the cast, so it is taken before that.
        """
        inputs, graph = set(self.op.inputs), self.trace.graph
        out = [(edge, _behind_cast(graph, edge)) for edge in self._edges if edge.source in self.nodes]
        out = [(edge, value) for edge, value in out if value in inputs and not _meet_at(graph, edge.source)]
        last = max((edge.backward for edge, _ in out), default=0)
        found: dict[int, list[Edge]] = {}
        for edge, value in out:
            if edge.backward == last:
                found.setdefault(value, []).append(edge)
        return found

    def mask(self, op: Op) -> Array:
        """Which elements a dropout kept, read off the output; where the input is 0, off the gradient."""
        x, out = self.value(op.inputs[0]), self.value(op.outputs[0])
        kept = np.asarray(out != 0)
        given = self.given().get(op.inputs[0])
        if given and op is self.op:
            kept = np.where(np.asarray(x) == 0, sum(self.gradient(edge) for edge in given) != 0, kept)
        return kept.astype(np.float64)


def _behind_cast(graph: Graph, edge: Edge) -> int:
    """The Value whose gradient an Edge carries, also if a cast that several ops share lies between; NONE for any other."""
    if edge.value != NONE or edge.target == NONE or not _meet_at(graph, edge.target):
        return edge.value
    (*_, last) = (graph.edges[after].value for after in index(graph).edges_from[edge.target])
    return last


def _meet_at(graph: Graph, node: int) -> bool:
    """Whether gradients of several ops meet at a Node inside one of them: at a cast that they share."""
    op, look = graph.nodes[node].op, index(graph)
    if op == NONE or len(look.edges_from[node]) != 1:
        return False
    into = (graph.edges[edge] for edge in look.edges_into[node])
    return any(edge.value == NONE and edge.source != NONE and graph.nodes[edge.source].op != op for edge in into)


def elements_in(kept: Kept | None, name: str) -> Any:
    """The elements of a tensor that is called ``name``. Raises NotThereError."""
    data = whole(kept, name).data
    return data.astype(np.float64) if data.dtype.kind == "f" else data


def whole(kept: Kept | None, name: str) -> Kept:
    """A tensor that is kept whole. Raises NotThereError for any other, and for complex numbers."""
    if kept is None:
        raise NotThereError(f"the elements of {name} are not kept in this step")
    if not kept.complete:
        raise NotThereError(f"only a sample of {name} is recorded")
    if kept.data.dtype.kind == "c":
        raise NotThereError(f"{name} has complex numbers, which no formula is for")
    return kept
