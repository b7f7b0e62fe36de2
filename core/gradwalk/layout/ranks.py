"""Phase 2, rank: longest path, then pull boxes towards the side where they have more edges (Gansner et al., 1993, 2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from .parts import FlatEdge, FlatRequest

TIGHTENINGS = 3


def ranks_of(request: FlatRequest, edges: Sequence[FlatEdge]) -> list[int]:
    """A rank per box so that every edge goes down; ``first`` alone on the first rank, ``last`` alone on the last."""
    things = len(request.sizes)
    above: list[list[int]] = [[] for _ in range(things)]
    below: list[list[int]] = [[] for _ in range(things)]
    for edge in edges:
        if edge.source != edge.target:
            below[edge.source].append(edge.target)
            above[edge.target].append(edge.source)
    order = _topological(above, below)
    first, last = set(request.first), set(request.last)
    ranks = [0 if thing in first or not first else 1 for thing in range(things)]
    for thing in order:
        for other in below[thing]:
            ranks[other] = max(ranks[other], ranks[thing] + 1)
    _tighten(ranks, order, above, below, first | last)
    if last:
        end = max((rank for thing, rank in enumerate(ranks) if thing not in last), default=0) + 1
        for thing in last:
            ranks[thing] = end
    return _without_gaps(ranks)


def _topological(above: list[list[int]], below: list[list[int]]) -> list[int]:
    waiting = [len(sources) for sources in above]
    ready = deque(thing for thing, count in enumerate(waiting) if count == 0)
    order = []
    while ready:
        thing = ready.popleft()
        order.append(thing)
        for other in below[thing]:
            waiting[other] -= 1
            if waiting[other] == 0:
                ready.append(other)
    return order


def _tighten(ranks: list[int], order: list[int], above: list[list[int]], below: list[list[int]], fixed: set[int]) -> None:
    for _ in range(TIGHTENINGS):
        before = list(ranks)
        for thing in reversed(order):
            if thing not in fixed and len(below[thing]) > len(above[thing]):
                ranks[thing] = max(ranks[thing], min(ranks[other] for other in below[thing]) - 1)
        for thing in order:
            if thing not in fixed and len(above[thing]) > len(below[thing]):
                ranks[thing] = max(ranks[other] for other in above[thing]) + 1
        if ranks == before:
            return


def _without_gaps(ranks: list[int]) -> list[int]:
    used = {rank: place for place, rank in enumerate(sorted(set(ranks)))}
    return [used[rank] for rank in ranks]
