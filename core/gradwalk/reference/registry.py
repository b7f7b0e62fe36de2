"""The registry: per op one forward formula and one vector-Jacobian product (VJP) per input, float64 NumPy, written by hand.

A forward function takes the op's tensor inputs and then its arguments by name. A VJP takes ``g`` (dL/d output), the output, the
inputs, and the same arguments; it returns dL/d input with the input's shape. An op with several outputs (``split``) gives a tuple
and its VJP takes one; an op of any number of inputs (``cat``) has one symbol for all, and its VJP gives a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .wording import as_called

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
    ``drawn`` is the symbol of the mask that the op drew, the last of ``inputs``: it is none of the op's tensors. ``dropped`` is
    the formula of the same op where it drops some of what it makes on its way, told with that mask.
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
    drawn: str = ""
    dropped: Formula | None = None


KEPT = "kept"
"""The symbol of a mask that an op with dropout drew: 1 for what it kept."""
_FORMULAS: dict[str, Formula] = {}


def register(
    names: str, forward: str, compute: Function, gradients: Mapping[str, tuple[str, Function]], *, inputs: str, source: str,
    places: Places | None = None, drawn: str = "", dropped: tuple[str, Mapping[str, str]] | None = None,
) -> None:  # fmt: skip
    """Register one formula under each of ``names`` (torch's first, then NumPy's and the in-place forms).

    ``dropped`` are the texts of the same functions where the op drops: of the forward, and of gradients that have another one.
    """
    output = forward.split(" = ", 1)[0]
    texts = tuple((symbol, text) for symbol, (text, _) in gradients.items())
    vjps = {symbol: function for symbol, (_, function) in gradients.items()}
    for name in names.split():
        if name in _FORMULAS:
            raise ValueError(f"two formulas are registered for {name}")
        made = Formula(name, tuple(inputs.split()), output, forward, texts, source, compute, vjps, places, drawn)
        if dropped is not None:
            other = tuple((symbol, dropped[1].get(symbol, text)) for symbol, text in texts)
            with_mask = replace(made, inputs=(*made.inputs, KEPT), drawn=KEPT, forward=dropped[0], gradients=other)
            made = replace(made, dropped=with_mask)
        _FORMULAS[name] = made


def formula_of(op: str, arguments: Sequence[tuple[str, str]] = ()) -> Formula | None:
    """The formula of an op by its torch or NumPy name, or None; an in-place ``sub_`` has that of ``sub``.

    With the ``arguments`` of a call that drops (an attention in training) it is the one that takes what was kept; of a loss its
    text is that of the reduction that the call asks for.
    """
    known = formulas()
    found = known.get(op) or known.get(op.removesuffix("_"))
    if found is None:
        return None
    return found.dropped if found.dropped is not None and _drops(arguments) else as_called(found, arguments)


def _drops(arguments: Sequence[tuple[str, str]]) -> bool:
    """Whether the arguments of a call, as they are recorded, have it drop with some probability."""
    told = dict(arguments)
    chance = told.get("dropout_p", told.get("dropout", "0"))
    trains = told.get("training", "True") != "False" and told.get("train", "True") != "False"
    return chance.strip("0.") != "" and trains and told.get("num_layers") != "1"


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
