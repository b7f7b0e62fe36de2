"""The containers as a tree, and every link lifted once: an edge at the lowest common container, ports on the way there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from .request import ROOT, LayoutRequest, Link

Source: TypeAlias = tuple[int, float]
"""What a port carries: a box and the port that it leaves from."""

Lifted: TypeAlias = tuple[int, float, int, float]
"""An edge inside one container: source, its port, target, its port. Source and target are children by their place, or OUTSIDE; a
port is a box's offset, or the number of a port: a child's if that is a container, the container's own OUTSIDE."""

Piece: TypeAlias = tuple[int, int]
"""A part of a link's route: a container and one of its edges, by its number."""

OUTSIDE = -1


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

    def add(self, child: int) -> bool:
        """Add a child once; whether it is new."""
        if child in self.place:
            return False
        self.place[child] = len(self.children)
        self.children.append(child)
        return True

    def hold(self, edge: Lifted) -> int:
        """The number of an edge in here; equal ones are one."""
        return self.edges.setdefault(edge, len(self.edges))


@dataclass(slots=True)
class Tree:
    """All branches by container index (ROOT too), deepest first in ``upwards``, and the pieces of every link."""

    branches: dict[int, Branch]
    upwards: list[int]
    pieces: list[list[Piece]]


def tree_of(request: LayoutRequest) -> Tree:
    """Build the tree and lift the links. Raises ValueError where containers hold each other in a circle."""
    branches = _branches(request)
    for number, box in enumerate(request.boxes):
        branches[box.container].add(number)
        _join(branches, box.container)
    for index in range(len(request.containers)):
        _join(branches, index)
    pieces = [_lift(request, branches, link) for link in request.links]
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
    """Make a container, and those around it, children of their parents."""
    while index != ROOT and branches[branches[index].parent].add(~index):
        index = branches[index].parent


def _lift(request: LayoutRequest, branches: dict[int, Branch], link: Link) -> list[Piece]:
    source: Source = (link.source, link.source_port)
    left, right = branches[request.boxes[link.source].container], branches[request.boxes[link.target].container]
    start, end, start_port, end_port = link
    before: list[Piece] = []
    after: list[Piece] = []
    while left is not right:
        if left.depth >= right.depth:
            port = left.outs.setdefault(source, len(left.outs))
            before.append((left.index, left.hold((left.place[start], start_port, OUTSIDE, port))))
            start, start_port, left = ~left.index, port, branches[left.parent]
        else:
            port = right.ins.setdefault(source, len(right.ins))
            after.append((right.index, right.hold((OUTSIDE, port, right.place[end], end_port))))
            end, end_port, right = ~right.index, port, branches[right.parent]
    before.append((left.index, left.hold((left.place[start], start_port, left.place[end], end_port))))
    return before + after[::-1]
