"""What every layout keeps, on random nested graphs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings

from gradwalk.layout.engine import laid_out, lay_out
from gradwalk.layout.request import ROOT, Box, Container, LayoutRequest, Link

from .conftest import TINY, any_requests, around, inside, nested_requests, overlap, passes_through


def box(container):
    return Box(10.0, 10.0, container, False)


BESIDE_PORTS = LayoutRequest(
    boxes=(box(ROOT), *[box(0)] * 5),
    links=(Link(0, 3, -4.0, 0.0), Link(0, 3, 0.0, -4.0), Link(2, 1), Link(4, 1)),
    containers=(Container(ROOT, 60.0, 30.0, 16.0),),
)
"""Two ways into a module, the order of which is held, and a part of the module that neither leads to."""


@settings(max_examples=60, deadline=None)
@example(BESIDE_PORTS)
@given(any_requests())
def test_nothing_overlaps_and_everything_stays_in_its_container(request_):
    layout = lay_out(request_)
    whole = np.array([0, 0, layout.width, layout.height])
    placed = [(box.container, layout.boxes[i]) for i, box in enumerate(request_.boxes)]
    placed += [(container.parent, layout.containers[i]) for i, container in enumerate(request_.containers)]
    for number, (parent, rectangle) in enumerate(placed):
        assert inside(rectangle, whole if parent == ROOT else layout.containers[parent])
        for other_parent, other in placed[:number]:
            assert parent != other_parent or not overlap(rectangle, other)
    for box, rectangle in zip(request_.boxes, layout.boxes, strict=True):
        assert rectangle[2:].tolist() == [box.width, box.height]
    for route in layout.routes:
        assert all(inside((*point, 0, 0), whole) for point in route)


@settings(max_examples=60, deadline=None)
@given(any_requests())
def test_a_container_keeps_room_for_its_title_and_its_padding(request_):
    layout = lay_out(request_)
    for index, container in enumerate(request_.containers):
        left, top, width, height = layout.containers[index]
        assert width >= container.title_width + 2 * container.padding
        content = [layout.boxes[i] for i, box in enumerate(request_.boxes) if box.container == index]
        content += [layout.containers[i] for i, inner in enumerate(request_.containers) if inner.parent == index]
        for rectangle in content:
            assert rectangle[1] >= top + container.title_height + container.padding - TINY
            assert rectangle[0] >= left + container.padding - TINY
            assert rectangle[0] + rectangle[2] <= left + width - container.padding + TINY
            assert rectangle[1] + rectangle[3] <= top + height - container.padding + TINY


@settings(max_examples=60, deadline=None)
@given(any_requests())
def test_routes_end_at_their_ports(request_):
    layout = lay_out(request_)
    along, across = (0, 1) if request_.direction == "right" else (1, 0)
    for link, route in zip(request_.links, layout.routes, strict=True):
        if link.source == link.target:
            assert route.shape == (0, 2)
            continue
        source, target = layout.boxes[link.source], layout.boxes[link.target]
        assert route[0][along] == pytest.approx(source[along] + source[along + 2])
        assert route[0][across] == pytest.approx(source[across] + source[across + 2] / 2 + link.source_port)
        assert route[-1][along] == pytest.approx(target[along])
        assert route[-1][across] == pytest.approx(target[across] + target[across + 2] / 2 + link.target_port)


@settings(max_examples=100, deadline=None)
@given(nested_requests())
def test_routes_run_with_the_flow_and_through_nothing_on_their_way(request_):
    layout = lay_out(request_)
    along = 0 if request_.direction == "right" else 1
    for link, route in zip(request_.links, layout.routes, strict=True):
        assert (np.diff(route[:, along]) >= -TINY).all()
        for number, rectangle in enumerate(layout.boxes):
            assert number in (link.source, link.target) or not passes_through(route, rectangle)
        ways = around(request_, link.source) | around(request_, link.target)
        for number, rectangle in enumerate(layout.containers):
            assert number in ways or not passes_through(route, rectangle)


@settings(max_examples=60, deadline=None)
@given(any_requests())
def test_no_route_passes_through_a_box_even_in_a_cycle(request_):
    layout = lay_out(request_)
    for link, route in zip(request_.links, layout.routes, strict=True):
        for number, rectangle in enumerate(layout.boxes):
            assert number in (link.source, link.target) or not passes_through(route, rectangle)


@settings(max_examples=40, deadline=None)
@given(nested_requests())
def test_down_is_right_turned_where_there_are_no_titles(request_):
    plain = tuple(Container(container.parent, 0.0, 0.0) for container in request_.containers)
    turned = tuple(Box(box.height, box.width, box.container, box.main) for box in request_.boxes)
    right = lay_out(LayoutRequest(request_.boxes, request_.links, plain, "right"))
    down = lay_out(LayoutRequest(turned, request_.links, plain, "down"))
    assert np.allclose(right.boxes, down.boxes[:, [1, 0, 3, 2]])
    assert all(np.allclose(a, b[:, ::-1]) for a, b in zip(right.routes, down.routes, strict=True))


@settings(max_examples=40, deadline=None)
@given(any_requests())
def test_an_equal_request_has_an_equal_layout(request_):
    first = lay_out(request_)
    laid_out.forget()
    again = lay_out(LayoutRequest(request_.boxes, request_.links, request_.containers, request_.direction))
    assert np.array_equal(first.boxes, again.boxes)
    assert np.array_equal(first.containers, again.containers)
    assert all(np.array_equal(a, b) for a, b in zip(first.routes, again.routes, strict=True))


def test_another_hash_seed_gives_the_same_layout(tmp_path):
    script = tmp_path / "seeded.py"
    script.write_text(
        "from gradwalk.layout.engine import lay_out\n"
        "from gradwalk.layout.request import Box, Container, LayoutRequest, Link\n"
        "boxes = tuple(Box(20 + i % 7, 30, i % 3 - 1, i % 4 > 0) for i in range(40))\n"
        "links = tuple(Link(i, j) for i in range(36) for j in range(36) if i != j and (i * j) % 11 == 1)\n"
        "layout = lay_out(LayoutRequest(boxes, links, (Container(), Container(0))))\n"
        "print(layout.boxes.tolist(), layout.containers.tolist(), [route.tolist() for route in layout.routes])\n"
    )
    outputs = {
        subprocess.run([sys.executable, script], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1
