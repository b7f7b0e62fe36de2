"""Phase 5, route: from border to border, bending only between the bands of two ranks, so that no box is crossed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .express import LANE_GAP, Lanes
from .parts import FlatEdge, FlatRequest, Point, Points, Ranked

STEEPEST = 0.35
"""A gap is at least this part of how far the edges in it go sideways, ..."""
WIDEST = 2.5
"""... but at most this many times the asked gap."""
PORT_SLOPE = 0.5
"""The same beside the ranks of the container's ports, where straight edges need no gap."""
TURNING_ROOM = 10.0
"""How far beyond its box a turned edge turns, in pixels; less than a container's padding."""


def bands_of(request: FlatRequest, graph: Ranked, across: Sequence[float], *, express: bool) -> list[tuple[float, float]]:
    """Top and bottom of each rank: as high as its highest box, and as far from the next as the edges between them need."""
    heights = [0.0] * len(graph.layers)
    for box, (_, height) in enumerate(request.sizes):
        heights[graph.ranks[box]] = max(heights[graph.ranks[box]], height)
    bands, top = [], 0.0
    for rank, height in enumerate(heights):
        bands.append((top, top + height))
        sideways = max((_sideways(graph, across, thing) for thing in graph.layers[rank]), default=0.0)
        beside_ports = (rank == 0 and request.first) or (rank == len(heights) - 2 and request.last)
        if beside_ports and not express:
            top += height + min(PORT_SLOPE * sideways, request.rank_gap)
        else:
            top += height + max(request.rank_gap, min(STEEPEST * sideways, WIDEST * request.rank_gap))
    return bands


def _sideways(graph: Ranked, across: Sequence[float], thing: int) -> float:
    ways = (abs(across[thing] + tie.here - across[tie.other] - tie.there) for tie in graph.down[thing])
    return max(ways, default=0.0)


@dataclass(frozen=True, slots=True)
class Router:
    """Makes the routes of one container's edges; ``centres`` are the boxes', ``across`` the x of every thing."""

    request: FlatRequest
    graph: Ranked
    centres: Sequence[Point]
    across: Sequence[float]
    bands: Sequence[tuple[float, float]]
    lanes: Lanes
    lanes_beside: int

    def route(self, place: int, edge: FlatEdge, *, turned: bool) -> Points:
        """The route of an edge, by its place in the request; a self loop has none."""
        if edge.source == edge.target:
            return ()
        if place in self.lanes:
            return self.express(edge, self.lanes[place], turned=turned)
        return self.up(edge) if turned else self.down(edge)

    def express(self, edge: FlatEdge, lane: int, *, turned: bool) -> Points:
        """The route of an edge along its lane beside all boxes; the lanes turn into a gap one behind the other."""
        lower, upper = (edge.target, edge.source) if turned else (edge.source, edge.target)
        ports = (edge.target_port, edge.source_port) if turned else (edge.source_port, edge.target_port)
        start, end = self._bottom(lower, ports[0]), self._top(upper, ports[1])
        room = TURNING_ROOM * (lane + 1) / (self.lanes_beside + 1)
        out, back = self._band(lower)[1] + room, self._band(upper)[0] - room
        beside = -LANE_GAP * (lane + 1)
        return tuple(tidy([start, (start[0], out), (beside, out), (beside, back), (end[0], back), end]))

    def down(self, edge: FlatEdge) -> Points:
        """The route of an edge that runs with the flow."""
        start, end = self._bottom(edge.source, edge.source_port), self._top(edge.target, edge.target_port)
        points = [start, (start[0], self._band(edge.source)[1])]
        for dummy in self._chain(edge):
            top, bottom = self._band(dummy)
            points += [(self.across[dummy], top), (self.across[dummy], bottom)]
        points += [(end[0], self._band(edge.target)[0]), end]
        return tuple(tidy(points))

    def up(self, edge: FlatEdge) -> Points:
        """The route of a turned edge: out at the bottom of its lower box, up beside both, in at the top of its upper box."""
        start, end = self._bottom(edge.target, edge.target_port), self._top(edge.source, edge.source_port)
        low, high = self._band(edge.target)[1] + TURNING_ROOM, self._band(edge.source)[0] - TURNING_ROOM
        beside_lower, beside_upper = self._side(edge.target), self._side(edge.source)
        points = [start, (start[0], low), (beside_lower, low), (beside_lower, self._band(edge.target)[0])]
        for dummy in reversed(self._chain(edge)):
            top, bottom = self._band(dummy)
            points += [(self.across[dummy], bottom), (self.across[dummy], top)]
        points += [(beside_upper, self._band(edge.source)[1]), (beside_upper, high), (end[0], high), end]
        return tuple(tidy(points))

    def _band(self, thing: int) -> tuple[float, float]:
        return self.bands[self.graph.ranks[thing]]

    def _chain(self, edge: FlatEdge) -> list[int]:
        length = self.graph.ranks[edge.target] - self.graph.ranks[edge.source] - 1
        return self.graph.chains.get((edge.source, edge.source_port), [])[:length]

    def _bottom(self, box: int, port: float) -> Point:
        return self.centres[box][0] + port, self.centres[box][1] + self.request.sizes[box][1] / 2

    def _top(self, box: int, port: float) -> Point:
        return self.centres[box][0] + port, self.centres[box][1] - self.request.sizes[box][1] / 2

    def _side(self, box: int) -> float:
        return self.centres[box][0] + self.request.sizes[box][0] / 2 + self.request.box_gap / 3


def tidy(points: Iterable[Point]) -> list[Point]:
    """The points without repeated ones and without those on a straight piece, along an axis, between their neighbours."""
    kept: list[Point] = []
    for point in points:
        if kept and kept[-1] == point:
            continue
        if len(kept) > 1:
            (x, y), (before_x, before_y) = kept[-1], kept[-2]
            if before_x == x == point[0] or before_y == y == point[1]:
                kept[-1] = point
                continue
        kept.append(point)
    return kept
