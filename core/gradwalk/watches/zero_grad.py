"""Gradients that are exactly zero in every element."""

from __future__ import annotations

import numpy as np

from ..leaves import COUNT, leaves_of
from ..trace import NONE, STATISTICS, Trace
from .alert import Alert, Limits, edge_position, told

KIND = "zero-grad"
_ZERO = STATISTICS.index("zero")


def zero_grad(trace: Trace, limits: Limits) -> list[Alert]:
    """An alert per parameter whose gradient is 0 throughout."""
    leaves = leaves_of(trace.graph)
    there = np.flatnonzero(leaves.edges != NONE)
    table = trace.gradients[:, leaves.edges[there]]
    found = []
    for leaf in there[(table[COUNT] > 0) & (table[_ZERO] == table[COUNT])].tolist():
        position, name = edge_position(trace, int(leaves.edges[leaf])), leaves.names[leaf]
        sentence = told(trace, position, f": the gradient of {name} is exactly 0 in every element")
        found.append(Alert(KIND, "warning", trace.step, position, name, sentence))
    return found
