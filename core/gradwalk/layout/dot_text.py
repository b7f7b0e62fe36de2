"""A layout as a question to ``dot`` and ``dot``'s answer as a Layout (Gansner et al., 1993, is what it does in between).

Boxes are nodes of a fixed size and containers are clusters; a pixel is a point. Titles keep their room as empty labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .request import ROOT, Layout, LayoutRequest, Link

Points = NDArray[np.float64]
PER_INCH = 72.0
BENDS = 6
"""How many straight pieces a cubic becomes."""
SETTLED = 40.0
"""From so many pixels from its end on a route runs as ``dot`` led it; before, it comes from its port."""
_ROOM = (
    'label=<<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0" FIXEDSIZE="TRUE" WIDTH="{:.0f}" HEIGHT="{:.0f}">'
    "<TR><TD></TD></TR></TABLE>>"
)


def question(request: LayoutRequest) -> str:
    """The DOT text of a request: node ``b3`` is box 3, ``cluster_2`` container 2, an edge's id counts the links drawn."""
    right = request.direction == "right"
    ends = ("e", "w") if right else ("s", "n")
    lines = [
        "digraph layout {",
        f"rankdir={'LR' if right else 'TB'}; margin=0; pad=0;",
        f"nodesep={request.box_gap / PER_INCH:.4f}; ranksep={request.rank_gap / PER_INCH:.4f};",
        'node [shape=box label="" fixedsize=true]; ' + f"edge [arrowhead=none tailport={ends[0]} headport={ends[1]}];",
        *_containers(request),
    ]
    lines += [f"b{link.source}->b{link.target} [id={number}];" for number, link in enumerate(_drawn(request))]
    return "\n".join([*lines, "}"])


def _drawn(request: LayoutRequest) -> list[Link]:
    """The links that are drawn, equal ones once."""
    return list(dict.fromkeys(link for link in request.links if link.source != link.target))


def _containers(request: LayoutRequest) -> Iterator[str]:
    """Every box inside its container, written without recursion."""
    inner: dict[int, list[str]] = {index: [] for index in range(ROOT, len(request.containers))}
    for number, box in enumerate(request.boxes):
        size = f"width={box.width / PER_INCH:.5f} height={box.height / PER_INCH:.5f}"
        inner[box.container].append(f"b{number} [{size}];")
    below: dict[int, list[int]] = {index: [] for index in inner}
    for index, container in enumerate(request.containers):
        below[container.parent].append(index)
    waiting: list[tuple[int, bool]] = [(ROOT, False)]
    while waiting:
        index, closing = waiting.pop()
        if closing:
            yield "}"
            continue
        if index != ROOT:
            container = request.containers[index]
            yield f"subgraph cluster_{index} {{ margin={container.padding:.1f};"
            yield _ROOM.format(container.title_width, container.title_height) + ";"
            waiting.append((index, True))
            if not inner[index] and not below[index]:
                yield f"e{index} [width=0.01 height=0.01];"
        yield from inner[index]
        waiting += [(child, False) for child in reversed(below[index])]


def answer(request: LayoutRequest, text: str) -> Layout:
    """What ``dot -Tjson0`` answered, as a Layout. Raises ValueError where it is not the answer to this request."""
    try:
        said = json.loads(text)
        _, _, width, height = _numbers(said["bb"])
        boxes, containers = _rectangles(request, said, height)
        curves = {int(edge["id"]): _polyline(edge["pos"], height) for edge in said.get("edges", ())}
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not an answer of dot: {error!r}") from error
    drawn = _drawn(request)
    if sorted(curves) != list(range(len(drawn))):
        raise ValueError(f"{len(drawn)} links were asked for, {len(curves)} came back")
    routes = {link: _to_ports(request, link, boxes, curves[number]) for number, link in enumerate(drawn)}
    return _from_zero(boxes, containers, tuple(routes.get(link, np.zeros((0, 2))) for link in request.links), (width, height))


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.replace(",", " ").split()]


def _rectangles(request: LayoutRequest, said: dict[str, Any], height: float) -> tuple[Points, Points]:
    boxes, containers = np.full((len(request.boxes), 4), np.nan), np.full((len(request.containers), 4), np.nan)
    for thing in said.get("objects", ()):
        name = thing["name"]
        if name.startswith("cluster_"):
            left, low, right, high = _numbers(thing["bb"])
            containers[int(name[8:])] = (left, height - high, right - left, high - low)
        elif name.startswith("b"):
            box = request.boxes[int(name[1:])]
            x, y = _numbers(thing["pos"])
            boxes[int(name[1:])] = (x - box.width / 2, height - y - box.height / 2, box.width, box.height)
    if np.isnan(boxes).any() or np.isnan(containers).any():
        raise ValueError("dot left something out")
    return boxes, containers


def _polyline(spline: str, height: float) -> Points:
    """A spline of cubics as points; the end that an arrow head would have is left out."""
    corners = np.array([_numbers(pair) for pair in spline.replace(";", " ").split() if pair[0] not in "es"])
    corners[:, 1] = height - corners[:, 1]
    t = np.linspace(0, 1, BENDS + 1)[1:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    cubics = [corners[at : at + 4] for at in range(0, len(corners) - 3, 3)]
    return np.concatenate([corners[:1], *(weights @ cubic for cubic in cubics)])


def _to_ports(request: LayoutRequest, link: Link, boxes: Points, curve: Points) -> Points:
    """The curve from port to port: its ends are moved there, the points near them a part of the way."""
    along = 0 if request.direction == "right" else 1
    gone = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    settled = max(min(SETTLED, gone[-1] / 2), 1e-9)
    route: Points = curve.copy()
    for at, box, port, side in ((0, link.source, link.source_port, 1.0), (-1, link.target, link.target_port, 0.0)):
        end = boxes[box, :2] + boxes[box, 2:] / 2
        end[along] = boxes[box, along] + side * boxes[box, along + 2]
        end[1 - along] += port
        route += (end - curve[at]) * np.clip(1 - np.abs(gone - gone[at]) / settled, 0, 1)[:, None]
        route[at] = end
    return route


def _from_zero(boxes: Points, containers: Points, routes: tuple[Points, ...], size: tuple[float, float]) -> Layout:
    """The whole with its first corner at (0, 0), however far the routes go."""
    points = np.concatenate([np.zeros((1, 2)), *routes])
    move = -points.min(axis=0)
    shift = np.array([*move, 0, 0])
    width, height = np.maximum(points.max(axis=0), size) + move
    parts = (boxes + shift, containers + shift, *(route + move for route in routes))
    for part in parts:
        part.flags.writeable = False
    return Layout(parts[0], parts[1], parts[2:], float(width), float(height))
