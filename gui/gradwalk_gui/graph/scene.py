"""The scene: a picture with positions, as NumPy arrays. Built in four phases: draw, measure, lay out, place. No Qt.

Lanes: the route that the layout gives is shared by the forward lane on its one side and the backward lane on its other, both in
the direction of the forward; the arrow of the backward lane points against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradwalk.layout.cancel import Check, never
from gradwalk.trace import Graph

from ..state import View
from . import curves, plates, styles
from .arrange import Arrangement, LayOut, arrange, frame_title_width
from .curves import Points, Tracks
from .parts import Card, Picture
from .picture import draw
from .styles import Measure


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything in logical pixels, the picture's corner at (0, 0), y down.

    ``cards`` and ``frames`` are float64 ``[n, 4]`` of left, top, width, height; ``splits`` float64 ``[n]`` is where a card's
    backward half begins, from its top. Per lane: ``forward`` and ``backward`` are curves (empty where there is none) with their
    tracks, ``plates`` float64 ``[lanes, 4]`` is where its number stands, NaN where it has none.
    """

    graph: Graph
    picture: Picture
    cards: Points
    splits: NDArray[np.float64]
    frames: Points
    forward: tuple[Points, ...]
    backward: tuple[Points, ...]
    forward_tracks: Tracks
    backward_tracks: Tracks
    plates: Points
    lane_bounds: Points
    """Left, top, width, height of each lane with its plate, float64 ``[lanes, 4]``."""
    marks_above: NDArray[np.bool_]
    """Per card: lanes leave below it, so that marks of its backward half stand above it."""
    width: float
    height: float

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see."""
        return not len(self.picture.cards)


def build(graph: Graph, view: View, measure: Measure, lay_out: LayOut, check: Check = never) -> Scene:
    """The scene of a Graph in a View. ``check`` is called now and then; what it raises ends the work."""
    picture = draw(graph, view, check)
    return _placed(graph, picture, arrange(graph, picture, measure, lay_out), measure, check)


def _placed(graph: Graph, picture: Picture, there: Arrangement, measure: Measure, check: Check = never) -> Scene:
    ways, sides = curves.smooth(there.routes, picture.flow), np.array(there.sides, dtype=np.float64)
    forward = np.array([lane.forward for lane in picture.lanes], dtype=np.bool_)
    backward = np.array([bool(lane.edges) for lane in picture.lanes], dtype=np.bool_)
    ahead = ways.only(forward).beside(np.where(backward, -sides * styles.LANE_OFFSET, 0.0))
    back = ways.only(backward).beside(np.where(forward, sides * styles.LANE_OFFSET, 0.0))
    ahead_tracks, back_tracks = curves.tracks(ahead), curves.tracks(back)
    check()
    numbers = _plates(picture, there, measure, ahead_tracks, back_tracks, check)
    heights = there.cards[:, 3].tolist()
    return Scene(
        graph,
        picture,
        there.cards,
        np.array([_split(card, height) for card, height in zip(picture.cards, heights, strict=True)]),
        there.frames,
        tuple(ahead),
        tuple(back),
        ahead_tracks,
        back_tracks,
        numbers,
        _lane_bounds(ahead_tracks, back_tracks, numbers),
        _marks_above(picture, there),
        there.width,
        there.height,
    )


def _marks_above(picture: Picture, there: Arrangement) -> NDArray[np.bool_]:
    """The cards at whose lower border a route ends."""
    above = np.zeros(len(there.cards), dtype=np.bool_)
    cards = there.cards.tolist()
    for lane, route in zip(picture.lanes, there.routes, strict=True):
        for place, end in ((lane.source, 0), (lane.target, -1)) if len(route) else ():
            (x, y), (left, top, width, height) = route[end].tolist(), cards[place]
            above[place] |= abs(top + height - y) < 0.5 and left < x < left + width
    return above


def _lane_bounds(ahead: Tracks, back: Tracks, numbers: Points) -> Points:
    corners = np.concatenate([numbers[:, :2], numbers[:, :2] + numbers[:, 2:]], axis=1)
    boxes = [ahead.boxes(), back.boxes(), corners]
    low = np.fmin.reduce([box[:, :2] for box in boxes])
    high = np.fmax.reduce([box[:, 2:] for box in boxes])
    bounds = np.concatenate([low, high - low], axis=1)
    bounds[~np.isfinite(bounds).all(axis=1)] = 0.0
    return bounds


def _split(card: Card, height: float) -> float:
    """Where the backward half begins: in the middle, the row for gradients that meet left out."""
    if not card.backward:
        return height
    if card.kind in ("leaf", "tensor"):
        return (height - (styles.ROW if card.meets else 0.0)) / 2
    if not card.forward:
        return 0.0
    return (height - (styles.ROW if card.meets else 0.0)) / 2


def _plates(picture: Picture, there: Arrangement, measure: Measure, ahead: Tracks, back: Tracks, check: Check) -> Points:
    titles = np.zeros((len(picture.frames), 4))
    for i, frame in enumerate(picture.frames):
        left, top = there.frames[i, :2]
        titles[i] = (left, top, frame_title_width(frame.title, frame.note, measure), styles.TITLE_BAND)
    numbered = np.array([i for i, lane in enumerate(picture.lanes) if lane.edges and not lane.through], dtype=np.intp)
    ground = plates.ground(_keep_clear(picture, there.cards), titles, (ahead, back))
    sides, pair = np.array(there.sides, dtype=np.float64), picture.halves == "both"
    return plates.place(ground, back, numbered, sides, pair, check)


def _keep_clear(picture: Picture, cards: Points) -> Points:
    """The cards; knots smaller by the room around a card, for numbers stand close above and below them."""
    knots = np.array([card.kind == "knot" for card in picture.cards], dtype=np.bool_)
    clear: Points = cards.copy()
    clear[knots] += (3.0, 3.0, -6.0, -6.0)
    return clear
