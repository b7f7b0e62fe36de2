"""A formula bound to one call of its op: the tensors and numbers that stand for its symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arguments import value_of
from .calling import Call, ways
from .registry import Array, Formula

__all__ = ["Bound", "bind", "value_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """``inputs`` are float64 arrays (or numbers) in the order of ``formula.inputs``, ``g`` is dL/d output, ``out`` the output.

    Of an op with several outputs ``out`` and ``g`` belong to the first, and ``more`` are the others.
    """

    formula: Formula
    inputs: tuple[Any, ...]
    arguments: Mapping[str, Any]
    g: Array
    out: Array
    more: tuple[Array, ...] = ()

    def gradient(self, symbol: str, g: Array) -> Array:
        """dL/d input for a dL/d output ``g``; linear in ``g``. Of an op of any number of inputs that of the first."""
        seed, out = (g, self.out) if not self.more else ((g, *map(np.zeros_like, self.more)), (self.out, *self.more))
        made = self.formula.vjps[symbol](seed, out, *self.inputs, **self.arguments)
        return np.asarray(made[0] if isinstance(made, list) else made, dtype=np.float64)

    def operand(self, symbol: str) -> Any:
        """The array or number of an input's symbol."""
        return self.inputs[self.formula.inputs.index(symbol)]


def bind(formula: Formula, arguments: Sequence[tuple[str, str]], tensors: Sequence[Array], g: Array, out: Array) -> Bound:
    """Bind a formula to an op's tensors and recorded arguments. Raises ValueError where the record does not tell all of them.

    Of several ways to call the formula it is the one that gives ``out``, or comes closest to it.
    """
    found = list(ways(formula, arguments, len(tensors)))
    tried = [(call, _made(call, tensors)) for call in found]
    fitting = [(call, made) for call, made in tried if made and _alike(made[0], out)]
    call, made = min(fitting, key=lambda way: largest_difference(way[1][0], out)) if len(fitting) > 1 else (fitting or tried)[0]
    inputs, named = call.filled(tensors)
    return Bound(formula, tuple(inputs), named, g, out, made[1:])


def _made(call: Call, tensors: Sequence[Array]) -> tuple[Any, ...]:
    """The outputs of one way to call a formula; none where it does not take these tensors."""
    try:
        with np.errstate(all="ignore"):
            made = call.run(call.formula.compute, tensors)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
        return ()
    return tuple(made) if isinstance(made, tuple) else (made,)


def _alike(made: Any, out: Any) -> bool:
    return np.shape(made) == np.shape(out) and bool(np.allclose(made, out, rtol=0.05, atol=1e-6, equal_nan=True))


def largest_difference(made: Any, out: Any) -> float:
    """Of what is finite in both."""
    with np.errstate(all="ignore"):
        difference = np.abs(np.asarray(made, np.float64) - np.asarray(out, np.float64))
    return float(np.max(difference, where=np.isfinite(difference), initial=0.0))
