"""How far a recorded tensor is from what the reference gives for it, element by element: what is behind a row of a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tape import index
from ..trace import NONE, Edge, Op, TensorKey, Trace
from .program import REFUSED, Step, Tensors, named, run, run_back, steps_of
from .registry import Array


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A tensor as it was recorded and as the reference gives it, float64 of one shape."""

    recorded: NDArray[np.float64]
    expected: NDArray[np.float64]

    @property
    def errors(self) -> NDArray[np.float64]:
        """``|recorded - expected|``: 0 where NaN or the same Inf stands on both sides, Inf where it stands on one."""
        seen, expected = self.recorded, self.expected
        same = (seen == expected) | (np.isnan(seen) & np.isnan(expected))
        both = np.isfinite(seen) & np.isfinite(expected)
        with np.errstate(all="ignore"):
            off: NDArray[np.float64] = np.where(same, 0.0, np.where(both, np.abs(seen - expected), np.inf))
        return off


def errors(trace: Trace, op: Op, tensor: TensorKey) -> NDArray[np.float64]:
    """The absolute difference of every element of a tensor that a verdict has a row for, float64 of the tensor's shape.

    ``tensor`` is an output of the op, or the Edge on which the gradient of one of its inputs leaves (those of an input that is
    read twice are added). Raises ValueError, in words, where it cannot be computed.
    """
    return sides(trace, op, tensor).errors


def sides(trace: Trace, op: Op, tensor: TensorKey) -> Side:
    """Both sides of what :func:`errors` compares. Raises ValueError, in words, where they cannot be computed."""
    record = _Record(trace, op)
    with np.errstate(all="ignore"):
        try:
            seen, expected = record.output(tensor[1]) if tensor[0] == "value" else record.gradient(tensor[1])
        except REFUSED as error:
            raise ValueError(str(error) or type(error).__name__) from error
    seen, expected = np.asarray(seen, np.float64), np.asarray(expected, np.float64)
    if seen.shape != expected.shape:
        raise ValueError(f"the reference gives the shape {expected.shape}, recorded is {seen.shape}")
    return Side(seen, expected)


class _Record:
    """An op of a step, its tensors as they were recorded, and its formulas run on them."""

    def __init__(self, trace: Trace, op: Op) -> None:
        self.trace, self.graph, self.op = trace, trace.graph, op
        look = index(trace.graph)
        self.nodes = frozenset(look.nodes_of_op[op.id])
        touching = {edge for node in self.nodes for edge in (*look.edges_into[node], *look.edges_from[node])}
        self.edges = [edge for edge in map(self.graph.edges.__getitem__, sorted(touching)) if not edge.none]

    def output(self, value: int) -> tuple[Any, Any]:
        """An output as recorded, and as computed."""
        steps, found, _ = self._forward()
        return self._value(value), found[self._made(value, steps, found)]

    def gradient(self, edge: int) -> tuple[Any, Any]:
        """The gradient of an input as recorded, summed where several leave, and as computed."""
        value = self.graph.edges[edge].value
        out = [each for each in self.edges if each.source in self.nodes and each.value == value]
        seen = sum(self._on(each) for each in _of_last(out))
        steps, found, outs = self._forward()
        seeds: Tensors = {}
        for into in _of_last([each for each in self.edges if each.target in self.nodes and each.value in self.op.outputs]):
            made = self._made(into.value, steps, found)
            seeds[made] = seeds[made] + self._on(into) if made in seeds else self._on(into)
        return seen, run_back(steps, found, outs, seeds)[value]

    def _forward(self) -> tuple[tuple[Step, ...], Tensors, list[Any]]:
        steps = steps_of(self.graph, self.op, self._value, self._mask)
        made = {value for step in steps for value in step.op.outputs}
        given = {value for step in steps for value in step.op.inputs} - made
        return steps, *run(steps, {value: self._value(value) for value in given})

    def _made(self, value: int, steps: tuple[Step, ...], found: Tensors) -> int:
        """The Value that was computed for an output: itself, or of a custom Function the one inside that is equal."""
        if not self.op.custom:
            return value
        seen = self._value(value)
        inside = [made for step in reversed(steps) for made in step.op.outputs if made in found]
        same = (made for made in inside if np.array_equal(self._value(made), seen, equal_nan=True))
        made = next(same, NONE)
        if made == NONE:
            raise ValueError(f"{named(self.graph, value)} is not what the ops inside {self.op.name} made")
        return made

    def _value(self, value: int) -> Any:
        return self._elements(("value", value), named(self.graph, value))

    def _on(self, edge: Edge) -> Any:
        of = f"the gradient of {named(self.graph, edge.value)}"
        key: TensorKey = ("gradient", edge.id)
        if key not in self.trace.tensors and edge.by != NONE:
            key = ("value", edge.by)
        return self._elements(key, of)

    def _elements(self, key: TensorKey, name: str) -> Any:
        kept = self.trace.tensors.get(key)
        if kept is None or not kept.complete:
            raise ValueError(f"the elements of {name} are not kept whole in this step")
        return kept.data.astype(np.float64) if kept.data.dtype.kind == "f" else kept.data

    def _mask(self, op: Op) -> Array:
        """Which elements a dropout kept: where it gave something, and where its input is 0, where its gradient is something."""
        x, kept = self._value(op.inputs[0]), np.asarray(self._value(op.outputs[0]) != 0)
        out = _of_last([edge for edge in self.edges if edge.source in self.nodes and edge.value == op.inputs[0]])
        if out and op is self.op:
            kept = np.where(np.asarray(x) == 0, sum(self._on(edge) for edge in out) != 0, kept)
        return kept.astype(np.float64)


def _of_last(edges: list[Edge]) -> list[Edge]:
    """Those of the last backward that came by."""
    last = max((edge.backward for edge in edges), default=0)
    return [edge for edge in edges if edge.backward == last]
