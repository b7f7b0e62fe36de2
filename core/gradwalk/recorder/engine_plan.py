"""What a backward of a known structure is: its Nodes, which gradients to look at where, and the order in which they ran."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch.autograd.graph import Node

from ..trace import NONE, Shape
from .graph_walk import Walk
from .record_facts import accumulated_by
from .records import BackwardRecord, EdgeRecord, OpRecord, Slot

_PASSES_ALL = frozenset(
    [
        "ViewBackward0",
        "UnsafeViewBackward0",
        "ReshapeAliasBackward0",
        "TBackward0",
        "TransposeBackward0",
        "PermuteBackward0",
        "UnsqueezeBackward0",
        "SqueezeBackward0",
        "SqueezeBackward1",
        "SqueezeBackward2",
        "AliasBackward0",
    ]
)
_PASSES_FIRST = frozenset(("AddBackward0", "SubBackward0"))
"""Nodes that send on the gradient that came to them, all of them or through their first output: its elements are the same."""


class Spot:
    """One input of a Node, at which a gradient arrives."""

    __slots__ = ("alias", "column", "input_nr", "none", "place")

    def __init__(self, place: int, input_nr: int, column: int, alias: int, none: bool) -> None:
        self.place, self.input_nr = place, input_nr
        self.none = none
        """Whether its Node gave None."""
        self.column = column
        """The one edge that arrives there, or NONE for several: their sources tell."""
        self.alias = alias
        """The edge whose gradient has the same elements, or NONE."""


class LeafEnd:
    """Where a backward ends in a leaf: the leaf's Value, that of its ``.grad``, and the edges to and from AccumulateGrad."""

    __slots__ = ("arriving", "edge", "gradient", "leaf", "none")

    def __init__(self, leaf: int, gradient: int, edge: int, arriving: int, none: bool) -> None:
        self.leaf, self.gradient, self.edge, self.arriving = leaf, gradient, edge, arriving
        self.none = none


