"""Scaled dot product attention (without its dropout): ``Z = P @ V``, ``P = softmax(Q @ K.T * scale)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .linalg import transposed
from .nn import softmax
from .registry import Array, register, unbroadcast

VASWANI = "Vaswani et al., Attention Is All You Need, 2017, equation 1"


def _scores(q: Array, k: Array, mask: Any, is_causal: bool, scale: float | None) -> Array:
    """A mask of truth values keeps where it is true, one of numbers is added; what is not seen has the score -inf."""
    scores = q @ transposed(k) * _scale(q, scale)
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:]) == 1, scores, -np.inf)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if np.asarray(mask).dtype == bool else scores + mask
    return np.asarray(scores)


def _chances(scores: Array) -> Array:
    """P; a row without any key is 0."""
    empty = (scores == -np.inf).all(axis=-1, keepdims=True)
    return np.where(empty, 0.0, softmax(np.where(empty, 0.0, scores)))


def _weights(q: Array, k: Array, mask: Any, is_causal: bool, scale: float | None) -> Array:
    return _chances(_scores(q, k, mask, is_causal, scale))


def _for_heads(q: Array, k: Array, enable_gqa: bool) -> int:
    """How many heads of queries share a head of keys: grouped-query attention."""
    return q.shape[-3] // k.shape[-3] if enable_gqa else 1


def _repeated(x: Array, times: int) -> Array:
    return np.repeat(x, times, axis=-3) if times > 1 else x


def gathered(g: Array, times: int, shape: tuple[int, ...]) -> Array:
    """The gradients of heads that share one, added up."""
    if times > 1:
        g = g.reshape(*g.shape[:-3], g.shape[-3] // times, times, *g.shape[-2:]).sum(axis=-3)
    return unbroadcast(g, shape)


def _scale(q: Array, scale: float | None) -> float:
    return 1 / float(np.sqrt(q.shape[-1])) if scale is None else scale


def _refuse_dropout(dropout_p: float) -> None:
    if dropout_p:
        raise ValueError("attention with dropout has no formula: its mask is not recorded")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a query sees: the keys and values, one for each head of Q, its scores and chances, and by what those are scaled."""

    k: Array
    v: Array
    scores: Array
    p: Array
    scale: float
    times: int
    """How many heads of Q share a head of K."""


def seen(
    q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> Seen:  # fmt: skip
    """What the queries of a call see."""
    times = _for_heads(q, k, enable_gqa)
    keys, values = (_repeated(x, times) for x in (k, v))
    scores = _scores(q, keys, mask, is_causal, scale)
    return Seen(keys, values, scores, _chances(scores), _scale(q, scale), times)


def exponent(p: Array) -> Array:
    """``abs(log(p))``: an exponential is off by as many roundings of itself as its exponent is large."""
    return np.asarray(np.abs(np.log(np.where(p > 0, p, 1.0))))


def chances_off(scores: Array, p: Array) -> Array:
    """How far chances are off: by a rounding of each, and by those of its score and of its exponent."""
    return np.asarray(p * (1 + np.abs(np.where(p > 0, scores, 0.0)) + exponent(p)))


def _attend(
    q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> Array:  # fmt: skip
    _refuse_dropout(dropout_p)
    times = _for_heads(q, k, enable_gqa)
    return np.asarray(_weights(q, _repeated(k, times), mask, is_causal, scale) @ _repeated(v, times))


def _dscores(g: Array, q: Array, k: Array, v: Array, mask: Any, is_causal: bool, scale: float | None) -> Array:
    """The gradient of the scores: ``P * (dP - sum(dP * P))``, ``dP = dL/dZ @ V.T``; K and V one for each head of Q."""
    p = _weights(q, k, mask, is_causal, scale)
    dp = g @ transposed(v)
    return np.asarray(p * (dp - (dp * p).sum(axis=-1, keepdims=True)))


def _dq(
    g: Array, z: Array, q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Array:  # fmt: skip
    _refuse_dropout(dropout_p)
    keys, values = (_repeated(x, _for_heads(q, k, enable_gqa)) for x in (k, v))
    return unbroadcast(_dscores(g, q, keys, values, mask, is_causal, scale) @ keys * _scale(q, scale), q.shape)


def _dk(
    g: Array, z: Array, q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Array:  # fmt: skip
    _refuse_dropout(dropout_p)
    times = _for_heads(q, k, enable_gqa)
    ds = _dscores(g, q, _repeated(k, times), _repeated(v, times), mask, is_causal, scale)
    return gathered(transposed(ds) @ q * _scale(q, scale), times, k.shape)


def _dv(
    g: Array, z: Array, q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Array:  # fmt: skip
    _refuse_dropout(dropout_p)
    times = _for_heads(q, k, enable_gqa)
    return gathered(transposed(_weights(q, _repeated(k, times), mask, is_causal, scale)) @ g, times, v.shape)


def _dmask(
    g: Array, z: Array, q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Array:  # fmt: skip
    """Of a mask of numbers (a bias by place, as T5 has); one of truth values has no gradient."""
    _refuse_dropout(dropout_p)
    keys, values = (_repeated(x, _for_heads(q, k, enable_gqa)) for x in (k, v))
    return unbroadcast(_dscores(g, q, keys, values, mask, is_causal, scale), np.shape(mask))


register(
    "scaled_dot_product_attention",
    "Z = softmax(Q @ K.T * scale + mask) @ V",
    _attend,
    {
        "Q": ("dL/dQ = dS @ K * scale, dS = P * (dP - sum(dP * P)), dP = dL/dZ @ V.T", _dq),
        "K": ("dL/dK = dS.T @ Q * scale", _dk),
        "V": ("dL/dV = P.T @ dL/dZ", _dv),
        "mask": ("dL/dmask = dS", _dmask),
    },
    inputs="Q K V mask",
    source=f"{VASWANI}; Ainslie et al., GQA, 2023 (heads that share keys)",
)
