"""Phase 2, rank: longest path, then pull boxes towards the side where they have more edges (Gansner et al., 1993, 2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from .parts import ASIDE, FlatEdge, FlatRequest

TIGHTENINGS = 3
Neighbours: TypeAlias = list[list[int]]
Flow: TypeAlias = tuple[list[int], list[int]]


def ranks_of(request: FlatRequest, edges: Sequence[FlatEdge]) -> tuple[list[int], Flow]:
    """A rank per box so that every edge goes down; ``first`` alone on the first rank, ``last`` alone on the last.

    Also the lengths of the longest paths to each box and from it on.
    """
    things = len(request.sizes)
    above: Neighbours = [[] for _ in range(things)]
    below: Neighbours = [[] for _ in range(things)]
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
    inner = [thing for thing in order if thing not in first and thing not in last]
    if last:
        end = max((ranks[thing] for thing in inner), default=0 if first else -1) + 1
        for thing in last:
            ranks[thing] = end
    _tighten(ranks, inner, above, below, request.pulls)
    return _without_gaps(ranks), (_longest(order, above), _longest(order[::-1], below))


def _longest(order: Sequence[int], sources: Neighbours) -> list[int]:
    lengths = [0] * len(sources)
    for thing in order:
        lengths[thing] = max((lengths[other] + 1 for other in sources[thing]), default=0)
    return lengths


def _topological(above: Neighbours, below: Neighbours) -> list[int]:
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


def _tighten(ranks: list[int], inner: list[int], above: Neighbours, below: Neighbours, pulls: Sequence[int]) -> None:
    """Move boxes down, then up, wherever that makes their edges shorter."""
    held = _held(inner, above, below, pulls)
    for _ in range(TIGHTENINGS):
        before = list(ranks)
        for thing in reversed(inner):
            if len(below[thing]) > held[thing]:
                ranks[thing] = max(ranks[thing], min(ranks[other] for other in below[thing]) - 1)
        for thing in inner:
            if len(above[thing]) > len(below[thing]):
                ranks[thing] = max(ranks[other] for other in above[thing]) + 1
        if ranks == before:
            return


def _held(inner: list[int], above: Neighbours, below: Neighbours, pulls: Sequence[int]) -> list[int]:
    """Per box how many edges into it would grow if it moved down.

    A parameter comes along or has a trunk that is there in any case, and so does a chain that begins with one (``w.t()``).
    """
    loose = [False] * len(pulls)
    held = [0] * len(pulls)
    for thing in inner:
        held[thing] = sum(not loose[other] for other in above[thing])
        loose[thing] = held[thing] == 0 and (len(below[thing]) == 1 or pulls[thing] == ASIDE)
    return held


def _without_gaps(ranks: list[int]) -> list[int]:
    used = {rank: place for place, rank in enumerate(sorted(set(ranks)))}
    return [used[rank] for rank in ranks]
