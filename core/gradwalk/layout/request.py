"""What a layout is asked for and what it answers. Pure data: sizes and links in, positions out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Direction: TypeAlias = Literal["right", "down"]
ROOT = -1


class Box(NamedTuple):
    """Something to place: a card, a pill, or a folded module. ``container`` is an index into the request's containers, or ROOT.

    ``main`` is False for what must not steal the alignment of the main flow (parameters).
    """

    width: float
    height: float
    container: int = ROOT
    main: bool = True


class Container(NamedTuple):
    """An unfolded module around its boxes. ``title_width`` and ``title_height`` keep room at its top for the title."""

    parent: int = ROOT
    title_width: float = 60.0
    title_height: float = 30.0
    padding: float = 16.0


class Link(NamedTuple):
    """From box ``source`` to box ``target`` (indices). Ports are offsets from the middle of the side that it leaves or enters."""

    source: int
    target: int
    source_port: float = 0.0
    target_port: float = 0.0


@dataclass(frozen=True, slots=True)
class LayoutRequest:
    """Comparable and hashable, so that a layout is cached by ``==`` and can run in a worker."""

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    containers: tuple[Container, ...] = ()
    direction: Direction = "right"
    rank_gap: float = 72.0
    box_gap: float = 28.0


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Positions in logical pixels, y down, the whole picture starting at (0, 0).

    ``boxes`` and ``containers`` are float64 ``[n, 4]`` of left, top, width, height. ``routes`` holds per link a polyline
    float64 ``[points, 2]`` from the border of its source to the border of its target; an empty one for a link that is not drawn.
    """

    boxes: NDArray[np.float64]
    containers: NDArray[np.float64]
    routes: tuple[NDArray[np.float64], ...]
    width: float
    height: float
    note: str = ""
    """A sentence for the user, where the layout is not what was asked for."""
