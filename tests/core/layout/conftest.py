"""Random requests, what they are asked about, and folding."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from gradwalk.layout.compound import known_contents
from gradwalk.layout.engine import laid_out
from gradwalk.layout.request import ROOT, Box, Container, LayoutRequest, Link

TINY = 1e-6


@st.composite
def any_requests(draw):
    """Boxes and containers anywhere, links in any direction: cycles, self loops, doubles, empty containers."""
    containers = tuple(Container(draw(st.integers(ROOT, index - 1))) for index in range(draw(st.integers(0, 4))))
    sizes = st.floats(10, 200)
    boxes = tuple(
        Box(draw(sizes), draw(sizes), draw(st.integers(ROOT, len(containers) - 1)), draw(st.booleans()))
        for _ in range(draw(st.integers(1, 14)))
    )
    return LayoutRequest(boxes, draw(links_between(len(boxes))), containers, draw(st.sampled_from(["right", "down"])))


@st.composite
def nested_requests(draw):
    """As a program runs: a module call opens, its ops run, it closes; every link leads on to a later box. No cycles."""
    containers, boxes, open_ = [], [], [ROOT]
    for action in draw(st.lists(st.sampled_from(["box", "box", "box", "open", "close"]), min_size=2, max_size=24)):
        if action == "open":
            containers.append(Container(open_[-1], draw(st.sampled_from([40.0, 300.0]))))
            open_.append(len(containers) - 1)
        elif action == "close" and len(open_) > 1:
            open_.pop()
        elif action == "box":
            boxes.append(Box(draw(st.floats(10, 200)), draw(st.floats(10, 200)), open_[-1], draw(st.booleans())))
    if not boxes:
        boxes.append(Box(40, 20))
    links = tuple(link for link in draw(links_between(len(boxes))) if link.source < link.target)
    return LayoutRequest(tuple(boxes), links, tuple(containers), draw(st.sampled_from(["right", "down"])))


def links_between(boxes):
    number, ports = st.integers(0, boxes - 1), st.sampled_from([-4.0, 0.0, 4.0])
    return st.lists(st.builds(Link, number, number, ports, ports), max_size=24).map(tuple)


def overlap(a, b):
    return a[0] + a[2] > b[0] + TINY and b[0] + b[2] > a[0] + TINY and a[1] + a[3] > b[1] + TINY and b[1] + b[3] > a[1] + TINY


def inside(inner, outer):
    return all(inner[axis] >= outer[axis] - TINY for axis in (0, 1)) and all(
        inner[axis] + inner[axis + 2] <= outer[axis] + outer[axis + 2] + TINY for axis in (0, 1)
    )


def around(request_, box):
    """The containers around a box."""
    found, at = set(), request_.boxes[box].container
    while at != ROOT:
        found.add(at)
        at = request_.containers[at].parent
    return found


def passes_through(route, rectangle):
    """Whether a polyline enters the inside of a rectangle (each segment clipped against it)."""
    low, high = rectangle[:2] + TINY, rectangle[:2] + rectangle[2:] - TINY
    for here, there in pairwise(route):
        step = there - here
        with np.errstate(all="ignore"):
            a, b = (low - here) / step, (high - here) / step
        still = step == 0
        if (still & ((here <= low) | (here >= high))).any():
            continue
        enters = np.where(still, 0.0, np.minimum(a, b)).max()
        leaves = np.where(still, 1.0, np.maximum(a, b)).min()
        if max(enters, 0.0) < min(leaves, 1.0):
            return True
    return False


def forget():
    """Let nothing be known that was laid out before."""
    laid_out.forget()
    known_contents.forget()


def fold(request_, index):
    """The request with a container drawn as one box, where its first box was, and the new number of every box outside."""
    gone = [around(request_, number) & {index} for number in range(len(request_.boxes))]
    first = gone.index({index})
    kept = [number for number, inner in enumerate(gone) if not inner or number == first]
    box_of = {number: kept.index(first if inner else number) for number, inner in enumerate(gone)}
    inner = {index} | {i for i in range(len(request_.containers)) if index in holders(request_, i)}
    left = [i for i in range(len(request_.containers)) if i not in inner]
    number_of = {ROOT: ROOT} | {old: new for new, old in enumerate(left)}
    boxes = [
        Box(80, 40, number_of[request_.containers[index].parent])
        if number == first
        else request_.boxes[number]._replace(container=number_of[request_.boxes[number].container])
        for number in kept
    ]
    containers = [request_.containers[i]._replace(parent=number_of[request_.containers[i].parent]) for i in left]
    links = dict.fromkeys(
        Link(
            box_of[link.source],
            box_of[link.target],
            0.0 if gone[link.source] else link.source_port,
            0.0 if gone[link.target] else link.target_port,
        )
        for link in request_.links
        if not (gone[link.source] and gone[link.target])
    )
    folded = LayoutRequest(tuple(boxes), tuple(links), tuple(containers), request_.direction)
    return folded, {number: new for number, new in box_of.items() if not gone[number]}


def holders(request_, index):
    """The containers around a container."""
    found, at = set(), request_.containers[index].parent
    while at != ROOT:
        found.add(at)
        at = request_.containers[at].parent
    return found
