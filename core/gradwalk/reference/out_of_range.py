"""What leaves a dtype's range on its way: a square that is Inf in float16, its reciprocal that is 0.

An element that does not agree is looked at again: the formula is called in NumPy's dtype of the same range, with what was
recorded. What is Inf or NaN there, or 0, and was recorded so, is what the mathematics gives in that dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kinds import is_one_of
from .program import REFUSED, Step, Tensors, outputs_of, run, run_back
from .registry import Array
from .rounding import UNIT, largest_of

HALVED = "cosh sinh"
"""Half of an exponential, which leaves the range before they do (SLEEF bounds their error up to 88.5)."""


@dataclass(frozen=True, eq=False)
class OutOfRange:
    """``stored`` is the unit roundoff to which an op rounds; ``recorded`` its outputs, by Value, as far as they are known."""

    steps: Sequence[Step]
    tensors: Tensors
    seeds: Tensors
    recorded: Mapping[int, Any]
    stored: float

    def output(self, computed: int, seen: Array, expected: Any, allowed: Any) -> NDArray[np.bool_]:
        """Which elements of an output are out of range, or 0, on their way: bool, in the shape of ``seen``."""
        return self._are(seen, expected, allowed, lambda found, outs: found[computed])

    def gradient(self, value: int, seen: Array, expected: Any, allowed: Any) -> NDArray[np.bool_]:
        """The same of the gradient of an input."""
        seeds = self._narrow(self.seeds)
        return self._are(seen, expected, allowed, lambda found, outs: run_back(self.steps, found, outs, seeds)[value])

    def _are(self, seen: Array, expected: Any, allowed: Any, made_of: Callable[[Tensors, list[Any]], Any]) -> NDArray[np.bool_]:
        expected = np.asarray(expected, np.float64)
        halved = len(self.steps) == 1 and is_one_of(self.steps[0].call.formula, HALVED)
        largest = largest_of(self.stored) / (2 if halved else 1)
        past = np.isinf(seen) & (np.sign(seen) == np.sign(expected)) & (np.abs(expected) + allowed > largest)
        if self.stored <= UNIT["float64"]:
            return np.asarray(past)
        try:
            made = np.asarray(made_of(*self._again()), np.float64)
        except REFUSED:
            return np.asarray(past)
        if made.shape != seen.shape:
            return np.asarray(past)
        lost = ~np.isfinite(seen) & ~np.isfinite(made)
        return np.asarray(past | lost | ((seen == 0) & (made == 0)))

    def _again(self) -> tuple[Tensors, list[Any]]:
        """What the steps give in the narrow dtype; of a single one the outputs as they were recorded, which a VJP is given."""
        found, outs = run(self.steps, self._narrow(self.tensors))
        if len(self.steps) > 1:
            return found, outs
        known = self._narrow(self.recorded)
        parts = zip(self.steps[0].op.outputs, outputs_of(outs[0]), strict=False)
        kept = [known.get(value, part) for value, part in parts]
        return found, [type(outs[0])(kept) if isinstance(outs[0], tuple | list) else kept[0]]

    def _narrow(self, tensors: Mapping[int, Any]) -> Tensors:
        dtype = np.float16 if self.stored == UNIT["float16"] else np.float32
        return {value: x.astype(dtype) if np.asarray(x).dtype.kind == "f" else x for value, x in tensors.items()}
