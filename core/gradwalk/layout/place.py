"""Phase 4, place: Brandes and Koepf, Fast and Simple Horizontal Coordinate Assignment, 2001, with ports and any widths."""

from __future__ import annotations

from itertools import pairwise

from .align import Aligned, align, conflicts_of, partners_of
from .compact import DUMMY_GAP, compact, gap_between
from .parts import Ranked

__all__ = ["DUMMY_GAP", "place_across"]


def place_across(graph: Ranked, box_gap: float) -> list[float]:
    """The x of every thing's centre: the mean of the two middle ones of four extreme layouts, from 0 on."""
    conflicts = conflicts_of(graph)
    partners = partners_of(graph)
    candidates = []
    for upwards in (False, True):
        for mirrored in (False, True):
            blocks: Aligned = align(graph, partners[upwards], conflicts, upwards=upwards, mirrored=mirrored)
            candidates.append(compact(graph, blocks, box_gap, mirrored=mirrored))
    _to_the_narrowest(graph, candidates)
    across = []
    for four in zip(*candidates, strict=True):
        ordered = sorted(four)
        across.append((ordered[1] + ordered[2]) / 2)
    _draw_attendants_near(graph, across, box_gap)
    left = min((x - graph.widths[thing] / 2 for thing, x in enumerate(across)), default=0.0)
    return [x - left for x in across]


def _draw_attendants_near(graph: Ranked, across: list[float], box_gap: float) -> None:
    """Attendants stand as near as they may to what they attend."""
    for layer in graph.layers if graph.before or graph.after else ():
        for left, right in pairwise(layer):
            if right in graph.after:
                across[right] = across[left] + _apart(graph, left, right, box_gap)
        for right, left in pairwise(layer[::-1]):
            if left in graph.before:
                across[left] = across[right] - _apart(graph, left, right, box_gap)


def _apart(graph: Ranked, left: int, right: int, box_gap: float) -> float:
    return (graph.widths[left] + graph.widths[right]) / 2 + gap_between(graph, left, right, box_gap)


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
