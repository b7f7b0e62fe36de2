"""What every layout keeps, on random nested graphs and on the two-layer net."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwalk.layout.engine import lay_out
from gradwalk.layout.request import ROOT, Box, Container, LayoutRequest, Link

TINY = 1e-6


@st.composite
def requests(draw, direction=None):
    containers = tuple(Container(draw(st.integers(ROOT, index - 1))) for index in range(draw(st.integers(0, 4))))
    sizes = st.floats(10, 200)
    boxes = tuple(
        Box(draw(sizes), draw(sizes), draw(st.integers(ROOT, len(containers) - 1)), draw(st.booleans()))
        for _ in range(draw(st.integers(1, 14)))
    )
    number = st.integers(0, len(boxes) - 1)
    ports = st.sampled_from([-4.0, 0.0, 4.0])
    pairs = draw(st.lists(st.tuples(number, number, ports, ports), max_size=24))
    links = tuple(Link(min(a, b), max(a, b), p, q) for a, b, p, q in pairs)
    return LayoutRequest(boxes, links, containers, direction or draw(st.sampled_from(["right", "down"])))


def overlap(a, b):
    return a[0] + a[2] > b[0] + TINY and b[0] + b[2] > a[0] + TINY and a[1] + a[3] > b[1] + TINY and b[1] + b[3] > a[1] + TINY


def inside(inner, outer):
    return all(inner[axis] >= outer[axis] - TINY for axis in (0, 1)) and all(
        inner[axis] + inner[axis + 2] <= outer[axis] + outer[axis + 2] + TINY for axis in (0, 1)
    )


@settings(max_examples=60, deadline=None)
@given(requests())
def test_boxes_and_sibling_containers_never_overlap_and_stay_in_their_container(request_):
    layout = lay_out(request_)
    whole = np.array([0, 0, layout.width, layout.height])
    placed = [(box.container, layout.boxes[i]) for i, box in enumerate(request_.boxes)]
    filled = {box.container for box in request_.boxes}
    placed += [(container.parent, layout.containers[i]) for i, container in enumerate(request_.containers)]
    for number, (parent, rectangle) in enumerate(placed):
        outer = whole if parent == ROOT else layout.containers[parent]
        assert inside(rectangle, outer)
        for other_parent, other in placed[:number]:
            assert parent != other_parent or not overlap(rectangle, other)
    assert filled


@settings(max_examples=60, deadline=None)
@given(requests())
def test_routes_end_at_their_ports(request_):
    layout = lay_out(request_)
    right = request_.direction == "right"
    for link, route in zip(request_.links, layout.routes, strict=True):
        if link.source == link.target:
            assert route.shape == (0, 2)
            continue
        source, target = layout.boxes[link.source], layout.boxes[link.target]
        leaves, enters = route[0], route[-1]
        along, across = (0, 1) if right else (1, 0)
        assert leaves[along] == pytest.approx(source[along] + source[along + 2])
        assert leaves[across] == pytest.approx(source[across] + source[across + 2] / 2 + link.source_port)
        assert enters[along] == pytest.approx(target[along])
        assert enters[across] == pytest.approx(target[across] + target[across + 2] / 2 + link.target_port)


@settings(max_examples=60, deadline=None)
@given(requests())
def test_without_containers_routes_run_with_the_flow_and_through_no_box(request_):
    flat = LayoutRequest(tuple(Box(b.width, b.height) for b in request_.boxes), request_.links, (), request_.direction)
    layout = lay_out(flat)
    along = 0 if flat.direction == "right" else 1
    for link, route in zip(flat.links, layout.routes, strict=True):
        assert (np.diff(route[:, along]) >= -TINY).all()
        for number, box in enumerate(layout.boxes):
            if number not in (link.source, link.target):
                for here, there in pairwise(route):
                    middle = (here + there) / 2
                    low, high = box[:2] + TINY, box[:2] + box[2:] - TINY
                    assert not ((low < middle).all() and (middle < high).all())


@settings(max_examples=60, deadline=None)
@given(requests())
def test_an_equal_request_has_an_equal_layout(request_):
    first = lay_out(request_)
    lay_out.cache_clear()
    again = lay_out(LayoutRequest(request_.boxes, request_.links, request_.containers, request_.direction))
    assert np.array_equal(first.boxes, again.boxes)
    assert all(np.array_equal(a, b) for a, b in zip(first.routes, again.routes, strict=True))


def two_layers(direction="right"):
    names = ["x", "w1", "mm", "clamp", "w2", "mm2", "sub", "pow", "sum", "loss"]
    pairs = [("x", "mm"), ("w1", "mm"), ("mm", "clamp"), ("clamp", "mm2"), ("w2", "mm2"), ("mm2", "sub"), ("sub", "pow")]
    pairs += [("pow", "sum"), ("sum", "loss")]
    boxes = tuple(Box(140, 70, main=name not in ("w1", "w2")) for name in names)
    links = tuple(Link(names.index(a), names.index(b)) for a, b in pairs)
    return names, LayoutRequest(boxes, links, (), direction)


@pytest.mark.parametrize(("direction", "across"), [("right", 1), ("down", 0)])
def test_the_main_flow_of_the_two_layer_net_is_straight(direction, across):
    names, request_ = two_layers(direction)
    layout = lay_out(request_)
    main = [layout.boxes[i, across] for i, name in enumerate(names) if name not in ("w1", "w2")]
    assert main == [main[0]] * len(main)


def test_another_hash_seed_gives_the_same_layout(tmp_path):
    script = tmp_path / "seeded.py"
    script.write_text(
        "from gradwalk.layout.engine import lay_out\n"
        "from gradwalk.layout.request import Box, Container, LayoutRequest, Link\n"
        "boxes = tuple(Box(20 + i % 7, 30, i % 3 - 1) for i in range(30))\n"
        "links = tuple(Link(i, j) for i in range(30) for j in range(i + 1, 30) if (i * j) % 11 == 1)\n"
        "layout = lay_out(LayoutRequest(boxes, links, (Container(), Container())))\n"
        "print(layout.boxes.tolist(), [route.tolist() for route in layout.routes])\n"
    )
    outputs = {
        subprocess.run([sys.executable, script], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_odd_requests_are_laid_out():
    assert lay_out(LayoutRequest((), ())).width == 0
    assert lay_out(LayoutRequest((Box(10, 20),), (Link(0, 0),))).boxes.tolist() == [[0, 0, 10, 20]]
    empty = lay_out(LayoutRequest((), (), (Container(),)))
    assert empty.containers[0, 2] >= 60
    cycle = LayoutRequest((Box(10, 10),) * 3, (Link(0, 1), Link(1, 2), Link(2, 0)))
    assert all(len(route) for route in lay_out(cycle).routes)


def test_containers_inside_each_other_in_a_circle_are_refused():
    with pytest.raises(ValueError, match="inside itself"):
        lay_out(LayoutRequest((), (), (Container(1), Container(0))))


def test_a_long_chain_and_a_wide_fan_need_no_recursion():
    chain = lay_out(LayoutRequest((Box(10, 10),) * 3000, tuple(Link(i, i + 1) for i in range(2999))))
    assert (chain.boxes[:, 1] == chain.boxes[0, 1]).all()
    fan = lay_out(LayoutRequest((Box(10, 10),) * 1001, tuple(Link(0, i + 1) for i in range(1000))))
    assert len({tuple(box) for box in fan.boxes.tolist()}) == 1001