class EnginePlan:
    """A backward, as it was walked and as it ran. Edges are numbered as in the Graph."""

    def __init__(
        self,
        found: Walk,
        record: BackwardRecord,
        first_edge: int,
        numbers: dict[Slot, int],
        base: int,
        shapes: Sequence[Shape],
    ) -> None:
        self._numbers, self._shapes = numbers, shapes
        sequences = [None if node.leaf is not None else node.sequence - base for node in record.nodes]
        # counted from that at which the step began; AccumulateGrad has none. Those of ``found`` are older in a step that was
        # followed and became records
        self.order = [place for place, _, _ in record.ran]
        self.losses = [numbers.get(edge.slot, NONE) if edge.slot is not None else NONE for edge in record.seeds]
        self.accumulates = bool(accumulated_by(record))
        self._edges: list[EdgeRecord] = [*record.seeds, *[edge for node in record.nodes for edge in node.edges]]
        self._first = first_edge
        self.arriving = self._arriving()
        self._own = {edge.source: index for index, edge in enumerate(self._edges) if edge.target < 0}
        self.spots = self._spots(record)
        self.several = self._several(record)
        self.lent: Any = None
        """The hooks, once they are made (``engine.Lent``)."""
        self._watched: tuple[frozenset[int], list[int], list[int]] | None = None
        gradients = {
            slot.gradient_of: n for slot, n in numbers.items() if slot.gradient_of is not None and slot.serial == record.serial
        }
        self.leaves = {
            place: self._leaf_end(place, node.leaf, numbers, gradients)
            for place, node in enumerate(record.nodes)
            if node.leaf is not None
        }
        self.checks: list[Any] = list(
            zip(range(len(found.types)), found.types, sequences, found.widths, _visits(found), strict=True)
        )
        """Per place what its Node has to be: type, sequence number, how many Nodes follow, and which."""

    def watched(self, silent: frozenset[int], first: int) -> tuple[list[int], list[int]]:
        """The places at which something is seen, in order, and the events that they are; ``silent`` places have no hook, and
        the first Node to run is the event ``first``.
        """
        if self._watched is None or self._watched[0] != silent:
            seen = [(place, first + index) for index, place in enumerate(self.order) if place not in silent]
            self._watched = silent, [place for place, _ in seen], [index for _, index in seen]
        return self._watched[1], self._watched[2]

    def _arriving(self) -> dict[tuple[int, int], list[int]]:
        arriving: dict[tuple[int, int], list[int]] = {}
        for index, edge in enumerate(self._edges):
            if edge.target >= 0:
                arriving.setdefault((edge.target, edge.input_nr), []).append(self._first + index)
        return arriving

    def _spots(self, record: BackwardRecord) -> list[list[Spot]]:
        """Per place its spots, in the order in which they are hooked."""
        spots: list[list[Spot]] = [[] for _ in record.nodes]
        for (place, input_nr), edges in sorted(self.arriving.items()):
            one = edges[0] if len(edges) == 1 else NONE
            alias = self._alias(one, record) if one != NONE else NONE
            none = one != NONE and self._edges[one - self._first].none
            spots[place].append(Spot(place, input_nr, one, alias, none))
        return spots

    def _alias(self, index: int, record: BackwardRecord) -> int:
        """The edge that arrives at the source of this one, where that passes on what it gets."""
        edge = self._edges[index - self._first]
        if edge.source < 0:
            return NONE
        node = record.nodes[edge.source]
        passes = node.name in _PASSES_ALL or (node.name in _PASSES_FIRST and (edge.output == 0 or _adds_plainly(node)))
        before = self.arriving.get((edge.source, 0), ()) if passes else ()
        if len(before) != 1:
            return NONE
        sizes = self._elements(edge), self._elements(self._edges[before[0] - self._first])
        return before[0] if sizes[0] == sizes[1] is not None else NONE

    def _elements(self, edge: EdgeRecord) -> int | None:
        """How many elements the gradient on an edge has in the step that the Graph tells of, where that is known."""
        number = self._numbers.get(edge.slot) if edge.slot is not None else None
        shape = edge.shape if number is None else self._shapes[number]
        return None if shape is None else math.prod(shape)

    def _several(self, record: BackwardRecord) -> dict[int, list[tuple[int, int, int]]]:
        """Per place, where edges start that meet others: ``(output, edge, alias)``. A hook after the Node tells them."""
        found: dict[int, list[tuple[int, int, int]]] = {}
        for edges in self.arriving.values():
            for index in edges if len(edges) > 1 else ():
                edge = self._edges[index - self._first]
                if edge.source >= 0:
                    found.setdefault(edge.source, []).append((edge.output, index, self._alias(index, record)))
        return found

    def _leaf_end(self, place: int, leaf: Slot, numbers: dict[Slot, int], gradients: dict[Slot, int]) -> LeafEnd:
        edges = self.arriving.get((place, 0), ())
        arriving = edges[0] if len(edges) == 1 else NONE
        return LeafEnd(
            numbers.get(leaf, NONE),
            gradients.get(leaf, NONE),
            self._first + self._own[place],
            arriving,
            self._edges[self._own[place]].none,
        )


def _adds_plainly(node: Any) -> bool:
    """Whether an addition had nothing but tensors for arguments: no ``alpha``."""
    owner: OpRecord | None = node.owner
    return node.name == "AddBackward0" and owner is not None and owner.arguments is None


def _visits(found: Walk) -> list[list[tuple[int, int, int, bool]]]:
    """Per place ``(output, target, input number, whether the walk comes there for the first time)``."""
    seen: set[int] = set()
    visits: list[list[tuple[int, int, int, bool]]] = []
    for edges in found.edges:
        row = []
        for output, target, input_nr in edges:
            row.append((output, target, input_nr, target not in seen))
            seen.add(target)
        visits.append(row)
    return visits


def walk_again(plan: EnginePlan, roots: Sequence[Node | None], first_sequence: int) -> list[Any] | None:
    """The Nodes of a backward, place by place, if they are those of the plan; ``first_sequence`` is what was 0 in the plan."""
    nodes: list[Any] = list(dict.fromkeys(roots))
    if None in nodes or len(nodes) > len(plan.checks):
        return None
    nodes += [None] * (len(plan.checks) - len(nodes))
    return nodes if _fill(plan, nodes, first_sequence) else None


def _fill(plan: EnginePlan, nodes: list[Any], first_sequence: int) -> bool:
    """Find the Nodes from the roots on; False where one is not what it was."""
    for node, (place, kind, sequence, width, visits) in zip(nodes, plan.checks, strict=True):  # fills as it goes
        if type(node) is not kind or (sequence is not None and node._sequence_nr() - first_sequence != sequence):
            return False
        if place in plan.leaves:
            continue
        following = node.next_functions
        if len(following) != width:
            return False
        for output, target, input_nr, first in visits:
            child, number = following[output]
            if number != input_nr:
                return False
            if first and nodes[target] is None:
                nodes[target] = child
            elif nodes[target] is not child:
                return False
    return True
