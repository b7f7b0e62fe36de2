"""What verdicts come to: a mark for an op, for an event, for the gradient on an edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .reference.registry import formula_of
from .tape import index
from .trace import NONE, Event, Graph, Verdict


class Mark(IntEnum):
    """What a verdict comes to; of several things the largest stands for all.

    Where there is a reference and nothing to compare with it, since tensors are not kept, nothing is known.
    """

    UNKNOWN = 0
    AGREES = 1
    NO_REFERENCE = 2
    DIFFERS = 3


WORDS = {Mark.UNKNOWN: "", Mark.AGREES: "agrees", Mark.NO_REFERENCE: "no reference", Mark.DIFFERS: "differs"}


def has_reference(graph: Graph, op: int) -> bool:
    """Whether there is a formula for an op, or for each of the ops inside a custom Function."""
    todo, seen = [op], set[int]()
    while todo:
        one = graph.ops[todo.pop()]
        seen.add(one.id)
        inside = [other.id for other in graph.ops if other.parent == one.id and other.phase == "forward"] if one.custom else []
        if not inside and (one.custom or formula_of(one.name) is None):
            return False
        todo += [other for other in inside if other not in seen]
    return True


def mark_of(graph: Graph, verdict: Verdict | None) -> Mark:
    """The mark of an op."""
    if verdict is None:
        return Mark.UNKNOWN
    if not verdict.rows:
        return Mark.UNKNOWN if has_reference(graph, verdict.op) else Mark.NO_REFERENCE
    return mark_of_answer(verdict.agrees)


def mark_of_answer(agrees: bool | None) -> Mark:
    """The mark of something that was compared."""
    return Mark.NO_REFERENCE if agrees is None else Mark.AGREES if agrees else Mark.DIFFERS


def mark_of_half(graph: Graph, verdict: Verdict | None, *, backward: bool) -> Mark:
    """The mark of an op's outputs, or of the gradients that it gives."""
    if verdict is None:
        return Mark.UNKNOWN
    rows = [row for row in verdict.rows if (row.tensor[0] == "gradient") is backward]
    if not rows:
        left_out = verdict.rows and verdict.sentence
        return Mark.UNKNOWN if left_out else mark_of(graph, Verdict(verdict.op, verdict.by, (), verdict.sentence))
    return mark_of_answer(replace(verdict, rows=tuple(rows)).agrees)


def mark_of_event(graph: Graph, by_op: Mapping[int, Verdict], event: Event) -> Mark:
    """The mark of an op that ran, or of a Node for the gradients that it gave; of any other event none."""
    if event.kind == "node":
        return mark_of_half(graph, by_op.get(graph.nodes[event.ref].op), backward=True)
    if event.kind == "op" and event.phase in ("forward", "loss"):
        return mark_of_half(graph, by_op.get(event.ref), backward=False)
    return Mark.UNKNOWN


def marks_of_edges(graph: Graph, by_op: Mapping[int, Verdict]) -> NDArray[np.int8]:
    """Per Edge the mark of the gradient on it, int8 ``[edges]``: that of the op that gave it, of a leaf's sum the worst."""
    marks = np.zeros(len(graph.edges), np.int8)
    look = index(graph)
    for op, verdict in by_op.items():
        rows = dict[int, Mark]()
        for row in verdict.rows:
            if row.tensor[0] == "gradient":
                value = graph.edges[row.tensor[1]].value
                rows[value] = max(rows.get(value, Mark.UNKNOWN), mark_of_answer(verdict.says(row)))
        without = mark_of_half(graph, verdict, backward=True) if not rows else Mark.NO_REFERENCE
        for edge in (edge for node in look.nodes_of_op[op] for edge in look.edges_from[node]):
            marks[edge] = rows.get(graph.edges[edge].value, without)
    for node in graph.nodes:
        if node.leaf != NONE:
            into = [int(marks[edge]) for edge in look.edges_into[node.id] if graph.edges[edge].source != NONE]
            for edge in look.edges_from[node.id]:
                marks[edge] = max(into, default=0) if 0 not in into or Mark.DIFFERS in into else Mark.UNKNOWN
    return marks


def marks_of_events(graph: Graph, by_op: Mapping[int, Verdict]) -> NDArray[np.int8]:
    """Per event the mark of what it gave, int8 ``[events]``."""
    if not by_op:
        return np.zeros(len(graph.events), np.int8)
    return np.array([mark_of_event(graph, by_op, event) for event in graph.events], np.int8)
