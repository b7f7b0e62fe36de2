"""The layouts of the nets that people draw, and of odd requests."""

from __future__ import annotations

import numpy as np
import pytest

from gradwalk.layout.compound import known_contents
from gradwalk.layout.engine import laid_out, lay_out
from gradwalk.layout.request import ROOT, Box, Container, LayoutRequest, Link

ACROSS = {"right": 1, "down": 0}
NAMES = ["x", "w1", "mm", "clamp", "w2", "mm2", "y", "sub", "pow", "sum", "loss"]
PAIRS = ["x mm", "w1 mm", "mm clamp", "clamp mm2", "w2 mm2", "mm2 sub", "y sub", "sub pow", "pow sum", "sum loss"]
ASIDE = ("x", "w1", "w2", "y")


def two_layers(direction):
    boxes = tuple(Box(150, 50 if name in ASIDE else 88, main=name not in ASIDE) for name in NAMES)
    links = tuple(Link(*map(NAMES.index, pair.split())) for pair in PAIRS)
    return LayoutRequest(boxes, links, (), direction)


def middles(layout, direction):
    """The middle of every box across the flow."""
    across = ACROSS[direction]
    return layout.boxes[:, across] + layout.boxes[:, across + 2] / 2


def straight(route, direction):
    return np.ptp(route[:, ACROSS[direction]]) < 1e-9


@pytest.mark.parametrize("direction", ["right", "down"])
def test_the_main_flow_of_the_two_layer_net_is_straight_from_the_input_to_the_loss(direction):
    request_ = two_layers(direction)
    layout = lay_out(request_)
    at = dict(zip(NAMES, middles(layout, direction).tolist(), strict=True))
    assert {at[name] for name in NAMES if name not in ("w1", "w2", "y")} == {at["mm"]}
    beside = [straight(route, direction) for route in layout.routes]
    assert [PAIRS[i] for i, is_straight in enumerate(beside) if not is_straight] == ["w1 mm", "w2 mm2", "y sub"]


@pytest.mark.parametrize("direction", ["right", "down"])
def test_a_parameter_stands_in_the_rank_before_its_op_next_to_the_main_flow(direction):
    layout = lay_out(two_layers(direction))
    along, across = 1 - ACROSS[direction], ACROSS[direction]
    centre = layout.boxes[:, :2] + layout.boxes[:, 2:] / 2
    for side, main in (("w1", "x"), ("w2", "clamp"), ("y", "mm2")):
        here, there = NAMES.index(side), NAMES.index(main)
        assert centre[here, along] == centre[there, along]
        room = centre[here, across] - centre[there, across]
        assert room == (layout.boxes[here, across + 2] + layout.boxes[there, across + 2]) / 2 + 28.0


def linear_layers():
    """x into a net of two Linear modules with a relu between them; each with its weight and its bias."""
    containers = (Container(), Container(0), Container(0))
    side = {"x": ROOT, "weight1": 1, "bias1": 1, "weight2": 2, "bias2": 2}
    main = {"linear1": 1, "relu": 0, "linear2": 2, "loss": ROOT}
    names = [*side, *main]
    boxes = tuple(Box(150, 50, place, main=False) for place in side.values()) + tuple(Box(130, 88, c) for c in main.values())
    pairs = ["x linear1", "weight1 linear1", "bias1 linear1", "linear1 relu", "relu linear2"]
    pairs += ["weight2 linear2", "bias2 linear2", "linear2 loss"]
    links = tuple(Link(*map(names.index, pair.split())) for pair in pairs)
    return names, LayoutRequest(boxes, links, containers)


def test_weight_and_bias_lie_on_both_sides_of_a_straight_main_flow_through_modules():
    names, request_ = linear_layers()
    at = dict(zip(names, middles(lay_out(request_), "right").tolist(), strict=True))
    assert {at[name] for name in ("x", "linear1", "relu", "linear2", "loss")} == {at["x"]}
    for layer in "12":
        assert at[f"weight{layer}"] < at["x"] < at[f"bias{layer}"]


def test_equal_modules_are_laid_out_once():
    _, request_ = linear_layers()
    laid_out.forget()
    known_contents.forget()
    layout = lay_out(request_)
    assert (known_contents.misses, known_contents.hits) == (3, 1)
    assert layout.containers[1, 2:].tolist() == layout.containers[2, 2:].tolist()


