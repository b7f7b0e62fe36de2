"""The layout engine: a request in, positions out. Pure, deterministic, without recursion; equal requests are laid out once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .cancel import Check, check_of
from .compound import Compound, corners_of
from .content import Content, Margins
from .memory import Memory
from .parts import Point
from .request import ROOT, Layout, LayoutRequest
from .tree import Tree, tree_of

NO_MARGINS = Margins((0.0, 0.0), (0.0, 0.0), (0.0, 0.0))

laid_out: Memory[LayoutRequest, Layout] = Memory(100_000, lambda request: 1 + len(request.boxes) + len(request.links))
"""The layouts made last."""


def lay_out(request: LayoutRequest, cancelled: Callable[[], bool] | None = None) -> Layout:
    """Lay out a request, or give the same Layout as the last time.

    ``cancelled`` is asked again and again, in this thread; when it says True, LayoutCancelled is raised. Raises ValueError
    where containers hold each other in a circle.
    """
    return laid_out.of(request, lambda: _lay_out(request, check_of(cancelled)))


def _lay_out(request: LayoutRequest, check: Check) -> Layout:
    turned = request.direction == "right"
    sizes = [(box.height, box.width) if turned else (box.width, box.height) for box in request.boxes]
    tree = tree_of(request)
    margins = {ROOT: NO_MARGINS} | {index: _margins(request, index, turned=turned) for index in range(len(request.containers))}
    contents = Compound(request, tree, sizes, margins, check).lay_out()
    check()
    boxes, containers = corners_of(tree, contents)
    across, along = contents[ROOT].size
    width, height = (along, across) if turned else (across, along)
    return Layout(
        _rectangles(((boxes[number], size) for number, size in enumerate(sizes)), turned=turned),
        _rectangles(((containers[i], contents[i].size) for i in range(len(request.containers))), turned=turned),
        _routes(tree, contents, containers, turned=turned),
        width,
        height,
    )


def _margins(request: LayoutRequest, index: int, *, turned: bool) -> Margins:
    container = request.containers[index]
    pad, title = container.padding, container.title_height
    wide = container.title_width + 2 * pad
    if turned:
        return Margins((pad + title, pad), (pad, pad), (title + 2 * pad, wide))
    return Margins((pad, pad + title), (pad, pad), (wide, title + 2 * pad))


def _rectangles(corners_and_sizes: Iterable[tuple[Point, Point]], *, turned: bool) -> NDArray[np.float64]:
    rows = [(y, x, h, w) if turned else (x, y, w, h) for (x, y), (w, h) in corners_and_sizes]
    return _frozen(np.array(rows, dtype=np.float64).reshape(-1, 4))


def _routes(
    tree: Tree, contents: dict[int, Content], containers: dict[int, Point], *, turned: bool
) -> tuple[NDArray[np.float64], ...]:
    """The route of every link: its pieces one after the other, all in one array that they are cut from."""
    pieces = [contents[container].routes[edge] for link in tree.pieces for container, edge in link]
    if not pieces:
        return ()
    lengths = np.array([len(piece) for piece in pieces])
    corners = np.array([containers[container] for link in tree.pieces for container, _ in link])
    points = np.concatenate(pieces) + np.repeat(corners, lengths, axis=0)
    link = np.repeat(np.repeat(np.arange(len(tree.pieces)), [len(one) for one in tree.pieces]), lengths)
    points, link = _tidy(points, link)
    ends = np.searchsorted(link, np.arange(len(tree.pieces) + 1))
    whole = _frozen(np.ascontiguousarray(points[:, ::-1]) if turned else points)
    return tuple(whole[start:end] for start, end in pairwise(ends.tolist()))


def _tidy(points: NDArray[np.float64], link: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The points without those that a link repeats, and without those on a straight piece along an axis."""
    same = (points[1:] == points[:-1]) & (link[1:] == link[:-1])[:, None]
    kept = np.ones(len(points), dtype=bool)
    kept[1:] = ~same.all(axis=1)
    points, link = points[kept], link[kept]
    same = (points[1:] == points[:-1]) & (link[1:] == link[:-1])[:, None]
    between = np.zeros(len(points), dtype=bool)
    between[1:-1] = (same[1:] & same[:-1]).any(axis=1)
    return points[~between], link[~between]


def _frozen(array: NDArray[np.float64]) -> NDArray[np.float64]:
    array.flags.writeable = False
    return array
