"""What the forward keeps for the backward, and what it costs: bytes per op and per module, and how many at each moment."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tape import index, moments, shape_of
from .trace import NONE, Node, Saved, Trace


@dataclass(frozen=True, slots=True)
class SavedRow:
    """What the Nodes of one op keep. ``own`` are the bytes that live on for the backward alone: not leaves, not inputs.

    ``event`` is the op's tape position. What two ops keep is in the rows of both.
    """

    op: int
    event: int
    name: str
    module: str
    nodes: tuple[str, ...]
    tensors: int
    bytes: int
    own: int


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """What the ops of a module, and of the modules inside it, keep; each tensor counts once."""

    module: str
    tensors: int
    bytes: int
    own: int


@dataclass(frozen=True, slots=True)
class _Kept:
    key: Hashable
    op: int
    node: int
    bytes: int
    own: bool


def saved_of(trace: Trace) -> tuple[SavedRow, ...]:
    """A row per op whose Nodes keep something, in the order of the tape."""
    graph, when = trace.graph, moments(trace)
    of_op: dict[int, list[_Kept]] = {}
    for kept in _everything(trace):
        of_op.setdefault(kept.op, []).append(kept)
    rows = []
    for op, tensors in of_op.items():
        made = graph.ops[op]
        module = graph.modules[made.module].path if made.module != NONE else ""
        nodes = tuple(dict.fromkeys(graph.nodes[kept.node].name for kept in tensors))
        rows.append(SavedRow(op, int(when.ops[op]), made.name, module, nodes, *_sums(tensors)))
    return tuple(sorted(rows, key=lambda row: (row.event, row.op)))


def saved_by_module(trace: Trace) -> tuple[ModuleRow, ...]:
    """A row per module path, the largest first; what is kept outside of modules is in none."""
    of_module: dict[str, list[_Kept]] = {}
    for kept in _everything(trace):
        call = trace.graph.ops[kept.op].module
        while call != NONE:
            of_module.setdefault(trace.graph.modules[call].path, []).append(kept)
            call = trace.graph.modules[call].parent
    rows = [ModuleRow(path, *_sums(tensors)) for path, tensors in of_module.items()]
    return tuple(sorted(rows, key=lambda row: (-row.bytes, row.module)))


def held(trace: Trace) -> NDArray[np.int64]:
    """The bytes kept for the backward alone when ``p`` events have run, int64 ``[len(trace.tape) + 1]``; its maximum is the peak.

    A tensor is held from the op that keeps it until the last Node that does has run; what no Node asks for, to the end.
    """
    when, tape = moments(trace), len(trace.tape)
    lives: dict[Hashable, tuple[int, int, int]] = {}
    for kept in _everything(trace):
        start, ran = int(when.ops[kept.op]), int(when.nodes[kept.node])
        if not kept.own or start == NONE:
            continue
        end = ran + 1 if ran != NONE else tape + 1
        before = lives.get(kept.key, (start + 1, end, kept.bytes))
        lives[kept.key] = min(before[0], start + 1), max(before[1], end), kept.bytes
    change = np.zeros(tape + 2, dtype=np.int64)
    for start, end, size in lives.values():
        change[start] += size
        change[end] -= size
    line: NDArray[np.int64] = np.cumsum(change)[:-1]
    return line


def _sums(tensors: list[_Kept]) -> tuple[int, int, int]:
    """Number of tensors, bytes, own bytes; each tensor once."""
    once = {kept.key: kept for kept in tensors}.values()
    return len(once), sum(kept.bytes for kept in once), sum(kept.bytes for kept in once if kept.own)


def _everything(trace: Trace) -> Iterator[_Kept]:
    graph = trace.graph
    for nodes in index(graph).nodes_of_op:
        for node in (graph.nodes[number] for number in nodes):
            for number, saved in enumerate(node.saved):
                key = saved.value if saved.value != NONE else (node.id, number)
                yield _Kept(key, node.op, node.id, _bytes(trace, saved), _is_own(trace, node, saved))


def _bytes(trace: Trace, saved: Saved) -> int:
    """The bytes in this step: those that were noted belong to the first step of the structure."""
    elements = math.prod(saved.shape)
    if saved.value == NONE or not elements or math.prod(trace.graph.values[saved.value].shape) != elements:
        return saved.bytes
    return saved.bytes // elements * math.prod(shape_of(trace, saved.value))


def _is_own(trace: Trace, node: Node, saved: Saved) -> bool:
    """Whether a saved tensor is there for the backward alone.

    A leaf or an input is there anyway; so is a view of one. A tensor that is no Value of the step, with as many elements as a
    leaf or input that the op reads, is taken for such a view (``mat2`` of addmm is the weight, transposed).
    """
    values = trace.graph.values
    if saved.value != NONE:
        return values[saved.value].op != NONE
    there = [value for value in trace.graph.ops[node.op].inputs if values[value].op == NONE]
    return not any(math.prod(values[value].shape) == math.prod(saved.shape) for value in there)
