"""Kinks: where a function has no derivative (ReLU at 0, equal maxima), any that lies between those around it is a valid one.

Clarke, Optimization and Nonsmooth Analysis, 1983, section 2.1 (the generalized gradient); torch's notes on autograd mechanics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .kinds import is_one_of
from .program import Step, Tensors, run, run_back
from .registry import Array
from .untold import MARGINS

NEAR = 2.0**-34
"""By this part inputs are off: in float32, whose numbers are 2**-24 apart, nothing but what is equal changes places."""
ROUNDED = 4.0
"""So many unit roundoffs instead where a function with a kink is taken of what was rounded on the way, inside the op: there torch
may stand on its other side. As many as a formula has roundings inside (``tolerance.INSIDE``).
"""
BENT_INSIDE = f"rnn_relu rnn_relu_cell {MARGINS}"
"""Formulas of which that is true; it is of chains of ops."""
DRAWS = 16
"""All of them put two equal elements in the same order once in 2**15 times."""


def nearness(steps: Sequence[Step], stored: float) -> float:
    """By what part inputs are moved to see a kink, in an op whose results have the unit roundoff ``stored``."""
    inside = len(steps) > 1 or is_one_of(steps[0].call.formula, BENT_INSIDE)
    return ROUNDED * stored if inside else NEAR


def valid_at_kinks(
    steps: Sequence[Step], tensors: Tensors, seeds: Tensors, value: int, seen: Array, allowed: Array, near: float = NEAR
) -> NDArray[np.bool_]:
    """Which elements of a recorded gradient lie between those that the formula gives for inputs very close to the recorded ones
    (off by the part ``near``), where these differ from each other by more than rounding: bool, in the shape of ``seen``.
    """
    lowest, highest = np.full(seen.shape, np.inf), np.full(seen.shape, -np.inf)
    for number in range(DRAWS):
        found, outs = run(steps, _near(tensors, np.random.default_rng(number), near))
        made = np.asarray(run_back(steps, found, outs, seeds).get(value, np.nan))
        lowest, highest = np.fmin(lowest, made), np.fmax(highest, made)
    between = (seen >= lowest - allowed) & (seen <= highest + allowed)
    return np.asarray(between & (highest - lowest > (2 if near == NEAR else 1) * allowed))


def _near(tensors: Tensors, random: np.random.Generator, part: float) -> Tensors:
    near = dict(tensors)
    for value, x in tensors.items():
        if np.asarray(x).dtype.kind == "f":
            size = np.abs(x)
            least = size[size > 0].min(initial=1.0)
            size = np.where(np.isfinite(size), np.where(size > 0, size, least), 0.0)
            near[value] = x + part * random.uniform(-1, 1, np.shape(x)) * size
    return near
