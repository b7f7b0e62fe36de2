"""The mask that an op with dropout inside drew, read off the Node that multiplied with it.

An attention in training drops some of its weights. Where it runs op by op (on a CPU it does) its Nodes are there to be read: the
one that multiplied stands right after that of the softmax. A fused kernel draws and drops without a trace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import torch
from torch.autograd.graph import Node

from .saved import saved_of

MASKED = frozenset(("scaled_dot_product_attention", "multi_head_attention_forward"))
"""The ops that have dropout inside."""
_DREW = {"MulBackward0": "other", "NativeDropoutBackward0": "result1"}
"""What multiplies with a mask, and what it keeps that as: as 0 or 1 / (1 - p), or as truth values."""
_AFTER = frozenset(("SoftmaxBackward0", "SafeSoftmaxBackward0"))


def mask_of(made: Iterable[torch.Tensor], own: range) -> torch.Tensor | None:
    """What an op that has just made these tensors multiplied with, where one of its Nodes keeps it: 0 for what was not kept.

    ``own`` are the sequence numbers of its Nodes.
    """
    node = _node_of(made, own)
    if node is None:
        return None
    wanted = _DREW[node.name()]
    return next((tensor for name, tensor in saved_of(node) if name == wanted), None)


def _node_of(made: Iterable[torch.Tensor], own: range) -> Node | None:
    """The Node of the op that stands right after a softmax, those next to its outputs looked at first."""
    waiting = deque(tensor.grad_fn for tensor in made if tensor.grad_fn is not None)
    seen: set[Node] = set()
    while waiting:
        node = waiting.popleft()
        if node in seen or node._sequence_nr() not in own:
            continue
        seen.add(node)
        following = [one for one, _ in node.next_functions if one is not None]
        if node.name() in _DREW and following and following[0].name() in _AFTER:
            return node
        waiting += following
    return None
