"""Phase 1, break cycles: turn the edges that close one (Gansner et al., A Technique for Drawing Directed Graphs, 1993)."""

from __future__ import annotations

from collections.abc import Sequence

from .parts import FlatEdge


def without_cycles(things: int, edges: Sequence[FlatEdge]) -> tuple[list[FlatEdge], set[int]]:
    """The edges with those that close a cycle turned round, and the indices of the turned ones. Self loops stay."""
    closing = _closing(things, sorted({edge[:2] for edge in edges}))
    turned = {place for place, edge in enumerate(edges) if edge[:2] in closing}
    flipped = [
        FlatEdge(edge.target, edge.source, edge.target_port, edge.source_port, edge.reach) if place in turned else edge
        for place, edge in enumerate(edges)
    ]
    return flipped, turned


def _closing(things: int, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    out: list[list[int]] = [[] for _ in range(things)]
    for source, target in pairs:
        if source != target:
            out[source].append(target)
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
            elif state[step] == open_:
                closing.add((thing, step))
            elif state[step] == unseen:
                state[step] = open_
                path.append((step, iter(out[step])))
    return closing
