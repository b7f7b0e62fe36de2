"""Phase 3, order: barycentre sweeps (Sugiyama et al., 1981), then neighbours swapped where it helps (Gansner et al., 1993)."""

from __future__ import annotations

from collections.abc import Set

from .cancel import Check, never
from .parts import Ranked, Tie

SWEEPS = 8
PATIENCE = 4
SWAPS = 3


def order_layers(graph: Ranked, without: Set[int] = frozenset(), check: Check = never) -> None:
    """Fill ``graph.layers`` with few crossings; things of equal standing keep the order in which they came."""
    graph.layers = _first_order(graph, without)
    for rank, layer in graph.held.items():
        graph.layers[rank] = list(layer)
    best, fewest = [list(layer) for layer in graph.layers], crossings(graph)
    worse = 0
    for turn in range(SWEEPS):
        if fewest == 0 or worse >= PATIENCE:
            break
        check()
        _sweep(graph, check, down=turn % 2 == 0)
        check()
        count = crossings(graph)
        if count < fewest:
            best, fewest, worse = [list(layer) for layer in graph.layers], count, 0
        else:
            worse += 1
    graph.layers = best
    if fewest:
        _swap_neighbours(graph, check)


def _first_order(graph: Ranked, without: Set[int]) -> list[list[int]]:
    layers: list[list[int]] = [[] for _ in range(max(graph.ranks, default=-1) + 1)]
    seen = [thing in without for thing in range(len(graph.ranks))]
    for start in sorted(range(graph.boxes), key=lambda thing: (graph.ranks[thing], thing)):
        if seen[start]:
            continue
        seen[start] = True
        stack = [start]
        while stack:
            thing = stack.pop()
            layers[graph.ranks[thing]].append(thing)
            for tie in reversed(graph.down[thing]):
                if not seen[tie.other]:
                    seen[tie.other] = True
                    stack.append(tie.other)
    return layers


def _sweep(graph: Ranked, check: Check, *, down: bool) -> None:
    places = graph.positions()
    ties = graph.up if down else graph.down
    numbers = range(1, len(graph.layers)) if down else range(len(graph.layers) - 2, -1, -1)
    for number in numbers:
        check()
        if number in graph.held:
            continue
        layer = graph.layers[number]
        weight = {thing: _barycentre(graph, places, ties[thing]) for thing in layer if ties[thing]}
        movable = iter(sorted(weight, key=lambda thing: (weight[thing], places[thing])))
        graph.layers[number] = [next(movable) if thing in weight else thing for thing in layer]
        for place, thing in enumerate(graph.layers[number]):
            places[thing] = place


def _barycentre(graph: Ranked, places: list[int], ties: list[Tie]) -> float:
    return sum(places[tie.other] + 0.9 * tie.there / (graph.widths[tie.other] + 1.0) for tie in ties) / len(ties)


def crossings(graph: Ranked) -> int:
    """The number of crossings between neighbouring layers (Barth et al., Simple and Efficient Bilayer Cross Counting, 2002)."""
    places = graph.positions()
    total = 0
    for layer, below in zip(graph.layers, graph.layers[1:], strict=False):
        ends = [place for thing in layer for place in sorted(places[tie.other] for tie in graph.down[thing])]
        total += _inversions(ends, len(below))
    return total


def _inversions(sequence: list[int], places: int) -> int:
    size = 1
    while size < places:
        size *= 2
    tree = [0] * (2 * size)
    count = 0
    for place in sequence:
        at = place + size
        tree[at] += 1
        while at > 1:
            if at % 2 == 0:
                count += tree[at + 1]
            at //= 2
            tree[at] += 1
    return count


def _swap_neighbours(graph: Ranked, check: Check) -> None:
    places = graph.positions()
    for _ in range(SWAPS):
        swapped = False
        for rank, layer in enumerate(graph.layers):
            if rank in graph.held:
                continue
            for at in range(len(layer) - 1):
                check()
                left, right = layer[at], layer[at + 1]
                if _crossed(graph, places, right, left) < _crossed(graph, places, left, right):
                    layer[at], layer[at + 1] = right, left
                    places[left], places[right] = at + 1, at
                    swapped = True
        if not swapped:
            return


def _crossed(graph: Ranked, places: list[int], left: int, right: int) -> int:
    return sum(places[a.other] > places[b.other] for ties in (graph.up, graph.down) for a in ties[left] for b in ties[right])
