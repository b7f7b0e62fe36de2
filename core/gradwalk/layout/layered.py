"""One container's content laid out in layers: break cycles, rank, order, place, route (Sugiyama, Tagawa and Toda, 1981)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .chains import with_dummies
from .cycles import without_cycles
from .order import order_layers
from .parts import FlatEdge, FlatLayout, FlatRequest, Ranked
from .place import place_across
from .ranks import ranks_of

Point = tuple[float, float]
Points = tuple[Point, ...]
TURNING_ROOM = 0.4
"""How far beyond its box a turned edge turns, in gaps beside the ports; less than a container's padding."""


def lay_out_flat(request: FlatRequest) -> FlatLayout:
    """Lay out boxes and edges downwards."""
    if not request.sizes:
        return FlatLayout((), (), 0.0, 0.0)
    edges, turned = without_cycles(len(request.sizes), request.edges)
    ranks = ranks_of(request, edges)
    graph = with_dummies(request, edges, ranks)
    order_layers(graph)
    across = place_across(graph, request.box_gap, request.aside)
    bands = _bands(request, ranks)
    centres = tuple((across[box], sum(bands[ranks[box]]) / 2) for box in range(len(request.sizes)))
    router = _Router(request, graph, centres, across, bands)
    routes = tuple(
        () if edge.source == edge.target else router.up(edge) if place in turned else router.down(edge)
        for place, edge in enumerate(edges)
    )
    width = max(x + graph.widths[thing] / 2 for thing, x in enumerate(across))
    return FlatLayout(centres, routes, width, bands[-1][1])


def _bands(request: FlatRequest, ranks: Sequence[int]) -> list[tuple[float, float]]:
    """Top and bottom of each rank: as high as its highest box."""
    heights = [0.0] * (max(ranks) + 1)
    for box, rank in enumerate(ranks):
        heights[rank] = max(heights[rank], request.sizes[box][1])
    bands, top = [], 0.0
    for rank, height in enumerate(heights):
        bands.append((top, top + height))
        beside_ports = (rank == 0 and request.first) or (rank == len(heights) - 2 and request.last)
        top += height + (request.port_gap if beside_ports else request.rank_gap)
    return bands


@dataclass(frozen=True, slots=True)
class _Router:
    """Phase 5, route: from border to border, bending only between the bands of two ranks, so that no box is crossed."""

    request: FlatRequest
    graph: Ranked
    centres: Sequence[Point]
    across: Sequence[float]
    bands: Sequence[tuple[float, float]]

    def down(self, edge: FlatEdge) -> Points:
        """The route of an edge that runs with the flow."""
        start, end = self._bottom(edge.source, edge.source_port), self._top(edge.target, edge.target_port)
        points = [start, (start[0], self._band(edge.source)[1])]
        for dummy in self._chain(edge):
            top, bottom = self._band(dummy)
            points += [(self.across[dummy], top), (self.across[dummy], bottom)]
        points += [(end[0], self._band(edge.target)[0]), end]
        return tuple(point for at, point in enumerate(points) if at == 0 or point != points[at - 1])

    def up(self, edge: FlatEdge) -> Points:
        """The route of a turned edge: out at the bottom of its lower box, up beside both, in at the top of its upper box."""
        start, end = self._bottom(edge.target, edge.target_port), self._top(edge.source, edge.source_port)
        out = TURNING_ROOM * self.request.port_gap
        low, high = self._band(edge.target)[1] + out, self._band(edge.source)[0] - out
        beside_lower, beside_upper = self._side(edge.target), self._side(edge.source)
        points = [start, (start[0], low), (beside_lower, low), (beside_lower, self._band(edge.target)[0])]
        for dummy in reversed(self._chain(edge)):
            top, bottom = self._band(dummy)
            points += [(self.across[dummy], bottom), (self.across[dummy], top)]
        points += [(beside_upper, self._band(edge.source)[1]), (beside_upper, high), (end[0], high), end]
        return tuple(points)

    def _band(self, thing: int) -> tuple[float, float]:
        return self.bands[self.graph.ranks[thing]]

    def _chain(self, edge: FlatEdge) -> list[int]:
        length = self.graph.ranks[edge.target] - self.graph.ranks[edge.source] - 1
        return self.graph.chains[edge.source, edge.source_port][:length]

    def _bottom(self, box: int, port: float) -> Point:
        return self.centres[box][0] + port, self.centres[box][1] + self.request.sizes[box][1] / 2

    def _top(self, box: int, port: float) -> Point:
        return self.centres[box][0] + port, self.centres[box][1] - self.request.sizes[box][1] / 2

    def _side(self, box: int) -> float:
        return self.centres[box][0] + self.request.sizes[box][0] / 2 + self.request.box_gap / 3
