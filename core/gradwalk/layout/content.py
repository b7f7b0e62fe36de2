"""What a laid out container is to the one around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .parts import Point, Points


@dataclass(frozen=True, slots=True)
class Margins:
    """Room between a container's border and its content."""

    before: Point
    after: Point
    at_least: Point
    """The least size of the whole, so that the title fits."""


@dataclass(frozen=True, slots=True)
class Content:
    """A laid out container: its size, its children's top left corners, the routes of its edges, its ports across.

    ``reach`` says how far the way goes on inside from each port in, and to each port out.
    """

    size: Point
    corners: Points
    routes: tuple[Points, ...]
    ins: tuple[float, ...]
    outs: tuple[float, ...]
    reach: tuple[tuple[int, ...], tuple[int, ...]]


class Wish(NamedTuple):
    """The order in which the outside wants a container's ports, in and out, from the first side on; empty for any."""

    ins: tuple[int, ...] = ()
    outs: tuple[int, ...] = ()


ANY = Wish()
