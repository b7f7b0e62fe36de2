"""Graphs of every size and shape: laid out, soon, and as they should be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from gradwalk.layout import express
from gradwalk.layout.engine import lay_out
from gradwalk.layout.order import _inversions
from gradwalk.layout.ports import in_order
from gradwalk.layout.request import Box, Container, LayoutRequest, Link

from .conftest import any_requests, forget, inside, passes_through


def boxes(count, container=-1):
    return (Box(40, 20, container),) * count


def net(count, links):
    return LayoutRequest(boxes(count), tuple(Link(*link) for link in links))


def unrolled(steps):
    """A recurrent net as it runs: a weight that all steps read, and one op that reads what every step made."""
    chain = [(step, step + 1) for step in range(1, steps)]
    return net(
        steps + 2, [*chain, *((0, step) for step in range(1, steps + 1)), *((step, steps + 1) for step in range(1, steps + 1))]
    )


SHAPES = {
    "nothing": LayoutRequest((), ()),
    "one box": net(1, []),
    "one box that leads to itself": net(1, [(0, 0)]),
    "a self loop in a chain": net(3, [(0, 1), (1, 1), (1, 2)]),
    "a chain of 5,000": net(5000, pairwise(range(5000))),
    "a fan of 1,000": net(1001, [(0, i) for i in range(1, 1001)]),
    "1,000 ways from one to one": net(1002, [(0, i) for i in range(2, 1002)] + [(i, 1) for i in range(2, 1002)]),
    "1,000 alone": net(1000, []),
    "a ring of 1,000": net(1000, [(i, (i + 1) % 1000) for i in range(1000)]),
    "500 steps of a recurrent net": unrolled(500),
    "every one to every later one": net(60, [(i, j) for i in range(60) for j in range(i + 1, 60)]),
    "a nest of 400": LayoutRequest((Box(40, 20, 399), Box(40, 20)), (Link(0, 1),), tuple(Container(i - 1) for i in range(400))),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("direction", ["right", "down"])
def test_every_shape_is_laid_out(shape, direction):
    asked = SHAPES[shape]
    layout = lay_out(LayoutRequest(asked.boxes, asked.links, asked.containers, direction))
    assert len({tuple(box) for box in layout.boxes.tolist()}) == len(asked.boxes)
    assert len(layout.routes) == len(asked.links)
    assert np.isfinite(np.concatenate([np.zeros((1, 2)), *layout.routes])).all()
    whole = np.array([0, 0, layout.width, layout.height])
    assert all(inside(box, whole) for box in layout.boxes)


def test_the_long_edges_of_an_unrolled_loop_run_beside_its_boxes():
    layout = lay_out(unrolled(500))
    beside = [route for route in layout.routes if route[:, 1].min() < layout.boxes[:, 1].min()]
    assert 400 < len(beside) < 1000
    assert len({route[:, 1].min() for route in beside}) < 60
    for route in beside[::50]:
        assert not any(passes_through(route, box) for box in layout.boxes)


@pytest.fixture(scope="module")
def few_dummies():
    """All edges but the shortest go by express."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(express, "MOST_DUMMIES", 1)
        patched.setattr(express, "PER_BOX", 0)
        forget()
        yield
    forget()


@settings(max_examples=60, deadline=None)
@given(any_requests())
def test_express_edges_end_at_their_ports_and_pass_through_no_box(few_dummies, request_):
    layout = lay_out(request_)
    along = 0 if request_.direction == "right" else 1
    whole = np.array([0, 0, layout.width, layout.height])
    for link, route in zip(request_.links, layout.routes, strict=True):
        if link.source == link.target:
            continue
        source, target = layout.boxes[[link.source, link.target]]
        assert route[[0, -1], along] == pytest.approx([source[along] + source[along + 2], target[along]])
        assert all(inside((*point, 0, 0), whole) for point in route)
        others = [box for number, box in enumerate(layout.boxes) if number not in (link.source, link.target)]
        assert not any(passes_through(route, box) for box in others)


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [
        ([], []),
        ([3.0], [3.0]),
        ([0.0, 20.0], [0.0, 20.0]),
        ([5.0, 5.0], [0.0, 10.0]),
        ([20.0, 0.0], [5.0, 15.0]),
        ([0.0, 30.0, 30.0, 30.0], [0.0, 20.0, 30.0, 40.0]),
    ],
)
def test_ports_stand_where_they_want_or_meet_in_the_middle(wanted, placed):
    assert in_order(wanted, 10.0) == placed


@pytest.mark.parametrize(("sequence", "inversions"), [([], 0), ([0, 1, 2], 0), ([2, 1, 0], 3), ([1, 1, 0], 2), ([0, 2, 1, 3], 1)])
def test_crossings_are_counted_as_inversions(sequence, inversions):
    assert _inversions(sequence, 4) == inversions
