"""What a laid out container is to the one around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .parts import Point, Points


class Margins(NamedTuple):
    """Room between a container's border and its content."""

    before: Point
    after: Point
    at_least: Point
    """The least size of the whole, so that the title fits."""


class Wish(NamedTuple):
    """The order in which the outside wants a container's ports, in and out, from the first side on; empty for any."""

    ins: tuple[int, ...] = ()
    outs: tuple[int, ...] = ()


ANY = Wish()


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """A laid out container: its size, its children's top left corners, the routes of its edges, its ports across.

    Equal containers share one; ``serial`` tells which it is. A route is float64 ``[points, 2]``. ``reach`` says how far the way
    goes on inside from each port in, and to each port out; ``wishes`` what it wants of the containers in it, by their place.
    """

    serial: int
    size: Point
    corners: Points
    routes: tuple[NDArray[np.float64], ...]
    ins: tuple[float, ...]
    outs: tuple[float, ...]
    reach: tuple[tuple[int, ...], tuple[int, ...]]
    wishes: tuple[tuple[int, Wish], ...]
