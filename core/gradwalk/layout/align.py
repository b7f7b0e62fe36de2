"""Phase 4, first half: which things stand in one straight block (Brandes and Koepf, 2001, with ports and a main flow)."""

from __future__ import annotations

from dataclasses import dataclass

from .parts import ASIDE, Ranked, Tie


@dataclass(frozen=True, slots=True)
class Aligned:
    """Each thing's block by its root, and its shift within the block (from ports off the middle)."""

    root: list[int]
    shift: list[float]


def partners_of(graph: Ranked) -> tuple[list[list[Tie]], list[list[Tie]]]:
    """Per thing the neighbours above, and below, that it may stand in line with.

    Only those that pull strongest and of these lie on the longest path, seen from both ends: so the main flow runs straight, the
    rest yields. Where there is nothing above but parameters and inputs, the first of them leads.
    """
    up = [_strongest(graph, ties, graph.flow[0]) for ties in graph.up]
    down = [_strongest(graph, ties, graph.flow[1]) for ties in graph.down]
    up = [ties[:1] if ties and graph.pulls[ties[0].other] <= ASIDE else ties for ties in up]
    wanted = {(tie.other, thing) for thing, ties in enumerate(up) for tie in ties}
    wanted &= {(thing, tie.other) for thing, ties in enumerate(down) for tie in ties}
    return (
        [[tie for tie in ties if (tie.other, thing) in wanted] for thing, ties in enumerate(up)],
        [[tie for tie in ties if (thing, tie.other) in wanted] for thing, ties in enumerate(down)],
    )


def _strongest(graph: Ranked, ties: list[Tie], lengths: list[int]) -> list[Tie]:
    if len(ties) < 2:
        return ties
    strength = [(graph.pulls[tie.other], lengths[tie.other], tie.reach) for tie in ties]
    most = max(strength)
    return [tie for tie, strong in zip(ties, strength, strict=True) if strong == most]


def conflicts_of(graph: Ranked) -> set[tuple[int, int]]:
    """Ties that cross one between two dummies: they must not be aligned, so that long edges stay straight."""
    places = graph.positions()
    conflicts = set()
    for above, layer in zip(graph.layers, graph.layers[1:], strict=False):
        low, scanned = 0, 0
        for at, thing in enumerate(layer):
            inner = _inner_end(graph, thing)
            if inner is None and at < len(layer) - 1:
                continue
            high = len(above) if inner is None else places[inner]
            for other in layer[scanned : at + 1]:
                for tie in graph.up[other]:
                    both = graph.is_dummy(tie.other) and graph.is_dummy(other)
                    if not both and not low <= places[tie.other] <= high:
                        conflicts.add((tie.other, other))
            scanned, low = at + 1, high
    return conflicts


def _inner_end(graph: Ranked, thing: int) -> int | None:
    if not graph.is_dummy(thing):
        return None
    return next((tie.other for tie in graph.up[thing] if graph.is_dummy(tie.other)), None)


def align(graph: Ranked, partners: list[list[Tie]], conflicts: set[tuple[int, int]], *, upwards: bool, mirrored: bool) -> Aligned:
    """Blocks of things, each aligned with its median partner, towards one corner of the picture."""
    layers = graph.layers[::-1] if upwards else graph.layers
    layers = [layer[::-1] for layer in layers] if mirrored else layers
    places = [0] * len(graph.ranks)
    for layer in layers:
        for place, thing in enumerate(layer):
            places[thing] = place
    count = len(graph.ranks)
    root, shift = list(range(count)), [0.0] * count
    for layer in layers:
        reached = -1
        for thing in layer:
            for tie in _medians(partners[thing], places, mirrored=mirrored):
                other = tie.other
                apart = (thing, other) in conflicts if upwards else (other, thing) in conflicts
                if reached < places[other] and not apart:
                    root[thing] = root[other]
                    shift[thing] = shift[other] + tie.there - tie.here
                    reached = places[other]
                    break
    return Aligned(root, shift)


def _medians(ties: list[Tie], places: list[int], *, mirrored: bool) -> list[Tie]:
    if len(ties) < 2:
        return ties
    side = -1.0 if mirrored else 1.0
    ordered = sorted(ties, key=lambda tie: (places[tie.other], side * tie.there))
    middle = len(ordered) - 1
    return [ordered[at] for at in dict.fromkeys((middle // 2, (middle + 1) // 2))]
