"""One container's content laid out in layers: break cycles, rank, order, place, route (Sugiyama, Tagawa and Toda, 1981)."""

from __future__ import annotations

from .attend import Attendants, attendants_of, put_beside
from .bundles import pairs_of, take_over_order
from .cancel import Check, never
from .chains import with_dummies
from .components import pack, part_of, split
from .cycles import without_cycles
from .express import lanes_of
from .order import order_layers
from .parts import MAIN, FlatEdge, FlatLayout, FlatRequest, Point, Points, Ranked
from .place import place_across
from .ports import straighten_ports
from .ranks import Flow, ranks_of
from .route import Router, bands_of

HIGH = 3.0
"""A rank this many times as high as a box holds an unfolded module."""


def lay_out_flat(request: FlatRequest, check: Check = never) -> FlatLayout:
    """Lay out boxes and edges downwards; parts that nothing joins are packed beside each other."""
    if not request.sizes:
        return FlatLayout((), (), 0.0, 0.0)
    parts = split(request)
    if len(parts) == 1:
        return _lay_out_connected(request, check)
    layouts = [_lay_out_connected(part_of(request, things), check) for things in parts]
    alone = bool(request.first or request.last)
    corners = pack([(layout.width, layout.height) for layout in layouts], request.box_gap, alone=alone)
    return _joined(request, parts, layouts, corners)


def _joined(request: FlatRequest, parts: list[list[int]], layouts: list[FlatLayout], corners: list[Point]) -> FlatLayout:
    centres: list[Point] = [(0.0, 0.0)] * len(request.sizes)
    part_of_thing = {thing: number for number, things in enumerate(parts) for thing in things}
    for things, layout, corner in zip(parts, layouts, corners, strict=True):
        for thing, centre in zip(things, layout.centres, strict=True):
            centres[thing] = _moved(centre, corner)
    waiting = [iter(layout.routes) for layout in layouts]
    routes: list[Points] = []
    for edge in request.edges:
        number = part_of_thing[edge.source]
        routes.append(tuple(_moved(point, corners[number]) for point in next(waiting[number])))
    width = max(corner[0] + layout.width for corner, layout in zip(corners, layouts, strict=True))
    height = max(corner[1] + layout.height for corner, layout in zip(corners, layouts, strict=True))
    return FlatLayout(tuple(centres), tuple(routes), width, height, layouts[0].reach)


def _moved(point: Point, by: Point) -> Point:
    return point[0] + by[0], point[1] + by[1]


def _lay_out_connected(request: FlatRequest, check: Check) -> FlatLayout:
    check()
    edges, turned = without_cycles(len(request.sizes), request.edges)
    ranks, flow = ranks_of(request, pairs_of(edges))
    lanes = lanes_of(edges, ranks)
    near = [edge for place, edge in enumerate(edges) if place not in lanes] if lanes else edges
    attendants = attendants_of(near, request.pulls, ranks)
    graph = _ordered(request, near, attendants, ranks, flow, check)
    check()
    across = place_across(graph, request.box_gap)
    straighten_ports(graph, across, request.first, request.last)
    bands = bands_of(request, graph, across, express=bool(lanes))
    centres = tuple((across[box], _along(graph, bands[ranks[box]], box, height)) for box, (_, height) in enumerate(request.sizes))
    router = Router(request, graph, centres, across, bands, lanes, max(lanes.values(), default=0))
    routes = tuple(router.route(place, edge, turned=place in turned) for place, edge in enumerate(edges))
    width = max(x + graph.widths[thing] / 2 for thing, x in enumerate(across))
    reach = tuple(flow[1][port] for port in sorted(request.first)), tuple(flow[0][port] for port in sorted(request.last))
    layout = FlatLayout(centres, routes, width, bands[-1][1], reach)
    return _with_room(layout) if turned or lanes else layout


def _ordered(
    request: FlatRequest, edges: list[FlatEdge], attendants: Attendants, ranks: list[int], flow: Flow, check: Check
) -> Ranked:
    """The graph with its dummies, its layers in order."""
    beside = {edge.source for ones in attendants.values() for edge in ones}
    edges = [edge for edge in edges if edge.source not in beside]
    plain, graph = with_dummies(request, pairs_of(edges), ranks, flow), with_dummies(request, edges, ranks, flow)
    order_layers(plain, beside, check)
    take_over_order(plain, graph, request)
    put_beside(graph, attendants)
    return graph


def _along(graph: Ranked, band: tuple[float, float], box: int, height: float) -> float:
    """The y of a box's centre: that of its rank; what only parameters and inputs lead to stands near what reads it."""
    top, bottom = band
    late = bottom - top > HIGH * height and all(graph.pulls[tie.other] < MAIN - 1 for tie in graph.up[box])
    return bottom - height / 2 if late else (top + bottom) / 2


def _with_room(layout: FlatLayout) -> FlatLayout:
    """The layout with the room that turned edges and express lanes take beyond the boxes."""
    points = [point for route in layout.routes for point in route]
    left, top = min(0.0, *(x for x, _ in points)), min(0.0, *(y for _, y in points))
    right, bottom = max(layout.width, *(x for x, _ in points)), max(layout.height, *(y for _, y in points))
    by = (-left, -top)
    centres = tuple(_moved(centre, by) for centre in layout.centres)
    routes = tuple(tuple(_moved(point, by) for point in route) for route in layout.routes)
    return FlatLayout(centres, routes, right - left, bottom - top, layout.reach)
