"""Phase 4, place: Brandes and Koepf, Fast and Simple Horizontal Coordinate Assignment, 2001, with ports and any widths."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from .parts import Ranked, Tie

DUMMY_GAP = 12.0


@dataclass(slots=True)
class _Blocks:
    """Vertical alignment: each thing's block by its root, and its shift within the block (from ports off the middle)."""

    root: list[int]
    shift: list[float]


def place_across(graph: Ranked, box_gap: float, aside: frozenset[int]) -> list[float]:
    """The x of every thing's centre: the mean of the two middle ones of four extreme layouts, from 0 on."""
    conflicts = _conflicts(graph)
    candidates = []
    for upwards in (False, True):
        for mirrored in (False, True):
            blocks = _align(graph, conflicts, aside, upwards=upwards, mirrored=mirrored)
            candidates.append(_compact(graph, blocks, box_gap, mirrored=mirrored))
    _to_the_narrowest(graph, candidates)
    across = []
    for four in zip(*candidates, strict=True):
        ordered = sorted(four)
        across.append((ordered[1] + ordered[2]) / 2)
    left = min((x - graph.widths[thing] / 2 for thing, x in enumerate(across)), default=0.0)
    return [x - left for x in across]


def _conflicts(graph: Ranked) -> set[tuple[int, int]]:
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


def _align(graph: Ranked, conflicts: set[tuple[int, int]], aside: frozenset[int], *, upwards: bool, mirrored: bool) -> _Blocks:
    layers = graph.layers[::-1] if upwards else graph.layers
    layers = [layer[::-1] for layer in layers] if mirrored else layers
    places = [0] * len(graph.ranks)
    for layer in layers:
        for place, thing in enumerate(layer):
            places[thing] = place
    count = len(graph.ranks)
    root, follower, shift = list(range(count)), list(range(count)), [0.0] * count
    for layer in layers:
        reached = -1
        for thing in layer:
            for tie in _medians(_partners(graph, thing, aside, upwards=upwards), places):
                free = follower[thing] == thing
                apart = (tie.other, thing) in conflicts or (thing, tie.other) in conflicts
                if free and reached < places[tie.other] and not apart:
                    follower[tie.other] = thing
                    follower[thing] = root[thing] = root[tie.other]
                    shift[thing] = shift[tie.other] + tie.there - tie.here
                    reached = places[tie.other]
    return _Blocks(root, shift)


def _partners(graph: Ranked, thing: int, aside: frozenset[int], *, upwards: bool) -> list[Tie]:
    """The neighbours that a thing may be aligned with; what stands aside yields to the main flow."""
    if not upwards:
        ties = graph.up[thing]
        return [tie for tie in ties if tie.other not in aside] or ties
    ties = graph.down[thing]
    if thing in aside and ties and any(tie.other not in aside for tie in graph.up[ties[0].other]):
        return []
    return ties


def _medians(ties: list[Tie], places: list[int]) -> list[Tie]:
    if not ties:
        return []
    ordered = sorted(ties, key=lambda tie: (places[tie.other], tie.there))
    middle = len(ordered) - 1
    return [ordered[at] for at in dict.fromkeys((middle // 2, (middle + 1) // 2))]


def _compact(graph: Ranked, blocks: _Blocks, box_gap: float, *, mirrored: bool) -> list[float]:
    """Each block as far to the start as its neighbours let it, then pulled towards the ones after it."""
    sign = -1.0 if mirrored else 1.0
    after: dict[int, dict[int, float]] = {root: {} for root in blocks.root}
    waiting = dict.fromkeys(after, 0)
    for layer in graph.layers:
        row = layer[::-1] if mirrored else layer
        for left, right in pairwise(row):
            gap = DUMMY_GAP if graph.is_dummy(left) or graph.is_dummy(right) else box_gap
            apart = (graph.widths[left] + graph.widths[right]) / 2 + gap + sign * (blocks.shift[left] - blocks.shift[right])
            follows = after[blocks.root[left]]
            target = blocks.root[right]
            if target not in follows:
                waiting[target] += 1
            follows[target] = max(apart, follows.get(target, apart))
    across = _longest_paths(after, waiting)
    return [sign * across[root] + shift for root, shift in zip(blocks.root, blocks.shift, strict=True)]


def _longest_paths(after: dict[int, dict[int, float]], waiting: dict[int, int]) -> dict[int, float]:
    across = dict.fromkeys(after, 0.0)
    ready = deque(sorted(root for root, count in waiting.items() if count == 0))
    order = []
    while ready:
        root = ready.popleft()
        order.append(root)
        for other, apart in after[root].items():
            across[other] = max(across[other], across[root] + apart)
            waiting[other] -= 1
            if waiting[other] == 0:
                ready.append(other)
    for root in reversed(order):
        if after[root]:
            across[root] = max(across[root], min(across[other] - apart for other, apart in after[root].items()))
    return across


def _to_the_narrowest(graph: Ranked, candidates: list[list[float]]) -> None:
    if not graph.ranks:
        return
    extents = [_extent(graph, candidate) for candidate in candidates]
    left, right = min(extents, key=lambda extent: extent[1] - extent[0])
    for number, (start, end) in enumerate(extents):
        move = right - end if number % 2 else left - start
        candidates[number] = [x + move for x in candidates[number]]


def _extent(graph: Ranked, across: list[float]) -> tuple[float, float]:
    start = min(x - width / 2 for x, width in zip(across, graph.widths, strict=True))
    end = max(x + width / 2 for x, width in zip(across, graph.widths, strict=True))
    return start, end
