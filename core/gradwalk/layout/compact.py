"""Phase 4, second half: blocks as near to each other as they may be (Brandes and Koepf, 2001, with a graph of blocks)."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from .align import Aligned
from .parts import Ranked

DUMMY_GAP = 20.0
"""Between two routes."""
ROUTE_GAP = 0.6
"""Between a route and a box, as a part of the gap between two boxes."""


def gap_between(graph: Ranked, left: int, right: int, box_gap: float) -> float:
    """The gap between two neighbours in a layer."""
    if graph.is_dummy(left):
        return DUMMY_GAP if graph.is_dummy(right) else ROUTE_GAP * box_gap
    return ROUTE_GAP * box_gap if graph.is_dummy(right) else box_gap


def compact(graph: Ranked, blocks: Aligned, box_gap: float, *, mirrored: bool) -> list[float]:
    """Each block as far to the start as its neighbours let it, then pulled towards the ones after it."""
    sign = -1.0 if mirrored else 1.0
    root, shift, widths = blocks.root, blocks.shift, graph.widths
    after: dict[int, dict[int, float]] = {head: {} for head in root}
    waiting = dict.fromkeys(after, 0)
    for layer in graph.layers:
        for left, right in pairwise(layer[::-1] if mirrored else layer):
            apart = (widths[left] + widths[right]) / 2 + gap_between(graph, left, right, box_gap)
            apart += sign * (shift[left] - shift[right])
            follows, target = after[root[left]], root[right]
            if target not in follows:
                waiting[target] += 1
                follows[target] = apart
            elif apart > follows[target]:
                follows[target] = apart
    across = _longest_paths(after, waiting)
    return [sign * across[head] + moved for head, moved in zip(root, shift, strict=True)]


def _longest_paths(after: dict[int, dict[int, float]], waiting: dict[int, int]) -> dict[int, float]:
    across = dict.fromkeys(after, 0.0)
    ready = deque(sorted(head for head, count in waiting.items() if count == 0))
    order = []
    while ready:
        head = ready.popleft()
        order.append(head)
        for other, apart in after[head].items():
            across[other] = max(across[other], across[head] + apart)
            waiting[other] -= 1
            if waiting[other] == 0:
                ready.append(other)
    for head in reversed(order):
        if after[head]:
            across[head] = max(across[head], min(across[other] - apart for other, apart in after[head].items()))
    return across
