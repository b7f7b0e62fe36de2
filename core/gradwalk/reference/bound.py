"""A formula bound to one call of its op: the tensors and numbers that stand for its symbols."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .registry import Array, Formula

SECOND, FIRST = ("other", "x2"), ("x1",)
"""Names under which a number is recorded that stands in the place of a tensor: in ``x * 2`` the 2."""
IDLE = ("dtype", "inplace", "out", "device", "memory_format")
"""Arguments that change no number here."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """``inputs`` are float64 arrays (or numbers) in the order of ``formula.inputs``, ``g`` is dL/d output, ``out`` the output."""

    formula: Formula
    inputs: tuple[Any, ...]
    arguments: Mapping[str, Any]
    g: Array
    out: Array

    def gradient(self, symbol: str, g: Array) -> Array:
        """dL/d input for a dL/d output ``g``; linear in ``g``."""
        return np.asarray(self.formula.vjps[symbol](g, self.out, *self.inputs, **self.arguments), dtype=np.float64)

    def operand(self, symbol: str) -> Any:
        """The array or number of an input's symbol."""
        return self.inputs[self.formula.inputs.index(symbol)]


def bind(formula: Formula, arguments: Sequence[tuple[str, str]], tensors: Sequence[Array], g: Array, out: Array) -> Bound:
    """Bind a formula to an op's tensors and recorded arguments. Raises ValueError where the record does not tell all of them."""
    inputs, named = list[Any](tensors), dict[str, Any]()
    for name, text in arguments:
        if name in FIRST:
            inputs.insert(0, value_of(text))
        elif name in SECOND and len(inputs) < len(formula.inputs):
            inputs.append(value_of(text))
        elif name not in IDLE:
            named[name] = value_of(text)
    return Bound(formula, tuple(inputs), named, g, out)


def value_of(text: str) -> Any:
    """The value of a recorded argument; a word such as ``mean`` is itself. Raises ValueError where part of it was left out."""
    if "…" in text or "tensor" in text:
        raise ValueError(f"not all of the argument {text} is recorded")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {"inf": np.inf, "-inf": -np.inf, "nan": np.nan}.get(text, text)
