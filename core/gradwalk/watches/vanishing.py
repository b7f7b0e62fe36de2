"""Vanishing gradients: next to nothing of what the loss sends back arrives at a parameter."""

from __future__ import annotations

import numpy as np

from ..leaves import gradient_rms, leaves_of
from ..trace import Trace
from .alert import Alert, Limits, counted, edge_position, figure, told

KIND = "vanishing"


def vanishing(trace: Trace, limits: Limits) -> list[Alert]:
    """One alert for all weights of the step whose gradient is small, but not 0, beside the largest.

    Only what has two or more dimensions counts: a bias before a normalisation gets none but rounding errors, by its nature.
    """
    leaves = leaves_of(trace.graph)
    rms = gradient_rms(trace, leaves)
    if np.isnan(rms).all():
        return []
    largest = int(np.nanargmax(rms))
    weights = np.array([len(trace.graph.values[value].shape) > 1 for value in leaves.values.tolist()])
    small = weights & (rms > 0) & (rms < limits.vanishing) & (rms < limits.vanishing_share * rms[largest])
    if not small.any():
        return []
    least = int(np.nanargmin(np.where(small, rms, np.nan)))
    position = edge_position(trace, int(leaves.edges[least]))
    cause = (
        f": the gradient vanishes on its way back, from RMS {figure(rms[largest])} at {leaves.names[largest]} "
        f"to {figure(rms[least])} at {leaves.names[least]}"
    )
    many = f"; {counted(int(small.sum()), 'weight')} of {int(weights.sum())} get less than {figure(limits.vanishing)}"
    return [Alert(KIND, "warning", trace.step, position, "", told(trace, position, cause, many))]
