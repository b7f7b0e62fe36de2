"""Phase 1, break cycles: turn the edges that close one (Gansner et al., A Technique for Drawing Directed Graphs, 1993)."""

from __future__ import annotations

from collections.abc import Sequence

from .parts import FlatEdge


def without_cycles(things: int, edges: Sequence[FlatEdge]) -> tuple[list[FlatEdge], set[int]]:
    """The edges with those that close a cycle turned round, and the indices of the turned ones. Self loops stay."""
    turned = _closing(things, edges)
    flipped = [
        FlatEdge(edge.target, edge.source, edge.target_port, edge.source_port, edge.reach) if place in turned else edge
        for place, edge in enumerate(edges)
    ]
    return flipped, turned


def _closing(things: int, edges: Sequence[FlatEdge]) -> set[int]:
    out: list[list[tuple[int, int]]] = [[] for _ in range(things)]
    for place, edge in enumerate(edges):
        if edge.source != edge.target:
            out[edge.source].append((edge.target, place))
    unseen, open_, done = 0, 1, 2
    state = [unseen] * things
    closing = set()
    for start in range(things):
        if state[start] != unseen:
            continue
        state[start] = open_
        path = [(start, iter(out[start]))]
        while path:
            thing, rest = path[-1]
            step = next(rest, None)
            if step is None:
                state[thing] = done
                path.pop()
            elif state[step[0]] == open_:
                closing.add(step[1])
            elif state[step[0]] == unseen:
                state[step[0]] = open_
                path.append((step[0], iter(out[step[0]])))
    return closing
