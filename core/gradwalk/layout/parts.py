"""What the phases of the layered layout hand on to each other. Everything runs downwards: ranks along y, order along x."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

Point: TypeAlias = tuple[float, float]
Points: TypeAlias = tuple[Point, ...]

DUMMY_WIDTH = 4.0
ASIDE, PORT_ASIDE, MAIN = 0, 2, 4
"""How strongly a thing pulls its neighbours into one straight line: a parameter, the container's own port through which something
aside comes in, and the main flow. A dummy pulls one less than what it leads on from."""


class FlatEdge(NamedTuple):
    """An edge between two boxes of one container; ports are offsets from the middles of their sides.

    ``reach`` says how far the way goes on inside the boxes at its ends, which may be modules.
    """

    source: int
    target: int
    source_port: float = 0.0
    target_port: float = 0.0
    reach: int = 0


@dataclass(frozen=True, slots=True)
class FlatRequest:
    """One container's content. ``first`` and ``last`` are forced to the outermost ranks (the container's own ports).

    ``held`` says of each of the two whether it keeps the order in which it is given.
    """

    sizes: tuple[Point, ...]
    edges: tuple[FlatEdge, ...]
    pulls: tuple[int, ...]
    first: tuple[int, ...] = ()
    last: tuple[int, ...] = ()
    rank_gap: float = 72.0
    box_gap: float = 28.0
    held: tuple[bool, bool] = (False, False)


@dataclass(frozen=True, slots=True)
class FlatLayout:
    """Centres of the boxes, one polyline per edge (empty for a self loop), and the size of it all, from (0, 0).

    ``reach`` holds the length of the longest path from each of the request's ``first`` on, and to each of its ``last``.
    """

    centres: Points
    routes: tuple[Points, ...]
    width: float
    height: float
    reach: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())


class Tie(NamedTuple):
    """A neighbour on the rank above or below, with the port offsets at this end and at the other, and the reach of its edge."""

    other: int
    here: float
    there: float
    reach: int = 0


@dataclass(slots=True)
class Ranked:
    """The graph with dummies: every tie joins neighbouring ranks. Boxes come first, dummies after ``boxes``."""

    boxes: int
    ranks: list[int]
    widths: list[float]
    pulls: list[int]
    flow: tuple[list[int], list[int]]
    """The length of the longest path to each thing, and from it on."""
    up: list[list[Tie]]
    down: list[list[Tie]]
    chains: dict[tuple[int, float], list[int]] = field(default_factory=dict)
    """The dummies below a source's port, shared by all edges that leave from there."""
    layers: list[list[int]] = field(default_factory=list)
    held: dict[int, list[int]] = field(default_factory=dict)
    """Layers, by their rank, whose order is given."""
    before: set[int] = field(default_factory=set)
    after: set[int] = field(default_factory=set)
    """Attendants: parameters that stand right before or right after what their op is in line with."""

    def is_dummy(self, thing: int) -> bool:
        """Whether a thing is a dummy."""
        return thing >= self.boxes

    def tie(self, above: int, below: int, port_above: float, port_below: float, reach: int = 0) -> None:
        """Tie two things of neighbouring ranks."""
        self.down[above].append(Tie(below, port_above, port_below, reach))
        self.up[below].append(Tie(above, port_below, port_above, reach))

    def positions(self) -> list[int]:
        """Where each thing stands in its layer."""
        places = [0] * len(self.ranks)
        for layer in self.layers:
            for place, thing in enumerate(layer):
                places[thing] = place
        return places
