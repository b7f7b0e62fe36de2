"""In-place writes to what a Node had kept for its backward."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ..same import Same
from ..tape import Moments, event_at, label_of, moments
from ..trace import NONE, Graph, Node, Trace
from .alert import Alert, Limits, told, where

KIND = "inplace"
_COMPLAINT = "modified by an inplace operation"


def inplace(trace: Trace, limits: Limits) -> list[Alert]:
    """An alert per write: one that autograd complained about, and those that it cannot see (through ``.data``)."""
    return [*_complained(trace), *_unseen(trace)]


def _complained(trace: Trace) -> list[Alert]:
    """The step ended in autograd's complaint: what of that Node's op was overwritten, and by which event."""
    error = trace.error
    if error is None or _COMPLAINT not in error.message or not 0 <= error.event < len(trace.tape):
        return []
    graph, event = trace.graph, event_at(trace, error.event)
    node = graph.nodes[event.ref] if event.kind == "node" else None
    if node is None or node.op == NONE:
        return []
    op = graph.ops[node.op]
    kept = f"{node.name} had kept for its backward"
    return [
        _alert(trace, value, writer, f"{kept}{where(trace, error.event)}, and autograd refused to go on")
        for value, writer in _writes(graph, moments(trace), (*op.outputs, *op.inputs), error.event, op.id)
    ][:1]


def _unseen(trace: Trace) -> list[Alert]:
    """Nodes that ran on a saved tensor which was written in between: their gradients are wrong, and nobody says so.

    In a step that goes on, also those that have yet to run.
    """
    suspects = _suspects(Same(trace.graph))
    if not suspects:
        return []
    graph, when, found = trace.graph, moments(trace), []
    for node, saved in suspects:
        ran = int(when.nodes[node.id])
        waits = ran == NONE and not trace.done and trace.error is None
        for value, writer in _writes(graph, when, saved, len(trace.tape) if waits else ran, node.op):
            found.append(_alert(trace, value, writer, _to_come(node) if waits else _wrong(trace, node, ran)))
    return found


def _wrong(trace: Trace, node: Node, ran: int) -> str:
    return f"{node.name} had kept for its backward{where(trace, ran)}: its gradient is wrong"


def _to_come(node: Node) -> str:
    """A write through ``.data`` is hidden from autograd."""
    return f"{node.name} keeps for its backward, yet to run: autograd will refuse it, or its gradient will be wrong"


@lru_cache(maxsize=64)
def _suspects(key: Same[Graph]) -> tuple[tuple[Node, tuple[int, ...]], ...]:
    """The Nodes that keep Values to which something else writes, with these; an update after all backwards does not count."""
    graph, writers = key.thing, _writers(key)
    phases = [event.phase for event in graph.events]
    last = len(phases) - phases[::-1].index("backward") if "backward" in phases else 0
    early = "update" in phases[:last]
    found = []
    for node in graph.nodes:
        if node.op != NONE:
            saved = [one.value for one in node.saved if one.value in writers and not one.name.startswith("running_")]
            values = tuple(value for value in saved if early or any(graph.ops[op].phase != "update" for op in writers[value]))
            found += [(node, values)] if values else []
    return tuple(found)


def _writes(graph: Graph, when: Moments, values: Iterable[int], before: int, by: int) -> list[tuple[int, int]]:
    """Of these Values those that another op than ``by`` wrote to after that one and before a tape position, with the position."""
    writers, found = _writers(Same(graph)), []
    for value in dict.fromkeys(values):
        for writer in writers.get(value, ()):
            position = int(when.ops[writer])
            if writer != by and when.ops[by] < position < before:
                found.append((value, position))
    return found


@lru_cache(maxsize=64)
def _writers(key: Same[Graph]) -> dict[int, tuple[int, ...]]:
    """Per Value the ops that made a next version of it."""
    found: dict[int, list[int]] = {}
    for other in key.thing.values:
        if other.base != NONE and other.op != NONE:
            found.setdefault(other.base, []).append(other.op)
    return {value: tuple(ops) for value, ops in found.items()}


def _alert(trace: Trace, value: int, position: int, consequence: str) -> Alert:
    name = label_of(trace.graph.values[value])
    named = name if trace.graph.values[value].name else "a tensor"
    sentence = told(trace, position, f" wrote in place to {named}", f", which {consequence}")
    return Alert(KIND, "error", trace.step, position, f"{name}{where(trace, position)}", sentence)
