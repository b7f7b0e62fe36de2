"""What Nodes keep, read as soon as their op has run: a step that is held in its forward shows it, and what has been overwritten.

A backward reads the saved tensors when it begins. Those that were written in place by then cannot be read any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch.autograd.graph import Node

from .records import NodeRecord, OpRecord, PendingNode
from .saved import templates_of
from .values import Values


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


def take_over(nodes: Sequence[NodeRecord]) -> None:
    """What Nodes kept when their op had run is what they keep, whatever has been written since."""
    for node in nodes:
        if node.owner is not None and node.owner.pending:
            node.saved = next((one.saved for one in node.owner.pending if one.sequence == node.sequence), node.saved)
