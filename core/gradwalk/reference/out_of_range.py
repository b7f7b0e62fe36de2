"""What leaves a dtype's range on its way: a square that is Inf in float16, its reciprocal that is 0.

An element that does not agree is looked at again: the formula is called in NumPy's dtype of the same range, with what was
recorded. Where that does not agree either, what is recorded as Inf, NaN or 0 may be so; in float32 also what is as far off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kinds import is_one_of, kind_of
from .program import REFUSED, Step, Tensors, outputs_of, run, run_back
from .registry import Array
from .rounding import UNIT, largest_of

Size = Callable[[Any], Any]
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
        """Which elements of an output left the range on their way, and are recorded so: bool, in the shape of ``seen``."""
        return self._are(seen, expected, allowed, lambda tensors, size: self._again(tensors, size)[0][computed])

    def gradient(self, value: int, seen: Array, expected: Any, allowed: Any) -> NDArray[np.bool_]:
        """The same of the gradient of an input."""

        def made(tensors: Tensors, size: Size) -> Any:
            seeds = {of: size(g) for of, g in self._narrow(self.seeds).items()}
            return run_back(self.steps, *self._again(tensors, size), seeds)[value]

        return self._are(seen, expected, allowed, made)

    def _are(self, seen: Array, expected: Any, allowed: Any, made_of: Callable[[Tensors, Size], Any]) -> NDArray[np.bool_]:
        expected = np.asarray(expected, np.float64)
        halved = len(self.steps) == 1 and is_one_of(self.steps[0].call.formula, HALVED)
        largest = largest_of(self.stored) / (2 if halved else 1)
        past = np.isinf(seen) & (np.sign(seen) == np.sign(expected)) & (np.abs(expected) + allowed > largest)
        if self.stored <= UNIT["float64"]:
            return np.asarray(past)
        made, left = self._made(made_of, np.asarray)
        wrong = ~(np.abs(made - expected) <= allowed)
        empty = ~np.isfinite(seen) | (seen == 0)
        agrees = past | (empty & wrong & ~np.isfinite(made)) | (empty & (wrong | left) & (made == 0))
        if left and self._dtype is np.float32:  # NumPy adds up float16 in float16, where torch does not
            agrees |= wrong & (np.abs(seen - expected) <= allowed + 2 * np.abs(made - expected))
        if not np.isfinite(seen).all() and all(kind_of(step.call.formula) in ("products", "linear") for step in self.steps):
            agrees |= ~np.isfinite(seen) & np.isinf(self._made(made_of, np.abs)[0])  # a partial sum
        return np.asarray(agrees)

    def _made(self, made_of: Callable[[Tensors, Size], Any], size: Size) -> tuple[Array, bool]:
        """What the steps give in the narrow dtype, of the ``size`` of each tensor; and whether anything left its range."""
        left = list[str]()
        with np.errstate(over="call", under="call", call=lambda kind, flag: left.append(kind)):
            try:
                made = np.asarray(made_of({of: size(x) for of, x in self._narrow(self.tensors).items()}, size), np.float64)
            except REFUSED:
                return np.asarray(np.nan), False
        return made, bool(left)

    def _again(self, tensors: Tensors, size: Size) -> tuple[Tensors, list[Any]]:
        """What the steps give; of a single one the outputs as they were recorded, which a VJP is given."""
        found, outs = run(self.steps, tensors)
        if len(self.steps) > 1:
            return found, outs
        known = {of: size(x) for of, x in self._narrow(self.recorded).items()}
        parts = zip(self.steps[0].op.outputs, outputs_of(outs[0]), strict=False)
        kept = [known.get(value, part) for value, part in parts]
        return found, [type(outs[0])(kept) if isinstance(outs[0], tuple | list) else kept[0]]

    @property
    def _dtype(self) -> Any:
        return np.float16 if self.stored == UNIT["float16"] else np.float32

    def _narrow(self, tensors: Mapping[int, Any]) -> Tensors:
        return {value: x.astype(self._dtype) if np.asarray(x).dtype.kind == "f" else x for value, x in tensors.items()}
