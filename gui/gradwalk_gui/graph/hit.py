"""What is under a point: arithmetic over the scene's arrays, and what it means as a selection. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gradwalk.trace import NONE

from ..session import Selection
from . import styles
from .arrange import frame_title_width
from .curves import Points
from .events_on_cards import Cards, Place
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
    """Where a selection shows, or None. What is inside a folded module shows on its card."""
    if selection is None:
        return None
    if selection.kind == "module":
        return _module(scene, selection.id)
    if selection.kind == "edge":
        lane = next((i for i, lane in enumerate(scene.picture.lanes) if selection.id in lane.edges), NONE)
        if lane != NONE:
            return Shown(lane=lane, backward=True)
        source = scene.graph.edges[selection.id].source
        return _card(cards.of_node.get(source), backward=True)
    if selection.kind == "node":
        return _card(cards.of_node.get(selection.id), backward=True)
    if selection.kind == "op":
        op = selection.id
        while op not in cards.of_op and scene.graph.ops[op].parent != NONE:
            op = scene.graph.ops[op].parent
        return _card(cards.of_op.get(op), backward=False)
    return _value(scene, cards, selection.id)


def _card(place: int | None, *, backward: bool) -> Shown | None:
    return None if place is None else Shown(Place(place, "backward" if backward else "forward"))


def _module(scene: Scene, module: int) -> Shown | None:
    for i, frame in enumerate(scene.picture.frames):
        if frame.module == module:
            return Shown(frame=i)
    place = next((i for i, card in enumerate(scene.picture.cards) if card.kind == "module" and card.ref == module), None)
    return _card(place, backward=False)


def _value(scene: Scene, cards: Cards, value: int) -> Shown | None:
    for i, card in enumerate(scene.picture.cards):
        if card.kind in ("leaf", "input", "loss", "tensor") and card.ref == value:
            return _card(i, backward=False)
    for i, lane in enumerate(scene.picture.lanes):
        if lane.value == value:
            return Shown(lane=i)
    return _card(cards.of_op.get(scene.graph.values[value].op), backward=False)
