"""Where gradients meet: ``g1 + g2 = sum`` with the numbers. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradwalk.sample import statistics_of
from gradwalk.tape import index
from gradwalk.trace import NONE, Kept, Trace

from .magnitudes import NOT_THERE, MeasureName, magnitudes, text

LARGEST = 4_000_000
"""Elements; larger sums are not taken for a label."""


def meeting_text(parts: Sequence[float | None], total: float, measure: MeasureName) -> str:
    """The sum in words. ``parts`` are magnitudes, None for what has not come; ``total`` -1 where it cannot be told.

    ``g1 + g2`` before anything has come, ``0.16 + …`` on the way, ``0.16 + 0.08 = 0.19`` when all are there.
    """
    if all(part is None for part in parts):
        return " + ".join(f"g{i + 1}" for i in range(len(parts))) if len(parts) < 4 else f"g1 + … + g{len(parts)}"
    texts = ["…" if part is None else text(part, measure) for part in parts]
    shown = " + ".join(texts) if len(texts) < 4 else f"{texts[0]} + … + {texts[-1]}"
    if any(part is None for part in parts):
        return shown
    return f"{shown} = {text(total, measure)}" if total != NOT_THERE else f"{shown} = sum"


def sum_magnitude(trace: Trace, edges: tuple[int, ...], measure: MeasureName) -> float:
    """The magnitude of a sum of gradients: that of the leaf's ``.grad``, or from kept gradients; -1 where it cannot be told."""
    graph = trace.graph
    node = graph.nodes[graph.edges[edges[0]].target]
    if node.leaf != NONE:
        out = [edge for edge in index(graph).edges_from[node.id] if graph.edges[edge].target == NONE]
        if len(out) == 1:
            return float(magnitudes(trace.gradients[:, out], measure)[0])
    kept = [_kept(trace, edge) for edge in edges]
    arrays = [one.data for one in kept if one is not None and one.complete and one.data.size <= LARGEST]
    if len(arrays) < len(edges) or len({array.shape for array in arrays}) > 1:
        return NOT_THERE
    total: NDArray[np.float64] = np.sum([array.astype(np.float64) for array in arrays], axis=0)
    return float(magnitudes(statistics_of(total)[:, None], measure)[0])


def _kept(trace: Trace, edge: int) -> Kept | None:
    by = trace.graph.edges[edge].by
    return trace.tensors.get(("gradient", edge)) or (trace.tensors.get(("value", by)) if by != NONE else None)
