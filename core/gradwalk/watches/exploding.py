"""Exploding gradients."""

from __future__ import annotations

import numpy as np

from ..leaves import gradient_rms, leaves_of
from ..trace import Trace
from .alert import Alert, Limits, counted, edge_position, figure, told

KIND = "exploding"


def exploding(trace: Trace, limits: Limits) -> list[Alert]:
    """One alert for all parameters of the step whose gradient is large; it names the largest."""
    leaves = leaves_of(trace.graph)
    rms = gradient_rms(trace, leaves)
    large = rms > limits.exploding
    if not large.any():
        return []
    largest = int(np.nanargmax(rms))
    position = edge_position(trace, int(leaves.edges[largest]))
    cause = f": the gradient of {leaves.names[largest]} has RMS {figure(rms[largest])}"
    many = f"; {counted(int(large.sum()), 'parameter')} of {len(rms)} get more than {figure(limits.exploding)}"
    sentence = told(trace, position, cause, many)
    return [Alert(KIND, "warning", trace.step, position, "", sentence)]
