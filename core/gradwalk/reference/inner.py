"""What is rounded on the way to a result and is larger than the result itself, for the formulas where that is so.

Each gives, for one call, sizes that times a unit roundoff bound what roundings inside add. Moving the inputs does not show them,
because what is rounded there cancels: ``1 - p`` of a chance near 1, ``x - mean`` of a norm of two elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .attention import Seen, chances_off, exponent, gathered, scores_off, seen
from .elementwise import tanh_slope
from .heads import Sizes, sizes, sizes_back
from .kinds import CHANCES, SLOPES, is_one_of
from .likelihoods import over_target_size, triplet_size, triplet_size_back
from .linalg import transposed
from .norm import standard_axes
from .program import Step
from .registry import Array, unbroadcast

NORMS = "layer_norm batch_norm group_norm instance_norm"
ATTENTION = "scaled_dot_product_attention"
SOFTMAX = "softmax softmin"
HEADS = "multi_head_attention_forward"
COSINE = "cosine_embedding_loss"
TRIPLET = "triplet_margin_loss"
HAS_INNER = f"{SLOPES} {CHANCES} {SOFTMAX} {NORMS} {ATTENTION} {HEADS} {COSINE} {TRIPLET} logit"
SATURATED = 20.0
"""From here on tanh is 1 in float64, and sigmoid in float32: what is left of 1 is 0, not a rounded rest."""


def inner(step: Step, inputs: Sequence[Any], out: Any, place: int = 0) -> Any:
    """Of the ``place``-th output; ``out`` is what the formula gives, all of it."""
    formula = step.call.formula
    if is_one_of(formula, SLOPES):
        return np.abs(inputs[0])
    if is_one_of(formula, CHANCES):
        return float(np.size(inputs[1])) if step.call.named.get("reduction") == "sum" else 1.0
    if is_one_of(formula, SOFTMAX):
        return _softmax(out)
    if is_one_of(formula, NORMS):
        return _norm(step, inputs, None, "Z")
    if is_one_of(formula, ATTENTION):
        sees: Seen = step.call.run(seen, inputs)
        return (chances_off(sees.scores, sees.p) * sees.noise) @ np.abs(sees.v)
    if is_one_of(formula, HEADS):
        return _heads(step, inputs, place)
    if is_one_of(formula, COSINE):  # cos, and its difference to 1 or the margin
        return 2.0 * (np.size(inputs[2]) if step.call.named.get("reduction") == "sum" else 1)
    if is_one_of(formula, TRIPLET):
        return step.call.run(triplet_size, inputs)
    return 1.0 if is_one_of(formula, "logit") else 0.0  # the logarithm of a quotient near 1


def inner_back(step: Step, inputs: Sequence[Any], number: int, g: Any, out: Any) -> Any:
    """Of the gradient of the ``number``-th input, where ``g`` came in at the output ``out``; tuples of several."""
    formula, symbol = step.call.formula, step.call.symbol(number)
    if is_one_of(formula, SLOPES):
        return np.abs(g) * _steepness(step, inputs[0])
    if is_one_of(formula, "logsumexp"):
        return _logsumexp_back(step, inputs, g, out)
    if is_one_of(formula, CHANCES):
        return _chances_back(step, inputs, number, g, out)
    if is_one_of(formula, SOFTMAX):
        return _softmax_back(out, g, step.call.named.get("dim", -1))
    if is_one_of(formula, NORMS):
        return _norm(step, inputs, g, symbol)
    if is_one_of(formula, ATTENTION):
        return _attention_back(step, inputs, number, g)
    if is_one_of(formula, HEADS):
        return _heads_back(step, inputs, number, g)
    if is_one_of(formula, COSINE) and symbol in "XY":
        return _cosine_back(inputs, number, g, step.call.named.get("reduction", "mean"))
    if is_one_of(formula, TRIPLET):
        return step.call.run(triplet_size_back, inputs, g)["XYn".index(symbol)]
    return 0.0


def _steepness(step: Step, x: Array) -> Any:
    """What ``1 - sigmoid`` is multiplied with, which is rounded as 1 is; ``1 - tanh ** 2`` three times as much, since tanh counts
    twice in its square. 1 for the other functions.
    """
    size = np.minimum(np.abs(x), SATURATED)
    if is_one_of(step.call.formula, "silu"):
        return 1 + size
    if is_one_of(step.call.formula, "mish"):
        return 1 + 3 * size
    if is_one_of(step.call.formula, "gelu") and step.call.named.get("approximate") == "tanh":
        return 1 + 3 * size * tanh_slope(size) / 2
    return 1.0


def _softmax(p: Array) -> Any:
    """An exponential, the sum of them, and what its exponent is rounded by."""
    return p * (2 + exponent(p))


def _softmax_back(p: Array, g: Array, dim: int) -> Any:
    """``P * (g - sum(g * P))`` for a P that is rounded as the forward rounds it."""
    off = _softmax(p)
    made = off * np.abs(g - (g * p).sum(axis=dim, keepdims=True))
    return made + p * (np.abs(g) * off).sum(axis=dim, keepdims=True)


def _logsumexp_back(step: Step, inputs: Sequence[Any], g: Array, out: Any) -> Any:
    """``exp(X - z)``: the exponent is off by what X, z and their difference are rounded by, and z was kept rounded."""
    call, x = step.call, np.asarray(inputs[0])
    p, made = (np.abs(call.run(call.formula.vjps["X"], inputs, one, out)) for one in (np.ones(np.shape(g)), g))
    difference = np.log(np.where(p > 0, p, 1.0))
    return made * (np.abs(x) + np.abs(difference) + np.abs(x - difference))


def _cosine_back(inputs: Sequence[Any], number: int, g: Array, reduction: str) -> Any:
    """``Y / norm(Y) - cos * X / norm(X)`` cancels where X and Y point the same way; cos is off by a rounding of 1."""
    unit = [np.abs(x) / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-12) for x in inputs[:2]]
    rows = np.abs(g) / (max(np.size(inputs[2]), 1) if reduction == "mean" else 1)
    length = np.linalg.norm(inputs[number], axis=-1, keepdims=True) + 1e-12
    return (rows[..., None] if np.ndim(rows) else rows) * (unit[0] + unit[1] + unit[number]) / length


def _chances_back(step: Step, inputs: Sequence[Any], number: int, g: Array, out: Any) -> Any:
    """``p - 1`` of a chance near 1 is rounded as 1 is: what the gradient is where all chances are equal."""
    if step.call.symbol(number) == "t" and is_one_of(step.call.formula, "binary_cross_entropy_with_logits"):
        return step.call.run(over_target_size, inputs, g)
    if step.call.symbol(number) != "X":
        return 0.0
    if is_one_of(step.call.formula, "log_softmax"):
        p = np.exp(out)  # of a logarithm that is off by 1 and by its own rounding
        return (1 + p * (1 + exponent(p))) * np.abs(g).sum(axis=step.call.named.get("dim", -1), keepdims=True)
    flat = [np.zeros(np.shape(x)) if place == number else x for place, x in enumerate(inputs)]
    call = step.call
    made = call.run(call.formula.vjps["X"], flat, g, call.run(call.formula.compute, flat))
    return 2 * float(np.abs(made).max(initial=0.0))


def _norm(step: Step, inputs: Sequence[Any], g: Array | None, symbol: str) -> Any:
    """``Y = (abs(X) + abs(mean)) / std`` is what ``X - mean`` is rounded by before it is divided."""
    if not np.size(inputs[0]):
        return 0.0
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


def _attention_back(step: Step, inputs: Sequence[Any], number: int, g: Array) -> Any:
    """``dP - sum(dP * P)`` cancels where a query sees one key; dP itself is a sum of products."""
    named, symbol = {step.call.symbol(place): x for place, x in enumerate(inputs)}, step.call.symbol(number)
    shape = np.shape(inputs[number])
    sees: Seen = step.call.run(seen, inputs)
    if symbol == "V":
        return gathered(transposed(chances_off(sees.scores, sees.p) * sees.noise) @ np.abs(g), sees.times, shape)
    size = np.abs(g) @ transposed(np.abs(sees.v)) * sees.noise
    spread = scores_off(sees.scores, sees.p, sees.noise, g @ transposed(sees.v) * sees.noise, size)
    if symbol == "Q":
        return unbroadcast(np.asarray(spread @ np.abs(sees.k)) * abs(sees.scale), shape)
    if symbol == "K":
        return gathered(np.asarray(transposed(spread) @ np.abs(named["Q"])) * abs(sees.scale), sees.times, shape)
    return unbroadcast(spread, shape)


def _heads(step: Step, inputs: Sequence[Any], place: int) -> Any:
    """As in an attention: of the output, and of the weights where they are given."""
    named = {step.call.symbol(number): x for number, x in enumerate(inputs)}
    made: Sizes = step.call.run(sizes, inputs)
    batched = np.ndim(named["Q"]) == 3
    if place == 0:
        z = made.joined @ np.abs(named["U"]).T
        return z if batched else z[:, 0]
    shown = made.p.mean(axis=1) if step.call.named.get("average_attn_weights", True) else made.p
    return shown if batched else shown[0]


def _heads_back(step: Step, inputs: Sequence[Any], number: int, g: Any) -> Any:
    """As in an attention, through the projections of queries, keys and values."""
    named, symbol = {step.call.symbol(place): x for place, x in enumerate(inputs)}, step.call.symbol(number)
    made: Sizes = step.call.run(sizes_back, inputs, g)
    if symbol in "QKV":
        place = "QKV".index(symbol)
        return (made.parts[place] @ np.abs(np.split(named["W"], 3)[place])).reshape(np.shape(inputs[number]))
    if symbol == "U":
        rows = np.abs(g[0] if isinstance(g, tuple) else g)
        return rows.reshape(-1, rows.shape[-1]).T @ made.joined.reshape(-1, made.joined.shape[-1])
    if symbol == "W":
        pairs = zip(made.parts, map(np.abs, made.run.rows), strict=True)
        return np.concatenate([part.reshape(-1, part.shape[-1]).T @ x.reshape(-1, x.shape[-1]) for part, x in pairs])
    return np.concatenate([part.sum(axis=(0, 1)) for part in made.parts]) if symbol == "b" else 0.0
