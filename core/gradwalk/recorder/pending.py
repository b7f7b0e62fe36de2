"""What Nodes keep, read as soon as their op has run: a step that is held in its forward shows it, and what has been overwritten.

A backward reads the saved tensors when it begins. Those that were written in place by then cannot be read any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch.autograd.graph import Node

from .records import NodeRecord, OpRecord, PendingNode, Slot
from .saved import saved_of, saved_slot, templates_of
from .values import Values, dtype_name, shape_of

if TYPE_CHECKING:
    from .numbering import Numbers


def pending_of(values: Values, record: OpRecord, made: Iterable[torch.Tensor]) -> list[PendingNode]:
    """The Nodes that an op which has just run has made."""
    waiting = [tensor.grad_fn for tensor in made if tensor.grad_fn is not None]
    seen: set[Node] = set()
    found: list[PendingNode] = []
    while waiting:
        node = waiting.pop()
        if node in seen or not record.first_sequence <= node._sequence_nr() < record.last_sequence:
            continue
        seen.add(node)
        name = node.name().rpartition("::")[2]
        found.append(PendingNode(name, node._sequence_nr(), templates_of(values, node, record)))
        waiting += [following for following, _ in node.next_functions if following is not None]
    return sorted(found, key=lambda one: -one.sequence)


def nodes_of(ops: Iterable[OpRecord]) -> list[NodeRecord]:
    """The Nodes of a step that no backward has reached, those of the last op first."""
    nodes = []
    for op in ops:
        for pending in op.pending:
            node = NodeRecord(pending.name, pending.sequence)
            node.owner, node.saved = op, pending.saved
            nodes.append(node)
    return nodes[::-1]


def kept_by_a_node(slot: Slot, numbers: Numbers) -> torch.Tensor | None:
    """The tensor that a Value is, where a Node of the step keeps it and it was not written since: autograd looks at its version.

    The Nodes are found from the tensors of the step that are alive.
    """
    wanted = dict(_places_of(slot, numbers.ops))
    if not wanted:
        return None
    alive = [one.reference() for one in numbers.slots if one.reference is not None]
    for node in _nodes_behind(tensor.grad_fn for tensor in alive if tensor is not None):
        kind, name = wanted.get(node._sequence_nr(), ("", ""))
        if name and node.name().rpartition("::")[2] == kind:
            for one, tensor in saved_of(node):
                if one == name and shape_of(tensor) == slot.shape and dtype_name(tensor.dtype) == slot.dtype:
                    return tensor
    return None


def _places_of(slot: Slot, ops: Iterable[OpRecord]) -> Iterator[tuple[int, tuple[str, str]]]:
    """Where a Value is kept: the sequence number of the Node, its name, and that of the tensor there."""
    for op in ops:
        for node in op.pending:
            for saved in node.saved:
                if saved_slot(saved, op) is slot:
                    yield node.sequence, (node.name, saved.name)


def _nodes_behind(roots: Iterable[Node | None]) -> Iterator[Node]:
    waiting, seen = [root for root in roots if root is not None], set[Node]()
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting += [following for following, _ in node.next_functions if following is not None]


def take_over(nodes: Sequence[NodeRecord]) -> None:
    """What Nodes kept when their op had run is what they keep, whatever has been written since."""
    for node in nodes:
        if node.owner is not None and node.owner.pending:
            node.saved = next((one.saved for one in node.owner.pending if one.sequence == node.sequence), node.saved)
