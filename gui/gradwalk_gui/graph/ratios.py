"""|update| / |weight|, laid on the edges that bring a weight its gradient; there once the weight's update has run. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.leaves import Leaves, exact_update, least_update, leaves_of
from gradwalk.ragged import Ragged, ragged
from gradwalk.tape import index
from gradwalk.trace import NONE, Graph, Trace

from .magnitudes import NOT_THERE
from .scene import Scene


@dataclass(frozen=True, slots=True, eq=False)
class Ratios:
    """Of a step: per edge the ratio, -1 for none, and the tape position of the update, NONE for none."""

    magnitudes: NDArray[np.float64]
    at: NDArray[np.int32]
    least: bool
    """Whether the elements of some weight were not kept, so that its ratio is the least that it can be."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Of a scene: the edges of weights per card and per cell of the stacks' strips."""

    cards: Ragged
    cells: Ragged


def ratios_of(trace: Trace, events: NDArray[np.int32]) -> Ratios:
    """The ratios of a step; ``events`` says per Event of its Graph when it ran."""
    leaves = leaves_of(trace.graph)
    of_leaf, least = _of_leaves(trace, leaves)
    leaf_of = {value: leaf for leaf, value in enumerate(leaves.values.tolist())}
    magnitudes = np.full(len(trace.graph.edges), NOT_THERE)
    at = np.full(len(trace.graph.edges), NONE, dtype=np.int32)
    for edge in trace.graph.edges:
        leaf = leaf_of.get(edge.value, NONE)
        if leaf != NONE and leaves.writers[leaf] != NONE:
            magnitudes[edge.id], at[edge.id] = of_leaf[leaf], events[leaves.writers[leaf]]
    return Ratios(magnitudes, at, least)


def _of_leaves(trace: Trace, leaves: Leaves) -> tuple[NDArray[np.float64], bool]:
    """The ratio of each leaf, -1 where none is known, and whether one of them is only the least that it can be."""
    found, least = least_update(trace, leaves), False
    for leaf in np.flatnonzero(leaves.written != NONE).tolist():
        exact = exact_update(trace, int(leaves.values[leaf]), int(leaves.written[leaf]))
        if exact is not None and np.isfinite(exact):
            found[leaf] = exact
        elif exact is None:
            least = least or not np.isnan(found[leaf])
    return np.where(np.isfinite(found), found, NOT_THERE), least


@lru_cache(maxsize=4)
def places_of(scene: Scene) -> Places:
    """The edges of weights in a scene (cached)."""
    graph, cards = scene.graph, scene.picture.cards
    leaves = frozenset(leaves_of(graph).values.tolist())
    return Places(
        ragged(tuple(_edges(graph, leaves, card.nodes)) for card in cards),
        ragged(tuple(_edges(graph, leaves, nodes)) for card in cards for nodes in card.strip),
    )


def _edges(graph: Graph, leaves: frozenset[int], nodes: Iterable[int]) -> Iterator[int]:
    """The edges from some Nodes that carry a leaf's gradient."""
    return (edge for node in nodes for edge in index(graph).edges_from[node] if graph.edges[edge].value in leaves)
