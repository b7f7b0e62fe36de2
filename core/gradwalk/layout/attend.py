"""Parameters and inputs beside the main flow: each stands right before or after what its op is in line with.

They are left out of the ordering, which has then half as much to order, and put in when it is done: of n that one op reads, the
first n // 2 before and the others after, so that a weight and a bias lie on both sides of a straight main flow.
"""

from __future__ import annotations

from collections.abc import Sequence

from .parts import ASIDE, FlatEdge, Ranked

Attendants = dict[int, list[FlatEdge]]


def attendants_of(edges: Sequence[FlatEdge], pulls: Sequence[int], ranks: Sequence[int]) -> Attendants:
    """Per box the edges from its attendants: boxes aside that nothing leads to, with one edge, to the next rank.

    Where a box has nothing else above it, the first one leads the main flow and is no attendant.
    """
    above, below = [0] * len(ranks), [0] * len(ranks)
    edges = [edge for edge in edges if edge.source != edge.target]
    for edge in edges:
        above[edge.target] += 1
        below[edge.source] += 1
    found: Attendants = {}
    for edge in edges:
        single = above[edge.source] == 0 and below[edge.source] == 1
        if single and pulls[edge.source] == ASIDE and ranks[edge.source] + 1 == ranks[edge.target]:
            found.setdefault(edge.target, []).append(edge)
    for box, ones in found.items():
        if len(ones) == above[box]:
            del ones[0]
    return {box: ones for box, ones in found.items() if ones}


def put_beside(graph: Ranked, attendants: Attendants) -> None:
    """Put the attendants into the layers and tie them."""
    places = graph.positions()
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for box, edges in attendants.items():
        best = max(graph.pulls[tie.other] for tie in graph.up[box])
        line = sorted((tie.other for tie in graph.up[box] if graph.pulls[tie.other] == best), key=lambda thing: places[thing])
        things = [edge.source for edge in edges]
        half = len(things) // 2
        before.setdefault(line[0], []).extend(things[:half])
        after.setdefault(line[-1], [])[:0] = things[half:]
        graph.before.update(things[:half])
        graph.after.update(things[half:])
        for edge in edges:
            graph.tie(edge.source, edge.target, edge.source_port, edge.target_port)
    graph.layers = [
        [one for thing in layer for one in (*before.get(thing, ()), thing, *after.get(thing, ()))] for layer in graph.layers
    ]
