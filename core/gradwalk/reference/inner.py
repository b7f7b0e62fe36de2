"""What is rounded on the way to a result and is larger than the result itself, for the formulas where that is so.

Each gives, for one call, sizes that times a unit roundoff bound what roundings inside add. Moving the inputs does not show them,
because what is rounded there cancels: ``1 - p`` of a chance near 1, ``x - mean`` of a norm of two elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .attention import scores_and_chances
from .kinds import CHANCES, SLOPES, is_one_of
from .linalg import transposed
from .norm import standard_axes
from .program import Step
from .registry import Array, unbroadcast

NORMS = "layer_norm batch_norm group_norm instance_norm"
ATTENTION = "scaled_dot_product_attention"
HAS_INNER = f"{SLOPES} {CHANCES} {NORMS} {ATTENTION}"


def inner(step: Step, inputs: Sequence[Any]) -> Any:
    """Of the output."""
    formula = step.call.formula
    if is_one_of(formula, SLOPES):
        return np.abs(inputs[0])
    if is_one_of(formula, CHANCES):
        return float(np.size(inputs[1])) if step.call.named.get("reduction") == "sum" else 1.0
    if is_one_of(formula, NORMS):
        return _norm(step, inputs, None, "Z")
    return 0.0


def inner_back(step: Step, inputs: Sequence[Any], number: int, g: Array) -> Any:
    """Of the gradient of the ``number``-th input, where ``g`` came in."""
    formula, symbol = step.call.formula, step.call.symbol(number)
    if is_one_of(formula, SLOPES):
        return np.abs(g)
    if is_one_of(formula, CHANCES):
        return _chances_back(step, inputs, number, g)
    if is_one_of(formula, NORMS):
        return _norm(step, inputs, g, symbol)
    if is_one_of(formula, ATTENTION) and symbol in "QK":
        return _attention_back(step, inputs, symbol, g)
    return 0.0


def _chances_back(step: Step, inputs: Sequence[Any], number: int, g: Array) -> Any:
    """``p - 1`` of a chance near 1 is rounded as 1 is: what the gradient is where all chances are equal."""
    if step.call.symbol(number) != "X":
        return 0.0
    if is_one_of(step.call.formula, "log_softmax"):
        return np.abs(g).sum(axis=step.call.named.get("dim", -1), keepdims=True)
    flat = [np.zeros(np.shape(x)) if place == number else x for place, x in enumerate(inputs)]
    call = step.call
    made = call.run(call.formula.vjps["X"], flat, g, call.run(call.formula.compute, flat))
    return 2 * float(np.abs(made).max(initial=0.0))


def _norm(step: Step, inputs: Sequence[Any], g: Array | None, symbol: str) -> Any:
    """``Y = (abs(X) + abs(mean)) / std`` is what ``X - mean`` is rounded by before it is divided."""
    if symbol == "b" and g is not None:
        (shift,) = (x for number, x in enumerate(inputs) if step.call.symbol(number) == "b")
        channels = np.shape(shift) if step.call.formula.op == "layer_norm" else (-1, *[1] * (np.ndim(inputs[0]) - 2))
        return unbroadcast(np.abs(g), np.reshape(shift, channels).shape).reshape(np.shape(shift))
    by_symbol = {step.call.symbol(number): x for number, x in enumerate(inputs)}
    x, w = np.asarray(by_symbol["X"]), by_symbol.get("w")
    shape, axes, factor = standard_axes(step.call.formula.op, x, w, step.call.named)
    x3 = x.reshape(shape)
    mean = x3.mean(axis=axes, keepdims=True)
    rstd = 1 / np.sqrt(x3.var(axis=axes, keepdims=True) + step.call.named.get("eps", 1e-5))
    y, size = (x3 - mean) * rstd, (np.abs(x3) + np.abs(mean)) * rstd

    def over(part: Array) -> Array:
        return np.asarray(part.mean(axis=axes, keepdims=True))

    size = size + np.abs(y) * over(np.abs(y) * size)  # what that does to the deviation
    if g is None:
        return np.abs(factor) * size.reshape(x.shape)
    if symbol == "X":
        part = np.abs(g * factor).reshape(shape)
        return (rstd * (part + over(part) + size * over(part * np.abs(y)) + np.abs(y) * over(part * size))).reshape(x.shape)
    if symbol == "w" and w is not None:
        kept = np.shape(factor) if np.ndim(factor) == x.ndim else (*[1] * (x.ndim - np.ndim(factor)), *np.shape(factor))
        return unbroadcast(np.abs(g) * size.reshape(x.shape), kept).reshape(np.shape(w))
    return 0.0


def _attention_back(step: Step, inputs: Sequence[Any], symbol: str, g: Array) -> Any:
    """``dP - sum(dP * P)`` cancels where a query sees one key; dP itself is a sum of products."""
    named = {step.call.symbol(number): x for number, x in enumerate(inputs)}
    q, k, v = (np.asarray(named[one]) for one in "QKV")
    p, scale = step.call.run(scores_and_chances, inputs)
    size = np.abs(g) @ transposed(np.abs(v))
    spread = p * (size + (size * p).sum(axis=-1, keepdims=True)) * abs(scale)
    made = spread @ np.abs(k) if symbol == "Q" else transposed(spread) @ np.abs(q)
    return unbroadcast(np.asarray(made), np.shape(q if symbol == "Q" else k))
