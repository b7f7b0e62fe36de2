"""Phase 3, second half: the order that was found for one edge per pair of boxes, taken over to all edges with their ports.

The first half knows no ports and no doubled edges, so that boxes stand in the same order whether the modules among them are
folded or not. What leaves a box by several ports runs side by side where the one edge ran.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .parts import FlatEdge, FlatRequest, Ranked


def pairs_of(edges: Iterable[FlatEdge]) -> list[FlatEdge]:
    """One edge, without ports, per pair of boxes that are joined."""
    return [FlatEdge(source, target) for source, target in sorted({edge[:2] for edge in edges if edge.source != edge.target})]


def take_over_order(plain: Ranked, graph: Ranked, request: FlatRequest) -> None:
    """Fill ``graph.layers`` from those of ``plain``, which has one edge per pair of boxes."""
    bundles: dict[tuple[int, int], list[int]] = {}
    for (source, _), chain in sorted(graph.chains.items()):
        for step, dummy in enumerate(chain):
            bundles.setdefault((source, step), []).append(dummy)
    stands_for = {
        dummy: bundles.get((source, step), []) for (source, _), chain in plain.chains.items() for step, dummy in enumerate(chain)
    }
    graph.layers = [[one for thing in layer for one in stands_for.get(thing, (thing,))] for layer in plain.layers]
    places = graph.positions()
    for bundle in sorted(bundles.values(), key=lambda bundle: -graph.ranks[bundle[0]]):
        if len(bundle) > 1:
            _sort(graph, places, sorted(bundle, key=places.__getitem__), graph.down)
    for ports, ties, held in zip((request.first, request.last), (graph.down, graph.up), request.held, strict=True):
        if len(ports) > 1 and not held:
            _sort(graph, places, list(graph.layers[graph.ranks[ports[0]]]), ties)


def _sort(
    graph: Ranked, places: list[int], things: Sequence[int], ties: Sequence[Sequence[tuple[int, float, float, int]]]
) -> None:
    """Put things that stand side by side into the order of what they are tied to."""
    where = {
        thing: sum(places[other] + 0.9 * there / (graph.widths[other] + 1.0) for other, _, there, _ in ties[thing])
        / max(1, len(ties[thing]))
        for thing in things
    }
    start = places[things[0]]
    layer = graph.layers[graph.ranks[things[0]]]
    for place, thing in enumerate(sorted(things, key=where.__getitem__), start):
        places[thing] = place
        layer[place] = thing
