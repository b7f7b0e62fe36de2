"""What stays when a module is folded or unfolded, on random nested graphs."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gradwalk.layout.compound import known_contents
from gradwalk.layout.engine import laid_out, lay_out
from gradwalk.layout.request import Box, Container, LayoutRequest, Link

from .conftest import around, fold, forget, nested_requests


def same(a, b):
    parts = ((a.boxes, b.boxes), (a.containers, b.containers), *zip(a.routes, b.routes, strict=True))
    return all(np.array_equal(one, other) for one, other in parts)


@st.composite
def with_a_module(draw):
    """A nested graph that holds together, as a step does, and a container in it that has boxes."""
    request_ = draw(nested_requests())
    ties = [Link(draw(st.integers(0, number - 1)), number) for number in range(1, len(request_.boxes))]
    full = sorted({container for number in range(len(request_.boxes)) for container in around(request_, number)})
    assume(full)
    return replace(request_, links=(*request_.links, *ties)), draw(st.sampled_from(full))


@settings(max_examples=60, deadline=None)
@given(with_a_module())
def test_fold_then_unfold_gives_the_same_picture_whatever_is_known(drawn):
    request_, module = drawn
    forget()
    unfolded = lay_out(request_)
    forget()
    lay_out(fold(request_, module)[0])
    laid_out.forget()
    assert same(lay_out(request_), unfolded)


@settings(max_examples=150, deadline=None)
@given(with_a_module())
def test_unfolding_never_reorders_siblings(drawn):
    request_, module = drawn
    parent = request_.containers[module].parent
    folded, number_of = fold(request_, module)
    siblings = [number for number in number_of if request_.boxes[number].container == parent]
    along, across = (0, 1) if request_.direction == "right" else (1, 0)
    before, after = (boxes[:, :2] + boxes[:, 2:] / 2 for boxes in (lay_out(folded).boxes, lay_out(request_).boxes))
    for a, b in combinations(siblings, 2):
        if after[a, along] == after[b, along] and before[number_of[a], along] == before[number_of[b], along]:
            assert (after[a, across] < after[b, across]) == (before[number_of[a], across] < before[number_of[b], across])


@settings(max_examples=30, deadline=None)
@given(nested_requests())
def test_an_equal_step_is_not_laid_out_again(request_):
    first = lay_out(request_)
    misses = laid_out.misses, known_contents.misses
    again = LayoutRequest(*(tuple(part) for part in (request_.boxes, request_.links, request_.containers)), request_.direction)
    assert lay_out(again) is first
    assert (laid_out.misses, known_contents.misses) == misses


def blocks(count, unfolded):
    """A chain of equal blocks: two boxes in a row and a way past them."""
    boxes, links, containers = [Box(100, 60)], [], []
    for block in range(count):
        last = len(boxes) - 1
        if block in unfolded:
            containers.append(Container())
            inner = len(containers) - 1
            boxes += [Box(120, 80, inner), Box(90, 40, inner), Box(60, 60, inner)]
            links += [Link(last, last + 1, 10, 0), Link(last, last + 3, -10, -10)]
            links += [Link(last + 1, last + 2), Link(last + 2, last + 3, 0, 10)]
        else:
            boxes.append(Box(140, 60))
            links.append(Link(last, last + 1))
    return LayoutRequest(tuple(boxes), tuple(links), tuple(containers))


def test_unfolding_one_of_many_blocks_lays_out_that_block_and_those_around_it_only():
    forget()
    lay_out(blocks(60, {3, 7}))
    known_contents.misses = 0
    lay_out(blocks(60, {3, 7, 40}))
    assert known_contents.misses == 2  # the whole, and the whole with the ports as it wishes; the block is known
    assert len({tuple(size) for size in lay_out(blocks(60, {3, 7, 40})).containers[:, 2:].tolist()}) == 1


def test_a_chain_of_blocks_with_ways_past_them_runs_straight_on():
    layout = lay_out(blocks(12, set(range(12))))
    assert np.ptp(layout.containers[:, 1]) == 0
    assert layout.height < 2 * layout.containers[0, 3]


def test_links_that_leave_a_module_side_by_side_do_not_cross_behind_it():
    boxes = (Box(60, 120, 0), Box(60, 40), Box(60, 40), Box(60, 40))
    upside_down = LayoutRequest(boxes, (Link(0, 1, 30), Link(0, 2, 0), Link(0, 3, -30), Link(1, 2), Link(1, 3)), (Container(),))
    layout = lay_out(upside_down)
    right = layout.containers[0, 0] + layout.containers[0, 2]
    at_border, at_end = [], []
    for route in layout.routes[:3]:
        at_border.append(float(np.interp(right, route[:, 0], route[:, 1])))
        at_end.append(float(np.interp(right + 60, route[:, 0], route[:, 1])))
    assert np.argsort(at_border).tolist() == np.argsort(at_end).tolist()
