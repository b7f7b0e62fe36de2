"""What is under a point: arithmetic over the scene's arrays, and what it means as a selection. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gradwalk.tape import index, label_of
from gradwalk.trace import NONE
from gradwalk.watches.unread import holder_of

from ..folding import tree_of
from ..state import Selection
from . import styles
from .arrange import frame_title_width
from .curves import Points
from .events_on_cards import Cards, Place
from .frames import shown_op, up_from
from .scene import Scene
from .styles import Measure

NEAR = 6.0
"""Screen pixels within which a lane is hit."""
CHEVRON = 30.0
"""Width of the left part of a folded module's card that unfolds it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Something under the pointer; ``backward`` says which half of a card, or which lane."""

    kind: Literal["card", "lane", "title", "frame"]
    index: int
    backward: bool = False
    chevron: bool = False
    """On the part of a folded module's card that unfolds it."""


def hit_at(scene: Scene, x: float, y: float, zoom: float, measure: Measure) -> Hit | None:
    """What is at a point of the scene: cards before plates before lanes before titles before frames."""
    card = _last(_inside(scene.cards, x, y))
    if card != NONE:
        return _on_card(scene, card, x, y)
    plate = _last(_inside(scene.plates, x, y))
    if plate != NONE:
        return Hit("lane", plate, backward=True)
    lane = _near_lane(scene, x, y, NEAR / zoom)
    if lane is not None:
        return lane
    frame = _last(_inside(scene.frames, x, y))
    if frame == NONE:
        return None
    title = scene.picture.frames[frame]
    left, top = scene.frames[frame, :2]
    on_title = y < top + styles.TITLE_BAND and x < left + frame_title_width(title.title, title.note, measure)
    return Hit("title" if on_title else "frame", frame)


def _inside(rects: Points, x: float, y: float) -> NDArray[np.intp]:
    if not len(rects):
        return np.zeros(0, dtype=np.intp)
    left, top, width, height = rects.T
    return np.flatnonzero((left <= x) & (x <= left + width) & (top <= y) & (y <= top + height))


def _last(found: NDArray[np.intp]) -> int:
    return int(found[-1]) if len(found) else NONE


def _on_card(scene: Scene, place: int, x: float, y: float) -> Hit:
    card = scene.picture.cards[place]
    left, top = scene.cards[place, :2]
    split = scene.splits[place]
    backward = card.backward and card.kind != "knot" and (not card.forward or y - top > split)
    chevron = card.kind == "module" and x - left < CHEVRON and not backward
    return Hit("card", place, bool(backward), bool(chevron))


def _near_lane(scene: Scene, x: float, y: float, near: float) -> Hit | None:
    best, found = near, None
    left, top, width, height = scene.lane_bounds.T if len(scene.lane_bounds) else np.zeros((4, 0))
    around = (left - near <= x) & (x <= left + width + near) & (top - near <= y) & (y <= top + height + near)
    for lane in np.flatnonzero(around).tolist():
        for backward, tracks in ((False, scene.forward_tracks), (True, scene.backward_tracks)):
            away = _distance(tracks[lane].points, x, y)
            if away <= best:
                best, found = away, Hit("lane", lane, backward)
    return found


def _distance(points: Points, x: float, y: float) -> float:
    """The distance of a point from a polyline."""
    if len(points) < 2:
        return float("inf")
    start, step = points[:-1], np.diff(points, axis=0)
    there = np.array([x, y]) - start
    along = np.clip((there * step).sum(axis=1) / np.maximum((step * step).sum(axis=1), 1e-12), 0.0, 1.0)
    return float(np.sqrt(((there - step * along[:, None]) ** 2).sum(axis=1)).min())


