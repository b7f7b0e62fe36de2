"""What a check reads of a step: elements of Values, the gradients that came to an op and those that it gave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..tape import index
from ..trace import NONE, Edge, Graph, Kept, Op, Trace
from .attention import NO_MASK
from .program import Tensors, named
from .recurrent import NO_MASK as NO_MASK_BETWEEN
from .recurrent import SEQUENCES
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

    @cached_property
    def _into(self) -> list[Edge]:
        """The Edges with gradients of the outputs; what an op's own Nodes hand on is its backward's work."""
        into = [edge for edge in self._edges if edge.target in self.nodes and edge.source not in self.nodes]
        return [edge for edge in into if edge.value in self.op.outputs]

    @cached_property
    def _out(self) -> list[tuple[Edge, int]]:
        """The Edges with gradients of the inputs, and of which Value each is.

        Autocast casts a weight once for all ops that read it. What they give meets at the cast, so it is taken before that.
        """
        graph = self.trace.graph
        out = [(edge, self._as_read(_behind_cast(graph, edge))) for edge in self._edges if edge.source in self.nodes]
        return [(edge, value) for edge, value in out if value != NONE and not _meet_at(graph, edge.source)]

    def _as_read(self, value: int) -> int:
        """The input that a Value is, or a later version of: a leaf may have been written to since. NONE where it is none."""
        while value != NONE and value not in self.op.inputs:
            value = self.trace.graph.values[value].base
        return value

    @cached_property
    def backward(self) -> int:
        """The last backward in which gradients came to the op and were given by it."""
        came = {edge.backward for edge in self._into if self._ran(edge)}
        went = {edge.backward for edge, _ in self._out if self._ran(edge)}
        return max(came & went, default=max((edge.backward for edge, _ in self._out), default=NONE))

    def _ran(self, edge: Edge) -> bool:
        """Whether a gradient was seen on an Edge: of several backwards not each goes everywhere."""
        return edge.by != NONE or ("gradient", edge.id) in self.trace.tensors or self.trace.gradients[0, edge.id] >= 0

    @cached_property
    def _mixed(self) -> frozenset[int]:
        """The op's Nodes to which in that backward something else came than gradients of the outputs, and those after them: where
        a backward goes through the backward before, what that kept of the op has gradients of its own.
        """
        look, edges = index(self.trace.graph), self.trace.graph.edges
        ours = [edge for edge in self._edges if edge.backward == self.backward and edge.target in self.nodes]
        new = {edge.target for edge in ours if edge.source not in self.nodes and edge.value not in self.op.outputs}
        mixed = frozenset[int]()
        while new:
            mixed |= new
            after = {edges[edge].target for node in new for edge in look.edges_from[node]}
            new = (after & self.nodes) - mixed
        return mixed

    def incoming(self) -> tuple[Tensors, Tensors, int]:
        """The gradients of the outputs by Value, of the last backward that went through, those that meet added; what their
        absolute values add up to where several meet; and how many meet at most.
        """
        found, sizes, parts = dict[int, Any](), dict[int, Any](), Counter[int]()
        for edge in self._into:
            if edge.backward == self.backward:
                part = self.gradient(edge)
                parts[edge.value] += 1
                if edge.value in found:
                    sizes[edge.value] = sizes.get(edge.value, np.abs(found[edge.value])) + np.abs(part)
                    found[edge.value] = found[edge.value] + part
                else:
                    found[edge.value] = part
        return found, sizes, max(parts.values(), default=1)

    def given(self) -> dict[int, list[Edge]]:
        """The Edges with the gradients of the inputs, by Value, of the same backward."""
        found: dict[int, list[Edge]] = {}
        several = len({edge.backward for edge, _ in self._out}) > 1
        for edge, value in self._out:
            if edge.backward == self.backward and (self._ran(edge) or not several):
                found.setdefault(value, []).append(edge)
        return found

    def mixed(self, value: int) -> str:
        """What else the gradient of an input has than what the op made of the gradients of its outputs, if anything."""
        if all(edge.source not in self._mixed for edge in self.given().get(value, ())):
            return ""
        of = named(self.trace.graph, value)
        return f"the gradient of {of} has a part that came from a backward through the backward, and is not recorded by itself"

    def changed(self) -> str:
        """What may have changed gradients between their recording and the op, if anything: a hook of the script."""
        graph = self.trace.graph
        if self.op.name == "BackwardHookFunction":
            return "the module's hook may change the gradients here"
        for value in self.op.outputs:
            if any(hook.kind == "hook" for hook in graph.values[value].hooks):
                return f"a hook of {named(graph, value)} may change its gradient"
        if any(hook.kind in ("hook", "prehook") for node in self.nodes for hook in graph.nodes[node].hooks):
            return f"a hook of the Node of {self.op.name} may change its gradients"
        return ""

    def mask(self, op: Op) -> Array:
        """Which elements an op kept: of a dropout read off the output, and where the input is 0 or infinite, off the gradient; of
        one with dropout inside as recorded.
        """
        if op.name.rstrip("_") != "dropout":
            return drawn_by(self.trace, op)
        x, out = self.value(op.inputs[0]), self.value(op.outputs[0])
        kept = np.asarray(out != 0)
        given = self.given().get(op.inputs[0])
        if given and op is self.op:
            unseen = (np.asarray(x) == 0) | ~np.isfinite(x)
            kept = np.where(unseen, sum(self.gradient(edge) for edge in given) != 0, kept)
        return kept.astype(np.float64)


def drawn_by(trace: Trace, op: Op) -> Array:
    """The recorded mask of an op with dropout inside. Raises ValueError where it is not there."""
    kept = trace.tensors.get(("mask", op.id))
    if kept is None:
        raise ValueError(NO_MASK_BETWEEN if op.name in SEQUENCES.split() else NO_MASK)
    if not kept.complete:
        raise ValueError("only a sample of the mask of its dropout is recorded")
    if kept.data.dtype.kind != "b":
        raise ValueError("the mask of its dropout does not hold truth values")
    return kept.data.astype(np.float64)


def _behind_cast(graph: Graph, edge: Edge) -> int:
    """The Value whose gradient an Edge carries, also if a cast that several ops share lies between; NONE for any other."""
    if edge.value != NONE or edge.target == NONE or not _meet_at(graph, edge.target):
        return edge.value
    (*_, last) = (graph.edges[after].value for after in index(graph).edges_from[edge.target])
    return last


def _meet_at(graph: Graph, node: int) -> bool:
    """Whether gradients of several ops meet at a Node inside one of them: at a cast that they share."""
    op, look = graph.nodes[node].op, index(graph)
    if op == NONE or len(look.edges_from[node]) != 1 or not graph.nodes[node].name.startswith("ToCopyBackward"):
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
