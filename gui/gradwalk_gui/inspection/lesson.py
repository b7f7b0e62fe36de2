"""What is learnt from one op of a step: its formula with the recorded tensors, and one element of a gradient written out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.reference.arithmetic import Arithmetic, Place, arithmetic, operands_at
from gradwalk.reference.bound import Bound, bind
from gradwalk.reference.registry import Formula, formula_of
from gradwalk.reference.untold import arguments_of
from gradwalk.same import Same
from gradwalk.tape import index, shape_of, value_label
from gradwalk.trace import Edge, Op, TensorKey, Trace

from .facts import gradient_label, kept_at


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The gradient that an op sends to one of its inputs: the symbol in the formula, the edge, and what it is called."""

    symbol: str
    edge: int
    label: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """One element of a gradient, written out, and the number that was recorded for it."""

    sum: Arithmetic
    recorded: float
    dtype: str

    @property
    def error(self) -> float:
        """How far the recorded number is from the sum; 0 where both are the same NaN or Inf."""
        total = self.sum.total
        same = total == self.recorded or (math.isnan(total) and math.isnan(self.recorded))
        return 0.0 if same else abs(total - self.recorded)

    @property
    def agrees(self) -> bool:
        """Whether rounding in the recorded dtype explains the difference."""
        return self.error <= self.sum.rounding(self.dtype)


def formula_for(op: Op) -> Formula | None:
    """The formula of an op; None for a custom Function, whose name may be that of an op."""
    return None if op.custom else formula_of(op.name, op.arguments)


@lru_cache(maxsize=64)
def _outgoing(key: Same[Trace], op_id: int) -> tuple[Outgoing, ...]:
    trace = key.thing
    op = trace.graph.ops[op_id]
    formula = formula_for(op)
    if formula is None or op.phase != "forward":
        return ()
    nodes = index(trace.graph).nodes_of_op[op_id]
    sent = [trace.graph.edges[edge] for node in nodes for edge in index(trace.graph).edges_from[node]]
    last = max((edge.backward for edge in sent), default=0)
    found, used = [], set[int]()
    for symbol, value in zip(formula.inputs, op.inputs, strict=False):
        edge = next((e for e in sent if e.value == value and e.backward == last and e.id not in used and not e.none), None)
        if edge is not None and symbol in formula.vjps:
            used.add(edge.id)
            found.append(Outgoing(symbol, edge.id, gradient_label(trace.graph, edge), shape_of(trace, value)))
    return tuple(found)


def outgoing_of(trace: Trace, op: Op) -> tuple[Outgoing, ...]:
    """The gradients that an op's Nodes send on and its formula knows, in the order of its inputs."""
    return _outgoing(Same(trace), op.id)


def written(trace: Trace, op: Op, gradient: Outgoing, element: Place) -> Written:
    """One element of a gradient as a sum. Raises ValueError, in words, where it cannot be written out."""
    bound = _bound(Same(trace), op.id)
    recorded = _elements(trace, ("gradient", gradient.edge), gradient.label)
    return Written(
        arithmetic(bound, gradient.symbol, element),
        float(recorded[element]),
        trace.graph.values[trace.graph.edges[gradient.edge].value].dtype,
    )


def strongest(trace: Trace, gradient: Outgoing) -> Place:
    """Where the largest absolute value of a gradient stands. Raises ValueError where its elements are not kept."""
    data = np.abs(np.nan_to_num(_elements(trace, ("gradient", gradient.edge), gradient.label)))
    if not data.size:
        raise ValueError(f"{gradient.label} has no elements")
    return tuple(int(i) for i in np.unravel_index(int(data.argmax()), data.shape))


@lru_cache(maxsize=8)
def _bound(key: Same[Trace], op_id: int) -> Bound:
    trace = key.thing
    op = trace.graph.ops[op_id]
    formula = formula_for(op)
    assert formula is not None
    tensors = [_elements(trace, ("value", value), value_label(trace.graph, value)) for value in op.inputs]
    out = _elements(trace, ("value", op.outputs[0]), value_label(trace.graph, op.outputs[0]))
    return bind(formula, arguments_of(trace.graph, op), tensors, _incoming(trace, op), out)


def incoming_edges(trace: Trace, op: Op) -> tuple[int, ...]:
    """The edges that bring the gradient of an op's first output, in the last backward that came here."""
    look = index(trace.graph)
    into = [trace.graph.edges[edge] for node in look.nodes_of_op[op.id] for edge in look.edges_into[node]]
    of_output = [edge for edge in into if edge.value in op.outputs[:1] and not edge.none]
    last = max((edge.backward for edge in of_output), default=0)
    return tuple(edge.id for edge in of_output if edge.backward == last)


def _incoming(trace: Trace, op: Op) -> NDArray[np.float64]:
    """dL/d output: where gradients meet, their sum. Raises ValueError where none was recorded."""
    parts = [_gradient(trace, trace.graph.edges[edge]) for edge in incoming_edges(trace, op)]
    if not parts:
        raise ValueError(f"the gradient of what {op.name} gives was not computed in this step")
    total: NDArray[np.float64] = np.sum(parts, axis=0)
    return total


def _gradient(trace: Trace, edge: Edge) -> NDArray[np.float64]:
    return _elements(trace, ("gradient", edge.id), gradient_label(trace.graph, edge))


def _elements(trace: Trace, key: TensorKey, name: str) -> NDArray[np.float64]:
    """All elements of a tensor, float64 (whole numbers stay). Raises ValueError where the recording has not all of them."""
    kept = kept_at(trace, key)
    if kept is None:
        raise ValueError(f"the elements of {name} are not kept in this step")
    if not kept.complete:
        raise ValueError(f"only a sample of {name} is kept")
    if np.iscomplexobj(kept.data):
        raise ValueError(f"{name} is complex")
    return kept.data.astype(np.float64) if kept.data.dtype.kind == "f" else kept.data  # type: ignore[return-value]


def local_of(trace: Trace, op: Op, gradient: Outgoing, made: Written) -> tuple[str, tuple[tuple[str, Place, float], ...]]:
    """The local derivative as the formula has it (``n * X ** (n - 1)``) and the elements in it; nothing for many terms."""
    formula = formula_for(op)
    if formula is None or len(made.sum.terms) != 1 or made.sum.terms[0].factor is not None:
        return "", ()
    incoming, text = f"dL/d{formula.output}", dict(formula.gradients)[gradient.symbol].split(" = ", 1)[1]
    sign = "-" if text.startswith("-") else ""
    rest = text.removeprefix("-").removeprefix(incoming).strip()
    if incoming in rest or "," in rest:
        return "", ()
    local = f"{sign}1" if not rest else f"{sign}1 {rest}" if rest.startswith("/") else f"{sign}{rest.removeprefix('*').strip()}"
    return local, tuple(operands_at(_bound(Same(trace), op.id), gradient.symbol, made.sum.terms[0].place))
