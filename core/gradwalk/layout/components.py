"""Parts of a container that nothing joins: laid out one by one and packed into shelves that run with the flow."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .parts import FlatRequest, Point

ASPECT = 1.6
"""How much longer than wide the packed whole may become."""


def split(request: FlatRequest) -> list[list[int]]:
    """The boxes of each connected part: first that with the ports (they hold together) or else the largest, then the others.

    The others stand in the order of their first boxes.
    """
    leader = list(range(len(request.sizes)))

    def find(thing: int) -> int:
        while leader[thing] != thing:
            leader[thing] = leader[leader[thing]]
            thing = leader[thing]
        return thing

    ports = (*request.first, *request.last)
    for a, b in [(edge.source, edge.target) for edge in request.edges] + [(ports[0], port) for port in ports]:
        left, right = find(a), find(b)
        leader[max(left, right)] = min(left, right)
    groups: dict[int, list[int]] = {}
    for thing in range(len(request.sizes)):
        groups.setdefault(find(thing), []).append(thing)
    with_ports = find(ports[0]) if ports else -1
    largest = max(groups, key=lambda group: (group == with_ports, len(groups[group]), -group))
    return [groups[largest], *(things for group, things in groups.items() if group != largest)]


def part_of(request: FlatRequest, things: Sequence[int]) -> FlatRequest:
    """The request of one part; its boxes and edges keep their order. Only of the ports that it has an order can be held."""
    number = {thing: place for place, thing in enumerate(things)}
    first = tuple(number[thing] for thing in request.first if thing in number)
    last = tuple(number[thing] for thing in request.last if thing in number)
    return FlatRequest(
        tuple(request.sizes[thing] for thing in things),
        tuple(
            edge._replace(source=number[edge.source], target=number[edge.target])
            for edge in request.edges
            if edge.source in number
        ),
        tuple(request.pulls[thing] for thing in things),
        first,
        last,
        request.rank_gap,
        request.box_gap,
        (request.held[0] and bool(first), request.held[1] and bool(last)),
    )


def pack(sizes: Sequence[Point], gap: float, *, alone: bool) -> list[Point]:
    """The corner of each part. Shelves run down and lie beside each other; the first part has one to itself if ``alone``."""
    area = sum((width + gap) * (height + gap) for width, height in sizes)
    longest = max(max(height for _, height in sizes), ASPECT * math.sqrt(area))
    corners: list[Point] = []
    left = top = thick = 0.0
    for place, (width, height) in enumerate(sizes):
        if corners and (top + height > longest or (alone and place == 1)):
            left, top, thick = left + thick + gap, 0.0, 0.0
        corners.append((left, top))
        top, thick = top + height + gap, max(thick, width)
    return corners
