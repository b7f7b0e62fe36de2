"""The dots of a chain's errors over depth: one per gradient and one per Value on the way to the loss. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradwalk.reference.accumulated import UNIT, Accumulated, Chain
from gradwalk.tape import value_label
from gradwalk.trace import TensorKey, Trace

from ..inspection.facts import gradient_label

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Sorted by depth: what each is, what it is called, and in arrays ``[points]`` its depth and its relative error."""

    keys: Sequence[TensorKey]
    names: Sequence[str]
    errors: Sequence[Accumulated]
    depths: Numbers
    numbers: Numbers
    gradients: NDArray[np.bool_]
    units: Sequence[tuple[str, float]]
    """The dtypes that occur, and what one rounding in each is."""


def points_of(trace: Trace, chain: Chain) -> Points:
    """The dots of a step; a Value without a gradient has no depth, and no dot."""
    graph = trace.graph
    rows: list[tuple[TensorKey, str, Accumulated]] = []
    for edge, one in chain.gradients.items():
        rows.append((("gradient", edge), gradient_label(graph, graph.edges[edge]), one))
    for value, one in chain.values.items():
        rows.append((("value", value), value_label(graph, value), one))
    rows = sorted((row for row in rows if row[2].depth >= 0), key=lambda row: (row[2].depth, row[2].moment))
    dtypes = {graph.values[value].dtype for value in chain.values}
    return Points(
        [key for key, _, _ in rows],
        [name for _, name, _ in rows],
        [one for _, _, one in rows],
        np.array([one.depth for _, _, one in rows], dtype=np.float64),
        np.array([one.relative for _, _, one in rows], dtype=np.float64),
        np.array([key[0] == "gradient" for key, _, _ in rows], dtype=np.bool_),
        [(dtype, unit) for dtype, unit in UNIT.items() if dtype in dtypes],
    )


def middle_of(points: Points, *, gradients: bool) -> tuple[Numbers, Numbers]:
    """The curve through the dots of one kind: per depth the median of log10 of their errors, float64 ``[depths]`` each."""
    which = (points.gradients == gradients) & (points.numbers > 0) & np.isfinite(points.numbers)
    depths, heights = points.depths[which], np.log10(points.numbers[which])
    there = np.unique(depths)
    return there, np.array([np.median(heights[depths == depth]) for depth in there])
