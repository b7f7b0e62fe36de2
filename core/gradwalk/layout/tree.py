"""The containers as a tree, and every link lifted once: an edge at the lowest common container, ports on the way there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .request import ROOT, LayoutRequest

Source = tuple[int, float]
"""What a port carries: a box and the port that it leaves from."""


class End(NamedTuple):
    """One end of a lifted edge: a child by its place, or the container's own port (``child`` is OUTSIDE)."""

    child: int
    port: float
    """For a box the port's offset; for a container or OUTSIDE the number of its port."""


OUTSIDE = -1


class Lifted(NamedTuple):
    """An edge inside one container."""

    source: End
    target: End


@dataclass(slots=True)
class Branch:
    """One container: its children (boxes, and containers as ``~index``), its ports, and the edges that it holds."""

    index: int
    parent: int
    depth: int
    children: list[int] = field(default_factory=list)
    place: dict[int, int] = field(default_factory=dict)
    ins: dict[Source, int] = field(default_factory=dict)
    outs: dict[Source, int] = field(default_factory=dict)
    edges: dict[Lifted, int] = field(default_factory=dict)

    def add(self, child: int) -> None:
        """Add a child once."""
        if child not in self.place:
            self.place[child] = len(self.children)
            self.children.append(child)

    def hold(self, source: End, target: End) -> int:
        """The number of an edge in here; equal ones are one."""
        return self.edges.setdefault(Lifted(source, target), len(self.edges))


class Piece(NamedTuple):
    """A part of a link's route: an edge of a container."""

    container: int
    edge: int


@dataclass(slots=True)
class Tree:
    """All branches by container index (ROOT too), deepest first in ``upwards``, and the pieces of every link."""

    branches: dict[int, Branch]
    upwards: list[int]
    pieces: list[tuple[Piece, ...]]


def tree_of(request: LayoutRequest) -> Tree:
    """Build the tree and lift the links. Raises ValueError where containers hold each other in a circle."""
    branches = _branches(request)
    for number, box in enumerate(request.boxes):
        branches[box.container].add(number)
        _join(branches, box.container)
    for index in range(len(request.containers)):
        _join(branches, index)
    pieces = [_lift(request, branches, number) for number in range(len(request.links))]
    upwards = sorted(branches, key=lambda index: (-branches[index].depth, index))
    return Tree(branches, upwards, pieces)


def _branches(request: LayoutRequest) -> dict[int, Branch]:
    branches = {ROOT: Branch(ROOT, ROOT, 0)}
    for start in range(len(request.containers)):
        path, at = [], start
        while at not in branches:
            if at in path:
                raise ValueError(f"container {at} is inside itself")
            path.append(at)
            at = request.containers[at].parent
        for index in reversed(path):
            parent = request.containers[index].parent
            branches[index] = Branch(index, parent, branches[parent].depth + 1)
    return branches


def _join(branches: dict[int, Branch], index: int) -> None:
    while index != ROOT:
        branch = branches[index]
        branches[branch.parent].add(~index)
        index = branch.parent


def _lift(request: LayoutRequest, branches: dict[int, Branch], number: int) -> tuple[Piece, ...]:
    link = request.links[number]
    source: Source = (link.source, link.source_port)
    left, right = branches[request.boxes[link.source].container], branches[request.boxes[link.target].container]
    start, end = (link.source, link.source_port), (link.target, link.target_port)
    before: list[Piece] = []
    after: list[Piece] = []
    while left is not right:
        if left.depth >= right.depth:
            port = left.outs.setdefault(source, len(left.outs))
            before.append(Piece(left.index, left.hold(_end(left, start), End(OUTSIDE, port))))
            start, left = (~left.index, port), branches[left.parent]
        else:
            port = right.ins.setdefault(source, len(right.ins))
            after.append(Piece(right.index, right.hold(End(OUTSIDE, port), _end(right, end))))
            end, right = (~right.index, port), branches[right.parent]
    middle = Piece(left.index, left.hold(_end(left, start), _end(left, end)))
    return (*before, middle, *reversed(after))


def _end(branch: Branch, end: tuple[int, float]) -> End:
    return End(branch.place[end[0]], end[1])
