"""The mask that an op with dropout inside drew, read off the Nodes that multiplied with it.

An attention in training drops some of its weights, a recurrent layer of several some of what each hands to the next. Where they
run op by op (on a CPU they do) their Nodes are there to be read: of an attention the one right after that of the softmax, of
recurrent layers those that multiply a whole sequence. A fused kernel draws and drops without a trace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import torch
from torch.autograd.graph import Node

from .records import Held
from .saved import saved_of

ATTENTION = frozenset(("scaled_dot_product_attention", "multi_head_attention_forward"))
LAYERS = frozenset(("lstm", "gru", "rnn_tanh", "rnn_relu"))
MASKED = ATTENTION | LAYERS
"""The ops that have dropout inside."""
_DREW = {"MulBackward0": "other", "NativeDropoutBackward0": "result1"}
"""What multiplies with a mask, and what it keeps that as: as 0 or 1 / (1 - p), or as truth values."""
_AFTER = frozenset(("SoftmaxBackward0", "SafeSoftmaxBackward0"))
_SEQUENCE = 3
"""Axes of what recurrent layers hand on; their cells multiply what has two."""


def mask_of(made: Iterable[torch.Tensor], own: range) -> torch.Tensor | None:
    """What an attention that has just made these tensors multiplied with, where its Node keeps it: 0 for what was not kept.

    ``own`` are the sequence numbers of its Nodes.
    """
    for node in _nodes_of(made, own):
        if node.name() in _DREW and node.next_functions:
            following, _ = node.next_functions[0]
            if following is not None and following.name() in _AFTER:
                return _drawn(node)
    return None


def masks_between(made: Iterable[torch.Tensor], own: range, arguments: Held) -> torch.Tensor | None:
    """The same of recurrent layers, for each but the last, one after the other; None where they do not drop."""
    if arguments is None or not any(type(one) is float and one > 0 for one in arguments[0]):
        return None
    nodes = [node for node in _nodes_of(made, own) if node.name() in _DREW]
    drawn = [_drawn(node) for node in sorted(nodes, key=lambda node: node._sequence_nr())]
    found = [one != 0 for one in drawn if one is not None and one.dim() == _SEQUENCE]
    return torch.stack(found) if found and len({one.shape for one in found}) == 1 else None


def _drawn(node: Node) -> torch.Tensor | None:
    wanted = _DREW[node.name()]
    return next((tensor for name, tensor in saved_of(node) if name == wanted), None)


def _nodes_of(made: Iterable[torch.Tensor], own: range) -> Iterator[Node]:
    """The Nodes of an op, those next to its outputs first."""
    waiting = deque(tensor.grad_fn for tensor in made if tensor.grad_fn is not None)
    seen: set[Node] = set()
    while waiting:
        node = waiting.popleft()
        if node in seen or node._sequence_nr() not in own:
            continue
        seen.add(node)
        yield node
        waiting += [following for following, _ in node.next_functions if following is not None]
