"""The strip of a stack's card: a cell per call, with the largest gradient that it gives. No Qt."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gradwalk.ragged import Ragged, ragged
from gradwalk.tape import index
from gradwalk.trace import NONE, Graph

from .parts import Picture

Edges = tuple[int, ...]


def cells_of(graph: Graph, picture: Picture) -> tuple[Ragged, NDArray[np.intp]]:
    """Per cell of all stacks the gradients that it gives; and the bounds of each card's cells, intp ``[cards + 1]``."""
    counts = [len(card.strip) for card in picture.cards]
    return ragged(_cells(graph, picture)), np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)


def _cells(graph: Graph, picture: Picture) -> Iterator[Edges]:
    for card in picture.cards:
        for nodes in card.strip:
            yield _edges_out(graph, set(nodes))


def _edges_out(graph: Graph, nodes: set[int]) -> Edges:
    """The gradients that leave some Nodes; where none does, those that come in (as for any folded module)."""
    look, inside = index(graph), {NONE, *nodes}
    out = [edge for node in nodes for edge in look.edges_from[node] if graph.edges[edge].target not in inside]
    return tuple(out or (edge for node in nodes for edge in look.edges_into[node] if graph.edges[edge].source not in nodes))
