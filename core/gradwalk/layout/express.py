"""Where long edges would need too many dummies, the longest go by express: out to the border, along it, and in again.

An unrolled loop whose every output is read at its end has a dummy per output and rank: the square of its length. An express edge
has none. It runs across only between two ranks, where no boxes are, and along only beside all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .parts import FlatEdge

MOST_DUMMIES, PER_BOX = 4_000, 3
"""How many dummies there may be, and how many per box where that is more."""
LANE_GAP = 10.0
"""Between two lanes, in pixels."""

Lanes = dict[int, int]
"""Per express edge, by its place in the request, the number of its lane, counted from the boxes outwards."""


def lanes_of(edges: Sequence[FlatEdge], ranks: Sequence[int]) -> Lanes:
    """The lane of each edge that is too long; edges into one box, or else those from one port, share it."""
    longest = _longest_allowed(edges, ranks)
    express = [place for place, edge in enumerate(edges) if _length(edge, ranks) > longest]
    if not express:
        return {}
    into = Counter(edges[place].target for place in express)
    out_of = Counter((edges[place].source, edges[place].source_port) for place in express)
    groups: dict[tuple[object, ...], list[int]] = {}
    for place in express:
        edge = edges[place]
        port = (edge.source, edge.source_port)
        key = ("into", edge.target) if into[edge.target] > out_of[port] else ("out of", *port)
        groups.setdefault(key, []).append(place)
    return _side_by_side(list(groups.values()), edges, ranks)


def _length(edge: FlatEdge, ranks: Sequence[int]) -> int:
    """How many dummies an edge needs."""
    return ranks[edge.target] - ranks[edge.source] - 1


def _longest_allowed(edges: Sequence[FlatEdge], ranks: Sequence[int]) -> int:
    """The greatest length up to which all edges may have their dummies; edges from one port share them."""
    most = max(MOST_DUMMIES, PER_BOX * len(ranks))
    trunks: dict[tuple[int, float], int] = {}
    total = longest = 0
    for length, source, port in sorted((_length(edge, ranks), edge.source, edge.source_port) for edge in edges):
        total += length - trunks.get((source, port), 0) if length > 0 else 0
        trunks[source, port] = max(length, 0)
        if total > most and longest:
            return min(longest, length - 1)
        longest = max(longest, length)
    return longest


def _side_by_side(groups: list[list[int]], edges: Sequence[FlatEdge], ranks: Sequence[int]) -> Lanes:
    """Shorter ones nearer to the boxes; what does not meet along the way shares a lane."""
    spans = []
    for group in groups:
        ends = [rank for place in group for rank in (ranks[edges[place].source], ranks[edges[place].target])]
        spans.append((max(ends) - min(ends), min(ends), max(ends), group))
    taken: list[list[tuple[int, int]]] = []
    lanes: Lanes = {}
    for _, start, end, group in sorted(spans):
        free = (n for n, others in enumerate(taken) if all(end < other[0] or start > other[1] for other in others))
        lane = next(free, len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((start, end))
        lanes |= dict.fromkeys(group, lane)
    return lanes
