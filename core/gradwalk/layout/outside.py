"""The order of a container's ports as the outside wants it: what leaves side by side goes on side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .content import ANY, Content, Wish
from .parts import Points
from .tree import OUTSIDE, Branch, End

IN, OUT = 0, 1


class _Way(NamedTuple):
    """Where, across, an edge goes on to (or comes from) outside a container's port."""

    container: int
    side: int
    port: int
    across: float


def wishes_of(branch: Branch, contents: Mapping[int, Content]) -> dict[int, Wish]:
    """What a container that is laid out wishes of those in it: only where it is another order than they have."""
    ways: dict[int, tuple[dict[int, list[float]], dict[int, list[float]]]] = {}
    for way in _ways(branch, contents[branch.index]):
        ways.setdefault(way.container, ({}, {}))[way.side].setdefault(way.port, []).append(way.across)
    wishes = {
        index: Wish(_wished(ins, contents[index].ins), _wished(outs, contents[index].outs)) for index, (ins, outs) in ways.items()
    }
    return {index: wish for index, wish in wishes.items() if wish != ANY}


def _ways(branch: Branch, content: Content) -> Iterator[_Way]:
    """From container to container only the first is asked: if both turned round, nothing would be won."""
    for edge, route in zip(branch.edges, content.routes, strict=True):
        source, target = _container(branch, edge.source), _container(branch, edge.target)
        if route and source is not None:
            yield _Way(source, OUT, int(edge.source.port), _onward(route))
        elif route and target is not None:
            yield _Way(target, IN, int(edge.target.port), _onward(route[::-1]))


def _container(branch: Branch, end: End) -> int | None:
    if end.child == OUTSIDE or branch.children[end.child] >= 0:
        return None
    return ~branch.children[end.child]


def _onward(points: Points) -> float:
    """Where a route goes on to from its first point."""
    start = points[0][0]
    return next((x for x, _ in points if x != start), start)


def _wished(ways: Mapping[int, Sequence[float]], across: Sequence[float]) -> tuple[int, ...]:
    """The order of the ports by where their ways go on, or () where it is the order that they have."""
    numbers = sorted(range(len(across)), key=across.__getitem__)
    middle = [sum(ways[port]) / len(ways[port]) if port in ways else x for port, x in enumerate(across)]
    wished = sorted(numbers, key=middle.__getitem__)
    return tuple(wished) if wished != numbers else ()
