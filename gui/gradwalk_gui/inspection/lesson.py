"""What is learnt from one op of a step: its formula with the recorded tensors, one element of a gradient, the line of NumPy."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.reference.arithmetic import Arithmetic, Place, arithmetic, operands_at
from gradwalk.reference.bound import Bound, bind, value_of
from gradwalk.reference.numpy_code import forward_code, gradient_code
from gradwalk.reference.numpy_words import ALIASES, Call
from gradwalk.reference.registry import Formula, formula_of
from gradwalk.same import Same
from gradwalk.tape import index, shape_of, value_label
from gradwalk.trace import NONE, Edge, Graph, Op, TensorKey, Trace

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
    return None if op.custom else formula_of(op.name)


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
    return bind(formula, op.arguments, tensors, _incoming(trace, op), out)


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


@dataclass(frozen=True, slots=True)
class Lines:
    """An op as it was written, and the NumPy that does the same: the forward, and a line per gradient, or None."""

    written: str
    forward: str | None
    gradients: tuple[tuple[str, str | None], ...]


@lru_cache(maxsize=256)
def _lines(key: Same[Trace], op_id: int) -> Lines | None:
    trace = key.thing
    graph, op = trace.graph, trace.graph.ops[op_id]
    formula = formula_for(op)
    if not op.outputs:
        return None
    expression = graph.sites[op.site].expression if op.site != NONE else op.name
    outgoing = [gradient for gradient in outgoing_of(trace, op) if formula is not None]
    call = _call(trace, op, formula) if formula is not None else None
    if call is None:
        return Lines(expression, None, tuple((gradient.label, None) for gradient in outgoing))
    gradients = tuple((gradient.label, gradient_code(call, gradient.symbol)) for gradient in outgoing)
    return Lines(expression, forward_code(call), gradients)


def lines_of(trace: Trace, op: Op) -> Lines | None:
    """The line of NumPy of an op and of its gradients; None for an op that makes nothing."""
    return _lines(Same(trace), op.id)


def _call(trace: Trace, op: Op, formula: Formula) -> Call | None:
    symbols = dict(zip(formula.inputs, op.inputs, strict=False)) | {formula.output: op.outputs[0]}
    names = {symbol: variable_name(trace, value) for symbol, value in symbols.items()}
    shapes = {symbol: shape_of(trace, value) for symbol, value in symbols.items()}
    try:
        arguments = {name: value_of(text) for name, text in op.arguments}
    except ValueError:
        return None
    scalars = [name for name in arguments if name in ("other", "x1", "x2")]
    left_over = [symbol for symbol in formula.inputs if symbol not in symbols]
    for name, symbol in zip(scalars, left_over, strict=False):
        if name == "x1" and len(formula.inputs) > 1:
            names[symbol], names[formula.inputs[0]] = names[formula.inputs[0]], repr(arguments[name])
            shapes[symbol], shapes[formula.inputs[0]] = shapes[formula.inputs[0]], ()
        else:
            names[symbol], shapes[symbol] = repr(arguments[name]), ()
    aliases = ALIASES.get(op.name.rstrip("_"), {})
    return Call(formula, names, shapes, {aliases.get(name, name): value for name, value in arguments.items()})


def variable_name(trace: Trace, value: int) -> str:
    """What a Value would be called in a program: its name, else that of the op that made it, as in ``mm_out``."""
    graph = trace.graph
    made = graph.values[value]
    name = made.name or (graph.ops[made.op].variable if made.op != NONE else "")
    if name and all(part.isidentifier() for part in name.split(".")):
        return name
    if made.op == NONE:
        return f"t{value}"
    return _numbered(Same(graph))[made.op]


@lru_cache(maxsize=16)
def _numbered(key: Same[Graph]) -> tuple[str, ...]:
    """Per op what its unnamed result is called: ``clamp_out``; of several ops of a name with a number, ``mm_out2``."""
    names = [op.name.strip("_") for op in key.thing.ops]
    together, so_far = Counter(names), Counter[str]()
    made = []
    for name in names:
        so_far[name] += 1
        made.append(f"{name}_out{so_far[name] if together[name] > 1 else ''}")
    return tuple(made)


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
