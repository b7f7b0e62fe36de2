"""Exploding gradients."""

from __future__ import annotations

import numpy as np

from ..leaves import gradient_rms, leaves_of
from ..trace import Trace
from .alert import Alert, Limits, counted, edge_position, figure, where

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
    sentence = (
        f"step {trace.step}: the gradient of {leaves.names[largest]} has RMS {figure(rms[largest])}{where(trace, position)}; "
        f"{counted(int(large.sum()), 'parameter')} of {len(rms)} get more than {figure(limits.exploding)}"
    )
    return [Alert(KIND, "warning", trace.step, position, "", sentence)]
