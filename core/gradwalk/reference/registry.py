"""The registry: per op one forward formula and one vector-Jacobian product (VJP) per input, float64 NumPy, written by hand.

A forward function takes the op's tensor inputs and then its arguments by name. A VJP takes ``g`` (dL/d output), the output, the
inputs, and the same arguments; it returns dL/d input with the input's shape. An op with several outputs (``split``) gives a tuple
and its VJP takes one; an op of any number of inputs (``cat``) has one symbol for all, and its VJP gives a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Function: TypeAlias = Callable[..., Any]
Places: TypeAlias = Callable[[int, Mapping[str, Any]], tuple[int, ...]]

THEMES = (
    *("elementwise", "curves", "activations", "pairs", "facts", "made", "linalg", "algebra", "reduce", "running", "order"),
    *("shape", "pieces", "indexing", "moves", "nn", "norm", "lengths", "conv", "pool", "resize", "attention", "heads"),
    *("recurrent", "loss", "distances", "likelihoods"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """One op's mathematics. ``forward`` and ``gradients`` are the text on screen; ``compute`` and ``vjps`` the same as functions.

    ``gradients`` holds ``(symbol of the input, text)`` and ``vjps`` the function of each such symbol. ``source`` says where the
    mathematics stands. ``places`` says, for an op of any number of tensors and its arguments, the place in ``inputs`` of each.
    """

    op: str
    inputs: tuple[str, ...]
    output: str
    forward: str
    gradients: tuple[tuple[str, str], ...]
    source: str
    compute: Function
    vjps: Mapping[str, Function] = field(default_factory=dict)
    places: Places | None = None


_FORMULAS: dict[str, Formula] = {}


def register(
    names: str, forward: str, compute: Function, gradients: Mapping[str, tuple[str, Function]], *, inputs: str, source: str,
    places: Places | None = None,
) -> None:  # fmt: skip
    """Register one formula under each of ``names`` (torch's first, then NumPy's and the in-place forms)."""
    output = forward.split(" = ", 1)[0]
    texts = tuple((symbol, text) for symbol, (text, _) in gradients.items())
    vjps = {symbol: function for symbol, (_, function) in gradients.items()}
    for name in names.split():
        if name in _FORMULAS:
            raise ValueError(f"two formulas are registered for {name}")
        _FORMULAS[name] = Formula(name, tuple(inputs.split()), output, forward, texts, source, compute, vjps, places)


def formula_of(op: str) -> Formula | None:
    """The formula of an op by its torch or NumPy name, or None; an in-place ``sub_`` has that of ``sub``."""
    known = formulas()
    return known.get(op) or known.get(op.removesuffix("_"))


@cache
def formulas() -> Mapping[str, Formula]:
    """Every formula by its name."""
    for theme in THEMES:
        import_module(f"{__package__}.{theme}")
    return MappingProxyType(_FORMULAS)


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which its input was broadcast, so that it has the input's ``shape``."""
    extra = gradient.ndim - len(shape)
    summed = gradient.sum(axis=tuple(range(extra)))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1 and summed.shape[axis] != 1)
    result: Array = summed.sum(axis=stretched, keepdims=True)
    return result.reshape(shape)
