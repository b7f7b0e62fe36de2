"""What hangs on a NaN: there is no right number for it, and torch's own kernels differ in whether it is NaN or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kinds import is_one_of
from .program import REFUSED, Step, Tensors, run
from .registry import Array

FILLS = (0.37, -1e6, 1e6, -0.61)
"""An element that is the same with each of these in the place of the NaN does not hang on it."""
BY_QUOTIENT = "prod cumprod soft_margin_loss interpolate pow softsign l1_loss scaled_dot_product_attention"
"""Formulas of which the same is true of an infinite input: torch multiplies it by 0, or divides it by itself, or does not."""
NEAR = 2.0**-6
"""How near an element has to be to what the formula gives with a number in the place of the NaN: a few roundings of bfloat16."""


@dataclass(frozen=True, eq=False)
class NotANumber:
    """A call of formulas, of which ``made_of`` gives what is looked at: from all that they made, and the gradients that came in.

    ``own`` is the input whose gradient that is, if it is one.
    """

    steps: Sequence[Step]
    tensors: Tensors
    seeds: Tensors
    made_of: Callable[[Tensors, list[Any], Tensors], Any]
    own: Any = None

    def excused(self, seen: Array, expected: Any) -> NDArray[np.bool_]:
        """Which elements hang on a NaN among the inputs (also the gradient of the NaN itself); and those that do not although the
        formula gives NaN (0 times NaN), and are what it gives with a number in its place.
        """
        no = np.zeros(np.shape(seen), bool)
        if not any(self._unsure(x).any() for x in (*self.tensors.values(), *self.seeds.values())):
            return no
        try:
            results = [self._made(fill) for fill in FILLS]
        except REFUSED:
            return no
        if results[0].shape != seen.shape:
            return no
        hang = np.any([result != results[0] for result in results], axis=0) | np.isnan(results[0])
        same = np.isnan(expected) & (np.abs(seen - results[0]) <= NEAR * np.abs(results[0]))
        mine = self._unsure(self.own) if self.own is not None and np.shape(self.own) == seen.shape else no
        return np.asarray(hang | same | mine)

    def _made(self, fill: float) -> Array:
        filled, given = ({of: self._filled(x, fill) for of, x in made.items()} for made in (self.tensors, self.seeds))
        return np.asarray(self.made_of(*run(self.steps, filled), given), np.float64)

    def _unsure(self, x: Any) -> Any:
        if np.asarray(x).dtype.kind != "f":
            return np.zeros(np.shape(x), bool)
        by_quotient = len(self.steps) == 1 and is_one_of(self.steps[0].call.formula, BY_QUOTIENT)
        return ~np.isfinite(x) if by_quotient else np.isnan(x)

    def _filled(self, x: Any, fill: float) -> Any:
        return np.where(self._unsure(x), fill, x) if np.asarray(x).dtype.kind == "f" else x
