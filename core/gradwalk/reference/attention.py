"""Scaled dot product attention (without its dropout): ``Z = P @ V``, ``P = softmax(Q @ K.T * scale)``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .linalg import transposed
from .nn import softmax
from .registry import Array, register, unbroadcast

VASWANI = "Vaswani et al., Attention Is All You Need, 2017, equation 1"


def _weights(q: Array, k: Array, mask: Any, is_causal: bool, scale: float | None) -> Array:
    """P; a mask of truth values keeps where it is true, one of numbers is added to the scores."""
    scores = q @ transposed(k) * _scale(q, scale)
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:]) == 1, scores, -np.inf)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if np.asarray(mask).dtype == bool else scores + mask
    return softmax(scores)


def _scale(q: Array, scale: float | None) -> float:
    return 1 / float(np.sqrt(q.shape[-1])) if scale is None else scale


def _refuse_dropout(dropout_p: float) -> None:
    if dropout_p:
        raise ValueError("attention with dropout has no formula: its mask is not recorded")


def scores_and_chances(
    q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None
) -> tuple[Array, float]:
    """P, and what the scores are multiplied with."""
    return _weights(q, k, mask, is_causal, scale), _scale(q, scale)


def _attend(
    q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None
) -> Array:
    _refuse_dropout(dropout_p)
    return np.asarray(_weights(q, k, mask, is_causal, scale) @ v)


def _dscores(
    g: Array, q: Array, k: Array, v: Array, mask: Any, dropout_p: float, is_causal: bool, scale: float | None
) -> tuple[Array, Array]:
    """P, and the gradient of the scores before they were scaled: ``P * (dP - sum(dP * P)) * scale``, ``dP = dL/dZ @ V.T``."""
    _refuse_dropout(dropout_p)
    p = _weights(q, k, mask, is_causal, scale)
    dp = g @ transposed(v)
    return p, p * (dp - (dp * p).sum(axis=-1, keepdims=True)) * _scale(q, scale)


def _dq(
    g: Array, z: Array, q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None,
) -> Array:  # fmt: skip
    return unbroadcast(_dscores(g, q, k, v, mask, dropout_p, is_causal, scale)[1] @ k, q.shape)


def _dk(
    g: Array, z: Array, q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None,
) -> Array:  # fmt: skip
    return unbroadcast(transposed(_dscores(g, q, k, v, mask, dropout_p, is_causal, scale)[1]) @ q, k.shape)


def _dv(
    g: Array, z: Array, q: Array, k: Array, v: Array, mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None,
) -> Array:  # fmt: skip
    _refuse_dropout(dropout_p)
    return unbroadcast(transposed(_weights(q, k, mask, is_causal, scale)) @ g, v.shape)


register(
    "scaled_dot_product_attention",
    "Z = softmax(Q @ K.T * scale) @ V",
    _attend,
    {
        "Q": ("dL/dQ = dS @ K * scale, dS = P * (dP - sum(dP * P)), dP = dL/dZ @ V.T", _dq),
        "K": ("dL/dK = dS.T @ Q * scale", _dk),
        "V": ("dL/dV = P.T @ dL/dZ", _dv),
    },
    inputs="Q K V mask",
    source=VASWANI,
)
