"""What is known of a step's ops against the NumPy reference: found by the window, or by the training as the step ran. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gradwalk.reference.registry import formula_of
from gradwalk.tape import index
from gradwalk.trace import NONE, Event, Graph, Trace, Verdict

REMEMBERED = 20_000
"""So many verdicts at most are remembered, those of the steps checked last; those of one step always are."""


class Mark(IntEnum):
    """What a verdict comes to; of several things the largest stands for all.

    Where there is a reference and nothing to compare with it, since tensors are not kept, nothing is known.
    """

    UNKNOWN = 0
    AGREES = 1
    NO_REFERENCE = 2
    DIFFERS = 3


WORDS = {Mark.UNKNOWN: "", Mark.AGREES: "agrees", Mark.NO_REFERENCE: "no reference", Mark.DIFFERS: "differs"}

NOT_COMPARED = "not compared"
"""What is said of an op that has a reference, and whose tensors are not there."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """The verdicts of a step by op."""

    by_op: Mapping[int, Verdict] = field(default_factory=lambda: MappingProxyType({}))

    def __bool__(self) -> bool:
        return bool(self.by_op)


NO_VERDICTS = Verdicts()


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """The verdicts that the window found for a step (an index into the recording), as it was then.

    A step that has grown, or whose tensors have come since, is another: ``events`` and ``tensors`` say how much of it was there.
    """

    step: int
    events: int
    tensors: int
    verdicts: Mapping[int, Verdict]

    def fits(self, step: int, trace: Trace) -> bool:
        """Whether it is of this step as it is now."""
        return step == self.step and (self.events, self.tensors) == (len(trace.tape), len(trace.tensors))


def remember(checked: tuple[Checked, ...], step: int, trace: Trace, verdicts: Mapping[int, Verdict]) -> tuple[Checked, ...]:
    """What is remembered once ``verdicts`` are known too; the steps checked longest ago are let go of."""
    before = next((one.verdicts for one in checked if one.fits(step, trace)), {})
    kept = [Checked(step, len(trace.tape), len(trace.tensors), {**before, **verdicts})]
    room = REMEMBERED - len(kept[0].verdicts)
    for one in reversed([one for one in checked if one.step != step]):
        room -= len(one.verdicts)
        if room < 0:
            break
        kept.append(one)
    return tuple(reversed(kept))


def verdicts_of(trace: Trace, step: int = NONE, checked: tuple[Checked, ...] = ()) -> Verdicts:
    """What is known of a step: what was found while it ran, and besides that what the window found."""
    found = next((one.verdicts for one in checked if one.fits(step, trace)), None)
    if found is None and not trace.verdicts:
        return NO_VERDICTS
    return Verdicts({**(found or {}), **{verdict.op: verdict for verdict in trace.verdicts}})


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
    if verdict.agrees is None:
        return Mark.UNKNOWN if has_reference(graph, verdict.op) else Mark.NO_REFERENCE
    return Mark.AGREES if verdict.agrees else Mark.DIFFERS


def mark_of_half(graph: Graph, verdict: Verdict | None, *, backward: bool) -> Mark:
    """The mark of an op's outputs, or of the gradients that it gives."""
    if verdict is None:
        return Mark.UNKNOWN
    rows = [row for row in verdict.rows if (row.tensor[0] == "gradient") is backward]
    if not rows:
        left_out = verdict.rows and verdict.sentence
        return Mark.UNKNOWN if left_out else mark_of(graph, Verdict(verdict.op, verdict.by, (), verdict.sentence))
    return Mark.AGREES if all(row.agrees for row in rows) else Mark.DIFFERS


def mark_of_event(graph: Graph, verdicts: Verdicts, event: Event) -> Mark:
    """The mark of an op that ran, or of a Node for the gradients that it gave; of any other event none."""
    if event.kind == "node":
        return mark_of_half(graph, verdicts.by_op.get(graph.nodes[event.ref].op), backward=True)
    if event.kind == "op" and event.phase in ("forward", "loss"):
        return mark_of_half(graph, verdicts.by_op.get(event.ref), backward=False)
    return Mark.UNKNOWN


def marks_of_edges(graph: Graph, verdicts: Verdicts) -> NDArray[np.int8]:
    """Per Edge the mark of the gradient on it, int8 ``[edges]``: that of the op that gave it, of a leaf's sum the worst."""
    marks = np.zeros(len(graph.edges), np.int8)
    look = index(graph)
    for op, verdict in verdicts.by_op.items():
        rows = {graph.edges[row.tensor[1]].value: row.agrees for row in verdict.rows if row.tensor[0] == "gradient"}
        without = mark_of_half(graph, verdict, backward=True) if not rows else Mark.NO_REFERENCE
        for edge in (edge for node in look.nodes_of_op[op] for edge in look.edges_from[node]):
            agrees = rows.get(graph.edges[edge].value)
            marks[edge] = without if agrees is None else Mark.AGREES if agrees else Mark.DIFFERS
    for node in graph.nodes:
        if node.leaf != NONE:
            into = [int(marks[edge]) for edge in look.edges_into[node.id] if graph.edges[edge].source != NONE]
            for edge in look.edges_from[node.id]:
                marks[edge] = max(into, default=0) if 0 not in into or Mark.DIFFERS in into else Mark.UNKNOWN
    return marks


def together(marks: Iterable[int]) -> Mark:
    """The mark of several ops: that one differs, else nothing while one is not known, else that one agrees."""
    all_ = list(marks)
    if Mark.DIFFERS in all_:
        return Mark.DIFFERS
    if not all_ or Mark.UNKNOWN in all_:
        return Mark.UNKNOWN
    return Mark.AGREES if Mark.AGREES in all_ else Mark.NO_REFERENCE