def selection_of(scene: Scene, hit: Hit) -> Selection | None:
    """What a click on it selects."""
    if hit.kind in ("title", "frame"):
        return Selection("module", scene.picture.frames[hit.index].module) if hit.kind == "title" else None
    if hit.kind == "lane":
        lane = scene.picture.lanes[hit.index]
        if hit.backward and lane.edges:
            return Selection("edge", lane.edges[-1])
        return Selection("value", lane.value) if lane.value != NONE else None
    card = scene.picture.cards[hit.index]
    if hit.backward and card.nodes and card.kind != "module":
        return Selection("node", card.nodes[0])
    kind = {"op": "op", "knot": "op", "node": "node", "module": "module"}.get(card.kind, "value")
    return Selection(kind, card.ref)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a selection is in the picture: a part of a card, a lane, or a frame."""

    place: Place | None = None
    lane: int = NONE
    backward: bool = False
    frame: int = NONE


def where_is(scene: Scene, cards: Cards, selection: Selection | None) -> Shown | None:
    """Where a selection shows, or None. What is inside a folded module shows on its card, what no op reads on its module."""
    if selection is None:
        return None
    if selection.kind == "module":
        return _module(scene, selection.id)
    if selection.kind == "edge":
        lane = _places(scene).lane_of_edge.get(selection.id)
        if lane is not None:
            return Shown(lane=lane, backward=True)
        source = scene.graph.edges[selection.id].source
        return _card(cards.of_node.get(source), backward=True)
    if selection.kind == "node":
        return _card(cards.of_node.get(selection.id), backward=True)
    if selection.kind == "op":
        return _card(cards.of_op.get(shown_op(scene.graph, selection.id)), backward=False)
    return _value(scene, cards, selection.id)


def _card(place: int | None, *, backward: bool) -> Shown | None:
    return None if place is None else Shown(Place(place, "backward" if backward else "forward"))


@dataclass(frozen=True, slots=True)
class _Places:
    """Look-ups over a scene that the cards of its ops and Nodes do not give."""

    frame_of_module: dict[int, int]
    card_of_module: dict[int, int]
    card_of_value: dict[int, int]
    lane_of_value: dict[int, int]
    lane_of_edge: dict[int, int]


@lru_cache(maxsize=4)
def _places(scene: Scene) -> _Places:
    cards, lanes = scene.picture.cards, scene.picture.lanes
    backwards = range(len(lanes) - 1, -1, -1)  # of several the first counts
    return _Places(
        {frame.module: i for i, frame in enumerate(scene.picture.frames)},
        {card.ref: i for i, card in enumerate(cards) if card.kind == "module"},
        {card.ref: i for i, card in enumerate(cards) if card.kind in ("leaf", "input", "loss", "tensor")},
        {lanes[i].value: i for i in backwards},
        {edge: i for i in backwards for edge in lanes[i].edges},
    )


def _module(scene: Scene, module: int) -> Shown | None:
    """The frame of a module call, its card, that of its stack, or that of a folded module around it."""
    places = _places(scene)
    if module in places.frame_of_module:
        return Shown(frame=places.frame_of_module[module])
    stack_of = tree_of(scene.graph).stack_of
    calls = (either for call in up_from(scene.graph, module) for either in (call, stack_of.get(call, (call,))[0]))
    place = next((places.card_of_module[call] for call in calls if call in places.card_of_module), None)
    return _card(place, backward=False)


def _unread(scene: Scene, value: int) -> Shown | None:
    """A parameter that no op reads has no card: it shows on the module that it may be in."""
    holder = holder_of(scene.graph, label_of(scene.graph.values[value]))
    return None if holder is None else _module(scene, holder.id)


def _value(scene: Scene, cards: Cards, value: int) -> Shown | None:
    places = _places(scene)
    if value in places.card_of_value:
        return _card(places.card_of_value[value], backward=False)
    if value in places.lane_of_value:
        return Shown(lane=places.lane_of_value[value])
    made = scene.graph.values[value].op
    if made != NONE:
        return _card(cards.of_op.get(shown_op(scene.graph, made)), backward=False)
    leaf = index(scene.graph).node_of_leaf.get(value)
    if leaf is not None and leaf in cards.of_node:
        return _card(cards.of_node[leaf], backward=False)
    reader = next((op.id for op in scene.graph.ops if value in op.inputs), NONE)
    if reader == NONE:
        return _unread(scene, value)
    return _card(cards.of_op.get(shown_op(scene.graph, reader)), backward=False)
