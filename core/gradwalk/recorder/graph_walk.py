"""Walking a backward graph from its roots, with a loop and without recursion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch.autograd.graph import Node

sequence_number: Callable[[], int] = torch._C._autograd._get_sequence_nr
"""The sequence number that the next Node of this thread gets."""
ACCUMULATE_GRAD = "AccumulateGrad"


@dataclass(slots=True, eq=False)
class Walk:
    """The Nodes that a backward can reach, nearest first. It holds them, so that their ``id`` stays their own."""

    nodes: list[Node] = field(default_factory=list)
    index: dict[int, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    types: list[type] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    """Per Node how many outputs it has."""
    sequences: list[int] = field(default_factory=list)
    edges: list[list[tuple[int, int, int]]] = field(default_factory=list)
    """Per Node ``(output number, place of the next Node, its input number)``."""
    leaves: dict[int, torch.Tensor] = field(default_factory=dict)
    """The leaf of each AccumulateGrad."""

    def clear(self) -> None:
        """Let go of Nodes and leaves."""
        self.nodes.clear()
        self.leaves.clear()
        self.index.clear()


def walk(roots: Iterable[Node]) -> Walk:
    """All Nodes from the roots on."""
    found = Walk()
    for root in roots:
        _place(found, root)
    for node in found.nodes:  # grows while it is walked
        name = node.name().rpartition("::")[2]
        found.names.append(name)
        found.types.append(type(node))
        found.sequences.append(node._sequence_nr())
        outputs = node.next_functions
        found.widths.append(len(outputs))
        found.edges.append([(i, _place(found, following), nr) for i, (following, nr) in enumerate(outputs) if following])
        if name == ACCUMULATE_GRAD:
            found.leaves[len(found.names) - 1] = node.variable  # type: ignore[attr-defined]
    return found


def _place(found: Walk, node: Node) -> int:
    place = found.index.get(id(node))
    if place is None:
        place = found.index[id(node)] = len(found.nodes)
        found.nodes.append(node)
    return place


def failing_node(found: Walk, order: Sequence[int]) -> int:
    """The Node that was running when the engine raised, or -1.

    Of the Nodes that have all their gradients, the engine takes the one with the highest sequence number.
    """
    done = set(order)
    waiting = {target for place, edges in enumerate(found.edges) if place not in done for _, target, _ in edges}
    reached = {target for place in done for _, target, _ in found.edges[place]}
    ready = [
        place
        for place in range(len(found.names))
        if place not in done and place not in waiting and (place in reached or not done)
    ]
    return max(ready, key=lambda place: found.sequences[place], default=-1)
