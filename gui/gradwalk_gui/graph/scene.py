"""The scene: a picture with positions, as NumPy arrays. Built in four phases: draw, measure, lay out, place. No Qt.

Lanes: the route that the layout gives is shared by the forward lane on its one side and the backward lane on its other, both in
the direction of the forward; the arrow of the backward lane points against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gradwalk.trace import Graph

from ..session import View
from . import curves, plates, styles
from .arrange import Arrangement, LayOut, arrange, frame_title_width
from .curves import Points, Track
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
    forward_tracks: tuple[Track, ...]
    backward_tracks: tuple[Track, ...]
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


def build(graph: Graph, view: View, measure: Measure, lay_out: LayOut) -> Scene:
    """The scene of a Graph in a View."""
    picture = draw(graph, view)
    return _placed(graph, picture, arrange(graph, picture, measure, lay_out), measure)


def _placed(graph: Graph, picture: Picture, there: Arrangement, measure: Measure) -> Scene:
    forward, backward = [], []
    for lane, route, side in zip(picture.lanes, there.routes, there.sides, strict=True):
        curve, nothing = curves.smooth(route, picture.flow), np.zeros((0, 4, 2))
        offset = side * styles.LANE_OFFSET if lane.forward and lane.edges else 0.0
        forward.append(curves.beside(curve, -offset) if lane.forward else nothing)
        backward.append(curves.beside(curve, offset) if lane.edges else nothing)
    heights = there.cards[:, 3].tolist()
    scene = Scene(
        graph,
        picture,
        there.cards,
        np.array([_split(card, height) for card, height in zip(picture.cards, heights, strict=True)]),
        there.frames,
        tuple(forward),
        tuple(backward),
        tuple(map(curves.track, forward)),
        tuple(map(curves.track, backward)),
        np.full((len(picture.lanes), 4), np.nan),
        np.zeros((len(picture.lanes), 4)),
        _marks_above(there),
        there.width,
        there.height,
    )
    scene = replace(scene, plates=_plates(scene, there.sides, measure))
    return replace(scene, lane_bounds=_lane_bounds(scene))


def _marks_above(there: Arrangement) -> NDArray[np.bool_]:
    """The cards at whose lower border a route ends."""
    above = np.zeros(len(there.cards), dtype=np.bool_)
    left, top, width, height = there.cards.T
    for x, y in (route[end].tolist() for route in there.routes if len(route) for end in (0, -1)):
        above |= (np.abs(top + height - y) < 0.5) & (left < x) & (x < left + width)
    return above


def _lane_bounds(scene: Scene) -> Points:
    bounds = np.zeros((len(scene.picture.lanes), 4))
    for i in range(len(bounds)):
        parts = [scene.forward_tracks[i].points, scene.backward_tracks[i].points]
        if not np.isnan(scene.plates[i, 0]):
            parts += [scene.plates[i, None, :2], scene.plates[i, None, :2] + scene.plates[i, None, 2:]]
        points = np.concatenate(parts)
        if len(points):
            low = points.min(axis=0)
            bounds[i] = (*low, *(points.max(axis=0) - low))
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


def _plates(scene: Scene, sides: Sequence[int], measure: Measure) -> Points:
    picture = scene.picture
    titles = np.zeros((len(picture.frames), 4))
    for i, frame in enumerate(picture.frames):
        left, top = scene.frames[i, :2]
        titles[i] = (left, top, frame_title_width(frame.title, frame.note, measure), styles.TITLE_BAND)
    tracks = [(i, track) for i, track in enumerate(scene.forward_tracks)] + [
        (i, track) for i, track in enumerate(scene.backward_tracks)
    ]
    numbered = [i for i, lane in enumerate(picture.lanes) if lane.edges and not lane.through]
    wanted = [(i, _facing(scene.backward_tracks[i], sides[i])) for i in numbered]
    return plates.place(plates.ground(_keep_clear(scene), titles, tracks), wanted, len(picture.lanes), picture.halves == "both")


def _keep_clear(scene: Scene) -> Points:
    """The cards; knots smaller by the room around a card, for numbers stand close above and below them."""
    knots = np.array([card.kind == "knot" for card in scene.picture.cards], dtype=np.bool_)
    cards: Points = scene.cards.copy()
    cards[knots] += (3.0, 3.0, -6.0, -6.0)
    return cards


def _facing(track: Track, side: int) -> Track:
    """The track in the direction in which its normal points away from the forward lane."""
    if side > 0:
        return track
    points = track.points[::-1]
    return Track(points, track.length - track.distances[::-1])
