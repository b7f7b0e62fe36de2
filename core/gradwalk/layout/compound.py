"""Compound layout: every container's content is laid out on its own, from the innermost out, and equal contents only once.

Lengths here run *across* (the order in a rank) and *along* (the flow); ``engine`` says which of them is x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

import numpy as np

from .cancel import Check
from .content import ANY, Content, Margins, Wish
from .layered import lay_out_flat
from .memory import Memory
from .outside import wishes_of
from .parts import ASIDE, DUMMY_WIDTH, MAIN, PORT_ASIDE, FlatEdge, FlatLayout, FlatRequest, Point, Points
from .request import ROOT, LayoutRequest
from .tree import OUTSIDE, Branch, Lifted, Tree

_serials = count()


class Recipe(NamedTuple):
    """All that a container's content depends on; ``children`` are the sizes of boxes and the serials of contents."""

    children: tuple[Point | int, ...]
    edges: tuple[Lifted, ...]
    pulls: tuple[int, ...]
    ports: tuple[int, int]
    margins: Margins
    wish: Wish
    gaps: tuple[float, float]


known_contents: Memory[Recipe, Content] = Memory(150_000, lambda recipe: 1 + len(recipe.children) + len(recipe.edges))
"""Contents that were laid out before."""


@dataclass(slots=True)
class Compound:
    """A layout being made. ``sizes`` and ``margins`` are those of the boxes and the containers, ROOT included."""

    request: LayoutRequest
    tree: Tree
    sizes: list[Point]
    margins: dict[int, Margins]
    check: Check
    contents: dict[int, Content] = field(default_factory=dict)
    wishes: dict[int, Wish] = field(default_factory=dict)

    def lay_out(self) -> dict[int, Content]:
        """The content of every container: from the innermost out, then as the outside wishes, then again what that changes."""
        for index in self.tree.upwards:
            self._lay_out(index)
        changed = self._grant_wishes()
        for index in self.tree.upwards if changed else ():
            if index in changed:
                self._lay_out(index)
                changed.add(self.tree.branches[index].parent)
        return self.contents

    def _grant_wishes(self) -> set[int]:
        """Lay out again, from the outermost in, what has its ports in another order than the outside wants; the others around."""
        changed = set()
        for index in reversed(self.tree.upwards):
            wishes = self.contents[index].wishes
            for place, wish in wishes:
                child = ~self.tree.branches[index].children[place]
                self.wishes[child] = wish
                self._lay_out(child)
            if wishes:
                changed.add(index)
        return changed

    def _lay_out(self, index: int) -> None:
        self.check()
        branch = self.tree.branches[index]
        recipe = Recipe(
            tuple(self.sizes[child] if child >= 0 else self.contents[~child].serial for child in branch.children),
            tuple(branch.edges),
            _pulls(self.request, branch),
            (len(branch.ins), len(branch.outs)),
            self.margins[index],
            self.wishes.get(index, ANY),
            (self.request.rank_gap, self.request.box_gap),
        )
        self.contents[index] = known_contents.of(recipe, lambda: self._made(branch, recipe))

    def _made(self, branch: Branch, recipe: Recipe) -> Content:
        children = [None if child >= 0 else self.contents[~child] for child in branch.children]
        sizes = [child.size if child else self.sizes[box] for box, child in zip(branch.children, children, strict=True)]
        return _framed(recipe, children, sizes, lay_out_flat(_flat(recipe, children, sizes), self.check))


def _pulls(request: LayoutRequest, branch: Branch) -> tuple[int, ...]:
    """How strongly each child and each port pulls. Where nothing but parameters and inputs comes in, that is the main flow."""
    boxes = request.boxes
    children = [MAIN if child < 0 or boxes[child].main else ASIDE for child in branch.children]
    ins = [boxes[box].main for box, _ in branch.ins]
    aside = PORT_ASIDE if any(ins) else MAIN
    children += [MAIN if main else aside for main in ins]
    return (*children, *[MAIN if boxes[box].main else aside for box, _ in branch.outs])


def _flat(recipe: Recipe, children: Sequence[Content | None], sizes: Sequence[Point]) -> FlatRequest:
    (ins, outs), here = recipe.ports, len(children)
    edges = []
    for source, source_port, target, target_port in recipe.edges:
        leaves, its_reach = _end(children, source, source_port, leaving=True)
        enters, reach = _end(children, target, target_port, leaving=False)
        first = here + int(source_port) if source == OUTSIDE else source
        last = here + ins + int(target_port) if target == OUTSIDE else target
        edges.append(FlatEdge(first, last, leaves, enters, its_reach + reach))
    return FlatRequest(
        sizes=(*sizes, *((DUMMY_WIDTH, 0.0),) * (ins + outs)),
        edges=tuple(edges),
        pulls=recipe.pulls,
        first=tuple(here + port for port in recipe.wish.ins or range(ins)),
        last=tuple(here + ins + port for port in recipe.wish.outs or range(outs)),
        rank_gap=recipe.gaps[0],
        box_gap=recipe.gaps[1],
        held=(bool(recipe.wish.ins), bool(recipe.wish.outs)),
    )


def _end(children: Sequence[Content | None], child: int, port: float, *, leaving: bool) -> tuple[float, int]:
    """How far from the middle of its child an edge ends, and how far the way goes on in there."""
    if child == OUTSIDE:
        return 0.0, 0
    content = children[child]
    if content is None:
        return port, 0
    ports = content.outs if leaving else content.ins
    return ports[int(port)] - content.size[0] / 2, content.reach[leaving][int(port)]


def _framed(recipe: Recipe, children: Sequence[Content | None], sizes: Sequence[Point], laid: FlatLayout) -> Content:
    """The content with its margins; edges to the outside are drawn on to the border."""
    before, after, at_least = recipe.margins
    bare = (laid.width + before[0] + after[0], laid.height + before[1] + after[1])
    size = (max(bare[0], at_least[0]), max(bare[1], at_least[1]))
    move = (before[0] + (size[0] - bare[0]) / 2, before[1] + (size[1] - bare[1]) / 2)
    centres = [(x + move[0], y + move[1]) for x, y in laid.centres]
    corners = tuple((x - w / 2, y - h / 2) for (x, y), (w, h) in zip(centres, sizes, strict=False))
    routes: list[Points] = []
    for (source, _, target, _), route in zip(recipe.edges, laid.routes, strict=True):
        points = [(x + move[0], y + move[1]) for x, y in route]
        if points and source == OUTSIDE:
            points.insert(0, (points[0][0], 0.0))
        if points and target == OUTSIDE:
            points.append((points[-1][0], size[1]))
        routes.append(tuple(points))
    ports = [x for x, _ in centres[len(children) :]]
    wishes = tuple(wishes_of(recipe.edges, children, routes))
    arrays = tuple(np.array(route, dtype=np.float64).reshape(-1, 2) for route in routes)
    ins = recipe.ports[0]
    return Content(next(_serials), size, corners, arrays, tuple(ports[:ins]), tuple(ports[ins:]), laid.reach, wishes)


def corners_of(tree: Tree, contents: dict[int, Content]) -> tuple[dict[int, Point], dict[int, Point]]:
    """Where every box and every container has its first corner, in the whole picture."""
    boxes: dict[int, Point] = {}
    containers: dict[int, Point] = {ROOT: (0.0, 0.0)}
    for index in reversed(tree.upwards):
        across, along = containers[index]
        for child, (x, y) in zip(tree.branches[index].children, contents[index].corners, strict=True):
            if child >= 0:
                boxes[child] = (across + x, along + y)
            else:
                containers[~child] = (across + x, along + y)
    return boxes, containers
