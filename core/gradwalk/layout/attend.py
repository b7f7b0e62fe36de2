"""Parameters and inputs beside the main flow: each stands right before or after what its op is in line with.

They are left out of the ordering, which has then half as much to order, and put in when it is done: of n that one op reads, the
first n // 2 before and the others after, so that a weight and a bias lie on both sides of a straight main flow.
"""

from __future__ import annotations

from collections.abc import Sequence

from .parts import ASIDE, FlatEdge, Ranked

Attendants = dict[int, list[FlatEdge]]


def attendants_of(edges: Sequence[FlatEdge], pulls: Sequence[int], ranks: Sequence[int]) -> Attendants:
    """Per box the edges from its attendants: boxes aside that nothing leads to, and that lead to it only, in the next rank.

    Where a box has nothing else above it, the first one leads the main flow and is no attendant.
    """
    above: dict[int, set[int]] = {}
    below: dict[int, set[int]] = {}
    edges = [edge for edge in edges if edge.source != edge.target]
    for edge in edges:
        above.setdefault(edge.target, set()).add(edge.source)
        below.setdefault(edge.source, set()).add(edge.target)
    found: dict[int, dict[int, list[FlatEdge]]] = {}
    for edge in edges:
        single = edge.source not in above and len(below[edge.source]) == 1
        if single and pulls[edge.source] == ASIDE and ranks[edge.source] + 1 == ranks[edge.target]:
            found.setdefault(edge.target, {}).setdefault(edge.source, []).append(edge)
    for box, ones in found.items():
        if len(ones) == len(above[box]):
            del ones[next(iter(ones))]
    return {box: [edge for edges in ones.values() for edge in edges] for box, ones in found.items() if ones}


def put_beside(graph: Ranked, attendants: Attendants) -> None:
    """Put the attendants into the layers and tie them."""
    places = graph.positions()
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for box, edges in attendants.items():
        best = max(graph.pulls[tie.other] for tie in graph.up[box])
        line = sorted((tie.other for tie in graph.up[box] if graph.pulls[tie.other] == best), key=lambda thing: places[thing])
        things = list(dict.fromkeys(edge.source for edge in edges))
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
