"""Softmax and dropout. ``others`` are keywords that change no number (``dtype``, ``_stacklevel``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .registry import Array, register

BRIDLE = "Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990"


def log_softmax(x: Array, dim: int = -1, **others: Any) -> Array:
    """``X - log(sum(exp(X)))`` along ``dim``, with the largest element taken out first against overflow."""
    shifted = x - x.max(axis=dim, keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True)))


def softmax(x: Array, dim: int = -1, **others: Any) -> Array:
    """``exp(X) / sum(exp(X))`` along ``dim``."""
    return np.exp(log_softmax(x, dim))


register(
    "softmax",
    "P = exp(X) / sum(exp(X))",
    softmax,
    {
        "X": (
            "dL/dX = P * (dL/dP - sum(dL/dP * P))",
            lambda g, p, x, dim=-1, **others: p * (g - (g * p).sum(axis=dim, keepdims=True)),
        )
    },
    inputs="X",
    source=BRIDLE,
)
register(
    "log_softmax",
    "Z = X - log(sum(exp(X)))",
    log_softmax,
    {
        "X": (
            "dL/dX = dL/dZ - exp(Z) * sum(dL/dZ)",
            lambda g, z, x, dim=-1, **others: g - np.exp(z) * g.sum(axis=dim, keepdims=True),
        )
    },
    inputs="X",
    source=BRIDLE,
)


def _dropout(x: Array, mask: Array, p: float = 0.5, training: bool = True, inplace: bool = False) -> Array:
    """With ``p = 1`` nothing is kept; not ``training``, it is the identity."""
    return np.asarray(x * scaled_mask(mask, p) if training else x)


def scaled_mask(mask: Array, p: float) -> Array:
    """``mask / (1 - p)``, which a dropout multiplies with."""
    return mask * (0.0 if p == 1 else 1 / (1 - p))


def _dropout_vjp(
    g: Array, z: Array, x: Array, mask: Array, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Array:
    return np.asarray(g * scaled_mask(mask, p) if training else g)


register(
    "dropout",
    "Z = X * mask / (1 - p)",
    _dropout,
    {"X": ("dL/dX = dL/dZ * mask / (1 - p)", _dropout_vjp)},
    inputs="X mask",
    drawn="mask",
    source="Srivastava et al., Dropout, 2014 (mask: which elements were kept, read off the output)",
)
