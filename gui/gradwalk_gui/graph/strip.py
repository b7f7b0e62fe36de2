"""The strip of a stack's card: a cell per call, with the largest gradient that it gives. No Qt."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.tape import index
from gradwalk.trace import NONE, Graph

from .look import Look
from .magnitudes import NOT_THERE
from .parts import Card

Edges = tuple[int, ...]


def cell_magnitudes(look: Look, card: Card) -> NDArray[np.float64]:
    """Per call of a stack the largest gradient that it has given so far, NaN if one is NaN, -1 where none has come yet."""
    facts = look.facts
    found = np.full(len(card.strip), NOT_THERE, dtype=np.float64)
    for cell, edges in enumerate(_given(look.trace.graph, card)):
        there = [facts.magnitudes[edge] for edge in edges if 0 <= facts.edges[edge] < look.position]
        if there:
            found[cell] = np.max(there)
    return found


class _Of:
    """A stack's card of a Graph, as a key."""

    __slots__ = ("card", "graph")

    def __init__(self, graph: Graph, card: Card) -> None:
        self.graph, self.card = graph, card

    def __hash__(self) -> int:
        return hash((id(self.graph), self.card.ref))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Of) and other.graph is self.graph and other.card is self.card


def _given(graph: Graph, card: Card) -> tuple[Edges, ...]:
    return _given_cached(_Of(graph, card))


@lru_cache(maxsize=64)
def _given_cached(of: _Of) -> tuple[Edges, ...]:
    return tuple(_edges_out(of.graph, set(nodes)) for nodes in of.card.strip)


def _edges_out(graph: Graph, nodes: set[int]) -> Edges:
    """The gradients that leave some Nodes; where none does, those that come in (as for any folded module)."""
    look = index(graph)
    out = [edge for node in nodes for edge in look.edges_from[node] if graph.edges[edge].target not in (NONE, *nodes)]
    return tuple(out or (edge for node in nodes for edge in look.edges_into[node] if graph.edges[edge].source not in nodes))
