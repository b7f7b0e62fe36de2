"""From a picture to positions: ask the layout, and put what is attached beside its card. No Qt.

The layout sees an op with what is attached to it as one box; lanes between the two are straight and are drawn here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gradwalk.layout.request import Box, Container, Layout, LayoutRequest, Link
from gradwalk.trace import Graph

from . import styles
from .attach import Attached, Beside, Group, across_at, attached, group_of
from .curves import Points
from .parts import Picture
from .ports import Ports, ports
from .sizes import card_sizes
from .styles import Measure

LayOut: TypeAlias = Callable[[LayoutRequest], Layout]
Size: TypeAlias = tuple[float, float]
_LOOK_AHEAD = 110.0
"""How far from its end it is looked where a lane comes from, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """Positions: ``cards`` and ``frames`` float64 ``[n, 4]`` of left, top, width, height, a route ``[points, 2]`` per lane.

    ``sides`` says per lane on which side of its route the backward lane runs: 1 for the right of its direction, -1 for the left.
    """

    cards: Points
    frames: Points
    routes: tuple[Points, ...]
    sides: tuple[int, ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Plan:
    """A picture on its way to the layout: the boxes that it sees, each for a card or a group, and the lanes between them."""

    picture: Picture
    sizes: list[Size]
    anchors: list[int]
    """Per box its card; of a group the one that the others are attached to."""
    groups: list[Group]
    lanes: list[int]
    """The lanes that the layout sees."""
    attached: Attached


def arrange(graph: Graph, picture: Picture, measure: Measure, lay_out: LayOut) -> Arrangement:
    """The positions of a picture's parts."""
    plan = _plan(graph, picture, measure)
    at = ports(picture, plan.sizes, plan.lanes)
    layout = lay_out(_request(plan, at, measure))
    better = ports(picture, plan.sizes, plan.lanes, _across(plan, layout))
    if better != at:
        layout = lay_out(_request(plan, better, measure))
    return _arranged(plan, layout)


def _plan(graph: Graph, picture: Picture, measure: Measure) -> _Plan:
    beside = attached(picture)
    lanes = [i for i in range(len(picture.lanes)) if i not in beside.lanes]
    sizes = card_sizes(graph, picture, measure, lanes)
    anchors = sorted(frozenset(range(len(picture.cards))) - beside.cards)
    groups = [group_of(picture, i, beside.beside.get(i, Beside()), sizes) for i in anchors]
    return _Plan(picture, sizes, anchors, groups, lanes, beside)


def _request(plan: _Plan, at: Ports, measure: Measure) -> LayoutRequest:
    picture = plan.picture
    box_of = {card: i for i, card in enumerate(plan.anchors)}
    boxes = tuple(
        Box(*group.size, picture.cards[card].frame, picture.cards[card].kind not in ("leaf", "input"))
        for card, group in zip(plan.anchors, plan.groups, strict=True)
    )
    shifts = [_shift(plan, i) for i in range(len(plan.anchors))]
    links = []
    for i in plan.lanes:
        source, target = box_of[picture.lanes[i].source], box_of[picture.lanes[i].target]
        links.append(Link(source, target, at.source[i] + shifts[source], at.target[i] + shifts[target]))
    containers = tuple(
        Container(frame.parent, frame_title_width(frame.title, frame.note, measure), styles.TITLE_BAND, styles.PADDING)
        for frame in picture.frames
    )
    return LayoutRequest(boxes, tuple(links), containers, picture.flow, _rank_gap(picture), _box_gap(picture))


def _shift(plan: _Plan, box: int) -> float:
    """How far, across the flow, the middle of a box's card lies from the middle of the box."""
    axis = 1 if plan.picture.flow == "right" else 0
    card, group = plan.anchors[box], plan.groups[box]
    return group.corners[card][axis] + plan.sizes[card][axis] / 2 - group.size[axis] / 2


def _numbers(picture: Picture) -> bool:
    return picture.halves != "forward" and any(lane.edges for lane in picture.lanes)


def _rank_gap(picture: Picture) -> float:
    if not _numbers(picture):
        return 52.0
    if picture.flow == "down":
        return 58.0
    return 56.0 if any(card.kind == "knot" for card in picture.cards) else 76.0


def _box_gap(picture: Picture) -> float:
    return 30.0 if picture.flow == "right" or not _numbers(picture) else 44.0


def frame_title_width(title: str, note: str, measure: Measure) -> float:
    """The width of a frame's title with its class and the chevron; what is longer is elided."""
    return min(14 + measure(title, styles.FRAME_TITLE) + 7 + measure(note, styles.FRAME_NOTE) + 26, styles.MAX_FRAME_TITLE)


def _across(plan: _Plan, layout: Layout) -> list[Size]:
    """Per lane where, across the flow, it comes from shortly before its target, and goes to shortly after its source."""
    axis = 1 if plan.picture.flow == "right" else 0
    ways = [(0.0, 0.0)] * len(plan.picture.lanes)
    for i, route in zip(plan.lanes, layout.routes, strict=True):
        if len(route):
            along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(route[:, 1 - axis])))])
            before, after = np.interp([along[-1] - _LOOK_AHEAD, _LOOK_AHEAD], along, route[:, axis]).tolist()
            ways[i] = (before, after)
    return ways


def _arranged(plan: _Plan, layout: Layout) -> Arrangement:
    picture = plan.picture
    cards = np.zeros((len(picture.cards), 4))
    for group, (left, top, _, _) in zip(plan.groups, layout.boxes.tolist(), strict=True):
        for card, (x, y) in group.corners.items():
            cards[card] = (left + x, top + y, *plan.sizes[card])
    routes: list[Points] = [np.zeros((0, 2))] * len(picture.lanes)
    for i, route in zip(plan.lanes, layout.routes, strict=True):
        routes[i] = _to_the_cards(picture, i, route, cards)
    sides = [1 if picture.flow == "right" else -1] * len(picture.lanes)
    for i in plan.attached.lanes:
        routes[i], sides[i] = _straight(picture, i, cards)
    return Arrangement(cards, layout.containers, tuple(routes), tuple(sides), layout.width, layout.height)


def _to_the_cards(picture: Picture, lane: int, route: Points, cards: Points) -> Points:
    """A route from the border of a group on to the border of the card in it, at both ends."""
    if not len(route):
        return route
    along = 0 if picture.flow == "right" else 1
    source, target = cards[picture.lanes[lane].source], cards[picture.lanes[lane].target]
    start, end = route[:1].copy(), route[-1:].copy()
    start[0, along], end[0, along] = source[along] + source[along + 2], target[along]
    return np.concatenate([start, route, end])


def _straight(picture: Picture, lane: int, cards: Points) -> tuple[Points, int]:
    """The route between an attached card and the card that it is attached to, and the side of its backward lane."""
    across = 0 if picture.flow == "right" else 1
    along = 1 - across
    source, target = cards[picture.lanes[lane].source], cards[picture.lanes[lane].target]
    low = max(source[across], target[across])
    high = min(source[across] + source[across + 2], target[across] + target[across + 2])
    before = source[along] < target[along]
    route = np.zeros((2, 2))
    route[:, across] = across_at(low, high, picture.flow)
    far, near = (source, target) if before else (target, source)
    ends = (far[along] + far[along + 2], near[along])
    route[:, along] = ends if before else ends[::-1]
    return route, -1 if before == (picture.flow == "right") else 1
