"""Compound layout: every container's content is laid out on its own, from the innermost out, and equal contents only once.

Lengths here run *across* (the order in a rank) and *along* (the flow); ``engine`` says which of them is x.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .cancel import Check
from .content import ANY, Content, Margins, Wish
from .layered import lay_out_flat
from .memory import Memory
from .outside import wishes_of
from .parts import ASIDE, DUMMY_WIDTH, MAIN, PORT_ASIDE, FlatEdge, FlatLayout, FlatRequest, Point
from .request import ROOT, LayoutRequest
from .tree import OUTSIDE, Branch, End, Tree

flat_layouts: Memory[FlatRequest, FlatLayout] = Memory(150_000, lambda flat: 1 + len(flat.sizes) + len(flat.edges))
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
            wishes = wishes_of(self.tree.branches[index], self.contents)
            for child, wish in wishes.items():
                self.wishes[child] = wish
                self._lay_out(child)
            if wishes:
                changed.add(index)
        return changed

    def _lay_out(self, index: int) -> None:
        self.check()
        branch = self.tree.branches[index]
        sizes = [self.sizes[child] if child >= 0 else self.contents[~child].size for child in branch.children]
        flat = self._flat(branch, sizes, self.wishes.get(index, ANY))
        laid = flat_layouts.of(flat, lambda: lay_out_flat(flat, self.check))
        self.contents[index] = _framed(branch, laid, sizes, self.margins[index])

    def _flat(self, branch: Branch, sizes: list[Point], wish: Wish) -> FlatRequest:
        count, ins, outs = len(sizes), len(branch.ins), len(branch.outs)
        return FlatRequest(
            sizes=(*sizes, *((DUMMY_WIDTH, 0.0),) * (ins + outs)),
            edges=tuple(
                FlatEdge(
                    source=_number(edge.source, count),
                    target=_number(edge.target, count + ins),
                    source_port=self._offset(branch, edge.source, leaving=True),
                    target_port=self._offset(branch, edge.target, leaving=False),
                    reach=self._reach(branch, edge.source, leaving=True) + self._reach(branch, edge.target, leaving=False),
                )
                for edge in branch.edges
            ),
            pulls=_pulls(self.request, branch),
            first=tuple(count + port for port in wish.ins or range(ins)),
            last=tuple(count + ins + port for port in wish.outs or range(outs)),
            rank_gap=self.request.rank_gap,
            box_gap=self.request.box_gap,
            held=(bool(wish.ins), bool(wish.outs)),
        )

    def _offset(self, branch: Branch, end: End, *, leaving: bool) -> float:
        """How far from the middle of its child an edge ends."""
        if end.child == OUTSIDE:
            return 0.0
        child = branch.children[end.child]
        if child >= 0:
            return end.port
        content = self.contents[~child]
        ports = content.outs if leaving else content.ins
        return ports[int(end.port)] - content.size[0] / 2

    def _reach(self, branch: Branch, end: End, *, leaving: bool) -> int:
        """How far the way goes on inside the child at which an edge ends."""
        if end.child == OUTSIDE or branch.children[end.child] >= 0:
            return 0
        return self.contents[~branch.children[end.child]].reach[leaving][int(end.port)]


def _pulls(request: LayoutRequest, branch: Branch) -> tuple[int, ...]:
    """How strongly each child and each port pulls. Where nothing but parameters and inputs comes in, that is the main flow."""
    children = [MAIN if child < 0 or request.boxes[child].main else ASIDE for child in branch.children]
    through_ports = [request.boxes[box].main for box, _ in (*branch.ins, *branch.outs)]
    aside = PORT_ASIDE if any(through_ports[: len(branch.ins)]) else MAIN
    return (*children, *(MAIN if main else aside for main in through_ports))


def _number(end: End, ports_from: int) -> int:
    return ports_from + int(end.port) if end.child == OUTSIDE else end.child


def _framed(branch: Branch, laid: FlatLayout, sizes: list[Point], margins: Margins) -> Content:
    """The content with its margins; edges to the outside are drawn on to the border."""
    bare = (laid.width + margins.before[0] + margins.after[0], laid.height + margins.before[1] + margins.after[1])
    size = (max(bare[0], margins.at_least[0]), max(bare[1], margins.at_least[1]))
    move = (margins.before[0] + (size[0] - bare[0]) / 2, margins.before[1] + (size[1] - bare[1]) / 2)
    count, ins = len(sizes), len(branch.ins)
    centres = [(x + move[0], y + move[1]) for x, y in laid.centres]
    corners = tuple((x - w / 2, y - h / 2) for (x, y), (w, h) in zip(centres, sizes, strict=False))
    routes = []
    for edge, route in zip(branch.edges, laid.routes, strict=True):
        points = [(x + move[0], y + move[1]) for x, y in route]
        if points and edge.source.child == OUTSIDE:
            points.insert(0, (points[0][0], 0.0))
        if points and edge.target.child == OUTSIDE:
            points.append((points[-1][0], size[1]))
        routes.append(tuple(points))
    ports = [x for x, _ in centres[count:]]
    return Content(size, corners, tuple(routes), tuple(ports[:ins]), tuple(ports[ins:]), laid.reach)


def corners_of(tree: Tree, contents: dict[int, Content]) -> tuple[dict[int, Point], dict[int, Point]]:
    """Where every box and every container has its first corner, in the whole picture."""
    boxes: dict[int, Point] = {}
    containers: dict[int, Point] = {ROOT: (0.0, 0.0)}
    for index in reversed(tree.upwards):
        across, along = containers[index]
        for child, (x, y) in zip(tree.branches[index].children, contents[index].corners, strict=True):
            corner = (across + x, along + y)
            if child >= 0:
                boxes[child] = corner
            else:
                containers[~child] = corner
    return boxes, containers
