"""Scaled dot product attention: ``Z = P @ V``, ``P = softmax(Q @ K.T * scale)``.

With dropout ``Z = (P * kept / (1 - p)) @ V``, where ``kept`` is the mask that was drawn and recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .linalg import transposed
from .nn import scaled_mask, softmax
from .registry import Array, register, unbroadcast
from .rounding import LEAST

VASWANI = "Vaswani et al., Attention Is All You Need, 2017, equation 1"
SRIVASTAVA = "Srivastava et al., Dropout, 2014"
NO_MASK = "attention with dropout has no formula: its mask is not recorded"


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


def noise_of(kept: Any, dropout_p: float, p: Array) -> Any:
    """What the chances P are multiplied with: ``kept / (1 - p)``, and 1 without dropout. With ``p = 1`` nothing is kept."""
    if not dropout_p:
        return 1.0
    if kept is None:
        raise ValueError(NO_MASK)
    if np.shape(kept) not in ((), p.shape):
        raise ValueError(f"the mask of its dropout has the shape {list(np.shape(kept))}, and its weights {list(p.shape)}")
    return scaled_mask(np.asarray(kept), dropout_p)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a query sees: the keys and values, one for each head of Q, its scores and chances, and by what those are scaled."""

    k: Array
    v: Array
    scores: Array
    p: Array
    noise: Any
    """What its chances are multiplied with by a dropout."""
    scale: float
    times: int
    """How many heads of Q share a head of K."""


def seen(
    q: Array, k: Array, v: Array, mask: Any = None, kept: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Seen:  # fmt: skip
    """What the queries of a call see."""
    times = _for_heads(q, k, enable_gqa)
    keys, values = (_repeated(x, times) for x in (k, v))
    scores = _scores(q, keys, mask, is_causal, scale)
    p = _chances(scores)
    return Seen(keys, values, scores, p, noise_of(kept, dropout_p, p), _scale(q, scale), times)


def exponent(p: Array) -> Array:
    """``abs(log(p))``: an exponential is off by as many roundings of itself as its exponent is large."""
    return np.asarray(np.abs(np.log(np.where(p > 0, p, 1.0))))


def chances_off(scores: Array, p: Array) -> Array:
    """How far chances are off: by a rounding of each, and by those of its score and of its exponent; one that is below the normal
    numbers is rounded as the smallest of these.
    """
    return np.asarray(p * (1 + np.abs(np.where(p > 0, scores, 0.0)) + exponent(p)) + LEAST)


def scores_off(scores: Array, p: Array, noise: Any, dp: Array, size: Array) -> Array:
    """How far the gradient of the scores is off: by what dP (in absolute values ``size``) and its mean are rounded by before they
    cancel. Where the largest chance is dropped, the others are left, and with them what they are off by.
    """
    made = p * (size + (size * p).sum(axis=-1, keepdims=True)) + LEAST
    if not np.ndim(noise):
        return np.asarray(made)
    off = chances_off(scores, p)
    made = made + off * np.abs(dp - (dp * p).sum(axis=-1, keepdims=True))
    return np.asarray(made + p * (size * off).sum(axis=-1, keepdims=True))


def _attend(
    q: Array, k: Array, v: Array, mask: Any = None, kept: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Array:  # fmt: skip
    sees = seen(q, k, v, mask, kept, dropout_p, is_causal, scale, enable_gqa)
    return np.asarray((sees.p * sees.noise) @ sees.v)


def _dscores(g: Array, sees: Seen) -> Array:
    """The gradient of the scores: ``P * (dP - sum(dP * P))``, ``dP = dL/dZ @ V.T * kept / (1 - p)``."""
    dp = g @ transposed(sees.v) * sees.noise
    return np.asarray(sees.p * (dp - (dp * sees.p).sum(axis=-1, keepdims=True)))


def _dq(g: Array, z: Array, q: Array, *others: Any, **named: Any) -> Array:
    sees = seen(q, *others, **named)
    return unbroadcast(_dscores(g, sees) @ sees.k * sees.scale, q.shape)


def _dk(g: Array, z: Array, q: Array, k: Array, *others: Any, **named: Any) -> Array:
    sees = seen(q, k, *others, **named)
    return gathered(transposed(_dscores(g, sees)) @ q * sees.scale, sees.times, k.shape)


def _dv(g: Array, z: Array, q: Array, k: Array, v: Array, *others: Any, **named: Any) -> Array:
    sees = seen(q, k, v, *others, **named)
    return gathered(transposed(sees.p * sees.noise) @ g, sees.times, v.shape)


def _dmask(g: Array, z: Array, q: Array, k: Array, v: Array, mask: Any, *others: Any, **named: Any) -> Array:
    """Of a mask of numbers (a bias by place, as T5 has); one of truth values has no gradient."""
    return unbroadcast(_dscores(g, seen(q, k, v, mask, *others, **named)), np.shape(mask))


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
    dropped=(
        "Z = (softmax(Q @ K.T * scale + mask) * kept / (1 - p)) @ V",
        {
            "Q": "dL/dQ = dS @ K * scale, dS = P * (dP - sum(dP * P)), dP = dL/dZ @ V.T * kept / (1 - p)",
            "V": "dL/dV = (P * kept / (1 - p)).T @ dL/dZ",
        },
    ),
    source=f"{VASWANI}; Ainslie et al., GQA, 2023 (heads that share keys); {SRIVASTAVA}",
)
