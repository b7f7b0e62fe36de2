"""Updates that are large beside the weights that they change."""

from __future__ import annotations

import numpy as np

from ..leaves import exact_update, least_update, leaves_of
from ..trace import NONE, Trace
from .alert import Alert, Limits, figure, position_of, told

KIND = "update-ratio"


def update_ratio(trace: Trace, limits: Limits) -> list[Alert]:
    """An alert per parameter of two or more dimensions; from its elements where they were kept, else the least that it can be.

    A bias often begins at 0, so that its first updates are large beside it without any harm.
    """
    leaves = leaves_of(trace.graph)
    least = least_update(trace, leaves)
    kept = set(trace.tensors) if any(kind == "value" for kind, _ in trace.tensors) else set()
    found = []
    for leaf in np.flatnonzero(leaves.written != NONE).tolist():
        old, new = int(leaves.values[leaf]), int(leaves.written[leaf])
        if len(trace.graph.values[old].shape) < 2 or np.isnan(least[leaf]):
            continue
        exact = exact_update(trace, old, new) if ("value", old) in kept and ("value", new) in kept else None
        ratio = float(least[leaf]) if exact is None else exact
        if ratio > limits.update_ratio:
            position, name = position_of(trace, int(leaves.writers[leaf])), leaves.names[leaf]
            size = f"{'at least ' if exact is None else ''}{figure(ratio)}"
            sentence = told(trace, position, f": the update of {name} is {size} times its weights")
            found.append(Alert(KIND, "warning", trace.step, position, name, sentence))
    return found
