"""An op of a step as it was written, and the lines of NumPy that do the same: its forward, and the gradients of its inputs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from gradwalk.reference.bound import value_of
from gradwalk.reference.numpy_code import forward_code, gradient_code
from gradwalk.reference.numpy_words import ALIASES, Call
from gradwalk.reference.registry import Formula
from gradwalk.same import Same
from gradwalk.tape import shape_of
from gradwalk.trace import NONE, Graph, Op, Trace

from .lesson import formula_for, outgoing_of


@dataclass(frozen=True, slots=True)
class GradientLine:
    """The NumPy of the gradient of one input, or None; ``written`` is the expression of a backward that is written by hand."""

    label: str
    code: str | None
    written: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """An op as it was written, and the NumPy that does the same: the forward, and a line per gradient."""

    written: str
    forward: str | None
    gradients: tuple[GradientLine, ...]


@lru_cache(maxsize=256)
def _lines(key: Same[Trace], op_id: int) -> Lines | None:
    trace = key.thing
    graph, op = trace.graph, trace.graph.ops[op_id]
    formula = formula_for(op)
    if not op.outputs:
        return None
    call = _call(trace, op, formula) if formula is not None else None
    gradients = [
        GradientLine(g.label, gradient_code(call, g.symbol) if call is not None else None, _by_hand(graph, g.edge))
        for g in outgoing_of(trace, op)
    ]
    return Lines(_expression(graph, op), forward_code(call) if call is not None else None, tuple(gradients))


def _expression(graph: Graph, op: Op) -> str:
    return graph.sites[op.site].expression if op.site != NONE else op.name


def _by_hand(graph: Graph, edge: int) -> str:
    """The expression that a program itself makes a gradient with, or an empty string."""
    by = graph.edges[edge].by
    op = graph.values[by].op if by != NONE else NONE
    return _expression(graph, graph.ops[op]) if op != NONE else ""


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
