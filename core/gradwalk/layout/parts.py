"""What the phases of the layered layout hand on to each other. Everything runs downwards: ranks along y, order along x."""

from __future__ import annotations

from dataclasses import dataclass, field

DUMMY_WIDTH = 4.0


@dataclass(frozen=True, slots=True)
class FlatEdge:
    """An edge between two boxes of one container; ports are offsets from the middles of their sides."""

    source: int
    target: int
    source_port: float = 0.0
    target_port: float = 0.0


@dataclass(frozen=True, slots=True)
class FlatRequest:
    """One container's content. ``first`` and ``last`` are forced to the outermost ranks (the container's own ports)."""

    sizes: tuple[tuple[float, float], ...]
    edges: tuple[FlatEdge, ...]
    first: tuple[int, ...] = ()
    last: tuple[int, ...] = ()
    aside: frozenset[int] = frozenset()
    """What must not steal the alignment of the main flow."""
    rank_gap: float = 72.0
    box_gap: float = 28.0
    port_gap: float = 28.0
    """The gap beside the ranks of ``first`` and ``last``."""


@dataclass(frozen=True, slots=True)
class FlatLayout:
    """Centres of the boxes, one polyline per edge (empty for a self loop), and the size of it all, from (0, 0)."""

    centres: tuple[tuple[float, float], ...]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Tie:
    """A neighbour on the rank above or below, with the port offsets at this end and at the other."""

    other: int
    here: float
    there: float


@dataclass(slots=True)
class Ranked:
    """The graph with dummies: every tie joins neighbouring ranks. Boxes come first, dummies after ``boxes``."""

    boxes: int
    ranks: list[int]
    widths: list[float]
    up: list[list[Tie]]
    down: list[list[Tie]]
    chains: dict[tuple[int, float], list[int]] = field(default_factory=dict)
    """The dummies below a source's port, shared by all edges that leave from there."""
    layers: list[list[int]] = field(default_factory=list)

    def is_dummy(self, thing: int) -> bool:
        """Whether a thing is a dummy."""
        return thing >= self.boxes

    def positions(self) -> list[int]:
        """Where each thing stands in its layer."""
        places = [0] * len(self.ranks)
        for layer in self.layers:
            for place, thing in enumerate(layer):
                places[thing] = place
        return places