def test_a_skip_connection_goes_round_the_longer_path_which_stays_straight():
    pairs = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)]
    layout = lay_out(LayoutRequest((Box(100, 60),) * 5, tuple(Link(a, b) for a, b in pairs)))
    assert len(set(middles(layout, "right").tolist())) == 1
    assert [straight(route, "right") for route in layout.routes] == [True, True, True, False, True]


def test_long_links_from_one_port_share_a_trunk():
    links = (*(Link(i, i + 1) for i in range(5)), Link(0, 3), Link(0, 5))
    layout = lay_out(LayoutRequest((Box(100, 60),) * 6, links))
    short, long = layout.routes[5].tolist(), layout.routes[6].tolist()
    assert short[:2] == long[:2]


def test_parts_that_nothing_joins_are_packed_beside_each_other():
    links = (*(Link(i, i + 1) for i in range(7)), Link(8, 9))
    layout = lay_out(LayoutRequest((Box(100, 60),) * 40, links))
    assert layout.width < 4 * layout.height
    assert layout.height < 4 * layout.width
    assert layout.boxes[:8, 1].tolist() == [0.0] * 8


def test_a_part_aside_never_lies_between_a_module_and_its_way_out():
    boxes = (Box(40, 40, 0), Box(400, 40, 0), Box(400, 40, 0), Box(40, 40))
    layout = lay_out(LayoutRequest(boxes, (Link(0, 3), Link(1, 2)), (Container(),)))
    top, bottom = layout.boxes[0, 1], layout.boxes[0, 1] + 40
    assert all(other[1] >= bottom or other[1] + other[3] <= top for other in layout.boxes[1:3])


def test_a_cycle_is_led_back_round_the_boxes():
    cycle = LayoutRequest((Box(10, 10),) * 3, (Link(0, 1), Link(1, 2), Link(2, 0)))
    layout = lay_out(cycle)
    assert all(straight(route, "right") for route in layout.routes[:2])
    assert layout.routes[2][:, 1].max() > layout.boxes[:, 1].max() + 10


def test_modules_that_feed_each_other_in_a_circle_are_laid_out():
    boxes = (Box(50, 20, 0), Box(50, 20, 1), Box(50, 20, 0))
    layout = lay_out(LayoutRequest(boxes, (Link(0, 1), Link(1, 2)), (Container(), Container())))
    assert all(len(route) for route in layout.routes)


def test_odd_requests_are_laid_out():
    nothing = lay_out(LayoutRequest((), ()))
    assert (nothing.width, nothing.height, nothing.boxes.shape, nothing.routes) == (0, 0, (0, 4), ())
    assert lay_out(LayoutRequest((Box(10, 20),), (Link(0, 0),))).boxes.tolist() == [[0, 0, 10, 20]]
    empty = lay_out(LayoutRequest((), (), (Container(),)))
    assert empty.containers.tolist() == [[0, 0, 92, 62]]
    twice = lay_out(LayoutRequest((Box(10, 10),) * 2, (Link(0, 1), Link(0, 1))))
    assert twice.routes[0].tolist() == twice.routes[1].tolist()


def test_containers_inside_each_other_in_a_circle_are_refused():
    with pytest.raises(ValueError, match="inside itself"):
        lay_out(LayoutRequest((), (), (Container(1), Container(0))))


def test_answers_that_are_shared_cannot_be_written():
    layout = lay_out(two_layers("right"))
    for array in (layout.boxes, layout.containers, *layout.routes):
        assert not array.flags.writeable


def test_long_chains_and_deep_nests_are_straight_and_need_no_recursion():
    chain = lay_out(LayoutRequest((Box(10, 10),) * 5000, tuple(Link(i, i + 1) for i in range(4999))))
    assert (chain.boxes[:, 1] == chain.boxes[0, 1]).all()
    nest = tuple(Container(index - 1) for index in range(1500))
    deep = lay_out(LayoutRequest((Box(10, 10, 1499), Box(10, 10)), (Link(0, 1),), nest))
    assert straight(deep.routes[0], "right")
