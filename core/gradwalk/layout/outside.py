"""The order of a container's ports as the outside wants it: what leaves side by side goes on side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .content import ANY, Content, Wish
from .parts import Points
from .tree import OUTSIDE, Lifted

Ways = dict[int, list[float]]
"""Per port of a container where, across, its edges go on to outside, or come from."""


def wishes_of(edges: Iterable[Lifted], children: Sequence[Content | None], routes: Iterable[Points]) -> list[tuple[int, Wish]]:
    """What a container that is laid out wishes of those in it (by their place): only where it is another order than they have.

    Of an edge from one to another the first is asked only where the second has no choice: if both turned round, nothing would
    be won.
    """
    found: dict[int, tuple[Ways, Ways]] = {}
    for (source, source_port, target, target_port), route in zip(edges, routes, strict=True):
        if route and target != OUTSIDE and (child := children[target]) and len(child.ins) > 1:
            found.setdefault(target, ({}, {}))[0].setdefault(int(target_port), []).append(_onward(route[::-1]))
        elif route and source != OUTSIDE and children[source]:
            found.setdefault(source, ({}, {}))[1].setdefault(int(source_port), []).append(_onward(route))
    wishes = []
    for place, (ins, outs) in found.items():
        child = children[place]
        if child and (wish := Wish(_wished(ins, child.ins), _wished(outs, child.outs))) != ANY:
            wishes.append((place, wish))
    return wishes


def _onward(points: Points) -> float:
    """Where a route goes on to from its first point."""
    start = points[0][0]
    return next((x for x, _ in points if x != start), start)


def _wished(ways: Mapping[int, Sequence[float]], across: Sequence[float]) -> tuple[int, ...]:
    """The order of the ports by where their ways go on, or () where it is the order that they have."""
    if len(across) < 2:
        return ()
    numbers = sorted(range(len(across)), key=across.__getitem__)
    middle = [sum(ways[port]) / len(ways[port]) if port in ways else x for port, x in enumerate(across)]
    wished = sorted(numbers, key=middle.__getitem__)
    return tuple(wished) if wished != numbers else ()
