"""Rounding: how far a dtype rounds, and how far sums of so many terms may be off. ``docs/the-check.md`` derives it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..tape import index
from ..trace import Graph, Op
from .registry import Array

UNIT = {
    "float64": 2.0**-53,
    "float32": 2.0**-24,
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
    "float8_e4m3fn": 2.0**-4,
    "float8_e5m2": 2.0**-3,
}
"""The unit roundoff of a dtype: half the distance from 1 to the next number."""
NORMAL = {"float64": 2.0**-1022, "float16": 2.0**-14, "float8_e4m3fn": 2.0**-6, "float8_e5m2": 2.0**-14}
"""The smallest normal number; 2**-126 for all others. Below it rounding is off by that much times the unit roundoff."""
LEAST = 2.0**-126
LARGEST = {2.0**-53: sys.float_info.max, 2.0**-11: 65504.0, 2.0**-8: (2 - 2.0**-7) * 2.0**127, 2.0**-4: 448.0, 2.0**-3: 57344.0}
"""By unit roundoff the largest number of a dtype, of those that are not float32."""
CELLS = ("lstm_cell", "gru_cell", "lstm", "gru")
"""Ops of several others, which give float32 under autocast although they compute in fewer bits, as their Nodes tell."""
UNTOLD = ("bilinear",)
"""The same, whose Nodes do not tell it."""
CAST_DOWN = ("linear", "conv1d", "conv2d", "conv3d", "matmul", "mm", "bmm", "addmm", "rnn_tanh", "rnn_relu", "lstm")
"""Ops that show it when there is an autocast."""
TF32 = 2.0**-11
"""The unit roundoff to which a GPU may round the factors of float32 products."""
LAMBDA = 8.0
"""In ``LAMBDA * sqrt(n) * u``: larger, and a sum may be off by more less often than once in 1e13."""
FUNCTION = 8.0
"""Unit roundoffs by which a result may be off in any case: 4 units in the last place, the largest error that is documented for an
elementary function in float32 by a library that torch calls.
"""


def growth(length: float, unit: float) -> float:
    """By what part of the sum of its terms' absolute values a sum of ``length`` terms may be off.

    ``(n - 1) u`` at most (Higham, Accuracy and Stability of Numerical Algorithms, 2002, 4.2), and ``LAMBDA sqrt(n) u`` with all
    but certainty (Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis, 2019, theorem 2.4).
    """
    return min(max(length - 1, 0.0), LAMBDA * math.sqrt(max(length, 0.0))) * unit


@dataclass(frozen=True, slots=True)
class Precision:
    """In what precision an op works. ``stored`` is the unit roundoff of its coarsest output, ``summed`` that of its sums."""

    stored: float
    summed: float
    cast: bool
    """Whether inputs are finer than the output, and so may be rounded first: what autocast does."""
    away: bool
    """Whether it runs on another device than the CPU."""

    @property
    def products(self) -> float:
        """What the factors of products are rounded to before they are multiplied, together."""
        if self.away and self.stored <= UNIT["float32"]:
            return 2 * TF32 if self.stored == UNIT["float32"] else 0.0
        return (2 * self.stored if self.cast else 0.0) + (self.stored if self.away else 0.0)


def precision_of(graph: Graph, op: Op) -> Precision:
    """The precision of an op as its inputs and outputs tell it, and what it kept of its results in between.

    That of an op without floating-point numbers is float64's.
    """
    inputs = [UNIT[v.dtype] for v in map(graph.values.__getitem__, op.inputs) if v.dtype in UNIT]
    outputs = [UNIT[v.dtype] for v in map(graph.values.__getitem__, op.outputs) if v.dtype in UNIT]
    stored = max((*(outputs or inputs), *(_inside(graph, op) if outputs else ())), default=UNIT["float64"])
    away = any(graph.values[value].device.partition(":")[0] not in ("cpu", "") for value in op.outputs)
    return Precision(stored, min(stored, UNIT["float32"]), any(unit < stored for unit in inputs), away)


def _inside(graph: Graph, op: Op) -> Iterator[float]:
    """The unit roundoffs of what the op's Nodes kept that it neither read nor gave: autocast computes the gates of a recurrent
    cell in fewer bits than the states that come out. Where no Node tells it is taken to be as in the other ops of the step.
    """
    known, nodes = (*op.inputs, *op.outputs), index(graph).nodes_of_op[op.id]
    for node in nodes:
        yield from (UNIT[one.dtype] for one in graph.nodes[node].saved if one.value not in known and one.dtype in UNIT)
    if op.name in UNTOLD or (not nodes and op.name in CELLS):
        yield from (UNIT[dtype] for one in graph.ops if one.name in CAST_DOWN for dtype in _cast_down(graph, one))


def _cast_down(graph: Graph, op: Op) -> Iterator[str]:
    """The dtypes of what an op gives of float32 alone, if these have fewer bits: what autocast does."""
    if all(graph.values[value].dtype == "float32" for value in op.inputs):
        yield from (dtype for dtype in (graph.values[value].dtype for value in op.outputs) if dtype in ("bfloat16", "float16"))


def unit_of(dtype: str) -> float:
    """The unit roundoff of a dtype, float64's for whole numbers and truth values."""
    return UNIT.get(dtype, UNIT["float64"])


def largest_of(unit: float) -> float:
    """The largest number of the dtype with a unit roundoff."""
    return LARGEST.get(unit, (2 - 2.0**-23) * 2.0**127)


def coarsest(dtypes: Iterable[str]) -> str:
    """Of some dtypes the one that rounds most."""
    return max((dtype for dtype in dtypes if dtype in UNIT), key=UNIT.__getitem__, default="float64")


def amplitude(x: Array, least: float) -> Array:
    """``max(abs(x), least)``, and 0 where ``x`` is. For the smallest normal number, and times the unit roundoff, it is how far
    ``x`` is rounded.
    """
    size = np.asarray(np.abs(x))
    tiny = (size < least) & (size > 0)
    return np.asarray(np.where(tiny, size.dtype.type(least), size)) if tiny.any() else size
