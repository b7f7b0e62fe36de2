"""Multi-head attention as one op: queries, keys and values are projected, each head attends, and what they give is projected.

Sequences are ``[L, N, E]``, or ``[L, E]`` without a batch. ``W`` is ``[3 E, E]``: the projections of queries, keys and values
below one another; ``U`` is that of the output. With dropout, ``kept`` says which of the weights were kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .attention import NO_MASK, SRIVASTAVA, VASWANI, chances_off, noise_of, scores_off
from .linalg import transposed
from .nn import softmax
from .registry import Array, register

Arrays = tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """What the forward made on its way: per head ``[N, heads, L, E / heads]``."""

    rows: Arrays
    """Queries, keys and values as they came, ``[L, N, E]``."""
    heads: Arrays
    """The same, projected."""
    scores: Array
    p: Array
    """The weights ``[N, heads, L, S]``, and above what they are the softmax of."""
    noise: Any
    """What they are multiplied with by a dropout."""
    joined: Array
    """What the heads gave, ``[L, N, E]``."""
    scale: float


def _batched(x: Array) -> Array:
    return x if x.ndim == 3 else x[:, None]


def _apart(x: Array, heads: int) -> Array:
    """``[L, N, E]`` to ``[N, heads, L, E / heads]``."""
    return np.asarray(x.reshape(*x.shape[:2], heads, x.shape[2] // heads).transpose(1, 2, 0, 3))


def _together(x: Array) -> Array:
    """``[N, heads, L, E / heads]`` to ``[L, N, E]``."""
    return np.asarray(x.transpose(2, 0, 1, 3).reshape(x.shape[2], x.shape[0], x.shape[1] * x.shape[3]))


def _hidden(mask: Any, batch: int) -> Array:
    """A mask as numbers to add, ``[1 or N, 1 or heads, L, S]``; where one of truth values is true nothing is seen."""
    numbers = np.where(mask, -np.inf, 0.0) if np.asarray(mask).dtype == bool else np.asarray(mask)
    return numbers if numbers.ndim == 2 else numbers.reshape(batch, -1, *numbers.shape[1:])


def _by_head(kept: Any, p: Array) -> Any:
    """The mask of a dropout as the weights are, ``[N, heads, L, S]``; torch may have it as ``[N * heads, L, S]``."""
    size, shape = np.size(kept), np.shape(kept)
    return np.reshape(kept, p.shape) if size == p.size and shape[-2:] == p.shape[-2:] else kept


def _ran(
    q: Array, k: Array, v: Array, w: Array, b: Any, heads: int, mask: Any, padding: Any, kept: Any, dropout_p: float
) -> _Run:
    """``dropout_p`` is 0 where nothing is dropped."""
    rows = tuple(map(_batched, (q, k, v)))
    biases = np.split(np.zeros(len(w)) if b is None else np.asarray(b), 3)
    parts = tuple(_apart(x @ part.T + bias, heads) for x, part, bias in zip(rows, np.split(w, 3), biases, strict=True))
    scale = 1 / float(np.sqrt(parts[0].shape[-1]))
    scores = parts[0] @ transposed(parts[1]) * scale
    if mask is not None:
        scores = scores + _hidden(mask, len(scores))
    if padding is not None:
        hidden = np.where(padding, -np.inf, 0.0) if np.asarray(padding).dtype == bool else np.asarray(padding)
        scores = scores + hidden.reshape(-1, 1, 1, scores.shape[-1])
    p = softmax(scores)
    noise = noise_of(_by_head(kept, p), dropout_p, p)
    return _Run(rows, parts, scores, p, noise, _together((p * noise) @ parts[2]), scale)


def _refused(kept: Any, dropout_p: float, add_zero_attn: bool, use_separate_proj_weight: bool) -> None:
    if dropout_p and kept is None:
        raise ValueError(NO_MASK)
    if add_zero_attn or use_separate_proj_weight:
        raise ValueError("attention with separate projections or an added zero has no formula")


def _forward(
    q: Array, k: Array, v: Array, w: Array, b: Any = None, u: Any = None, c: Any = None, padding: Any = None, mask: Any = None,
    kept: Any = None, *, num_heads: int, embed_dim_to_check: int = 0, add_zero_attn: bool = False, dropout_p: float = 0.0,
    training: bool = True, need_weights: bool = True, is_causal: bool = False, use_separate_proj_weight: bool = False,
    average_attn_weights: bool = True,
) -> Any:  # fmt: skip
    _refused(kept, dropout_p * training, add_zero_attn, use_separate_proj_weight)
    run = _ran(q, k, v, w, b, num_heads, mask, padding, kept, dropout_p * training)
    z = run.joined @ u.T + (0.0 if c is None else c)
    z = z if q.ndim == 3 else z[:, 0]
    if not need_weights:
        return z
    weights = run.p * run.noise
    shown = weights.mean(axis=1) if average_attn_weights else weights
    return z, shown if q.ndim == 3 else shown[0]


@dataclass(frozen=True, slots=True)
class _Gradients:
    """dL/d of what each head was given (projected), and of the output's projection."""

    run: _Run
    g: Array
    parts: Arrays


def _back(
    g: Any, q: Array, k: Array, v: Array, w: Array, b: Any, u: Array, padding: Any, mask: Any, kept: Any, *,
    num_heads: int, dropout_p: float = 0.0, training: bool = True, add_zero_attn: bool = False, need_weights: bool = True,
    use_separate_proj_weight: bool = False, average_attn_weights: bool = True, **others: Any,
) -> _Gradients:  # fmt: skip
    """Backwards through output projection, weighted sum, dropout, softmax and scores: ``dS = P * (dP - sum(dP * P)) * scale``."""
    _refused(kept, dropout_p * training, add_zero_attn, use_separate_proj_weight)
    run = _ran(q, k, v, w, b, num_heads, mask, padding, kept, dropout_p * training)
    out = _batched(g[0] if need_weights else g)
    dz = _apart(out @ u, num_heads)
    dp = dz @ transposed(run.heads[2])
    if need_weights:
        shown = g[1] if q.ndim == 3 else g[1][None]
        dp = dp + (shown[:, None] / num_heads if average_attn_weights else shown)
    dp = dp * run.noise
    ds = run.p * (dp - (dp * run.p).sum(axis=-1, keepdims=True)) * run.scale
    parts = (ds @ run.heads[1], transposed(ds) @ run.heads[0], transposed(run.p * run.noise) @ dz)
    return _Gradients(run, out, tuple(map(_together, parts)))


@dataclass(frozen=True, slots=True)
class Sizes:
    """What roundings inside are in proportion to: of the weights, of what the heads gave and of each projection's gradient."""

    run: _Run
    p: Array
    joined: Array
    parts: Arrays = ()


def sizes(
    q: Array, k: Array, v: Array, w: Array, b: Any = None, u: Any = None, c: Any = None, padding: Any = None, mask: Any = None,
    kept: Any = None, *, num_heads: int, dropout_p: float = 0.0, training: bool = True, **others: Any,
) -> Sizes:  # fmt: skip
    """Of the forward."""
    run = _ran(q, k, v, w, b, num_heads, mask, padding, kept, dropout_p * training)
    off = chances_off(run.scores, run.p) * run.noise
    return Sizes(run, off, _together(off @ np.abs(run.heads[2])))


def sizes_back(
    g: Any, q: Array, k: Array, v: Array, w: Array, b: Any = None, u: Any = None, c: Any = None, padding: Any = None,
    mask: Any = None, kept: Any = None, *, num_heads: int, need_weights: bool = True, average_attn_weights: bool = True,
    **others: Any,
) -> Sizes:  # fmt: skip
    """Of the gradients too: what ``dP`` and its mean are rounded by before they cancel."""
    made = sizes(q, k, v, w, b, u, c, padding, mask, kept, num_heads=num_heads, **others)
    run, out = made.run, _batched(g[0] if need_weights else g)
    shown = (g[1] if q.ndim == 3 else g[1][None]) if need_weights else np.zeros(1)
    shown = shown[:, None] / num_heads if need_weights and average_attn_weights else shown
    queries, keys, values = map(np.abs, run.heads)
    dz = _apart(np.abs(out) @ np.abs(u), num_heads)
    dp = (_apart(out @ u, num_heads) @ transposed(run.heads[2]) + shown) * run.noise
    size = (dz @ transposed(values) + np.abs(shown)) * run.noise
    ds = scores_off(run.scores, run.p, run.noise, dp, size) * run.scale
    parts = (ds @ keys, transposed(ds) @ queries, transposed(made.p) @ dz)
    return replace(made, parts=tuple(map(_together, parts)))


def _of_input(number: int) -> Any:
    """The VJP of the queries (0), keys (1) or values (2)."""

    def vjp(
        g: Any, z: Any, q: Array, k: Array, v: Array, w: Array, b: Any = None, u: Any = None, c: Any = None, padding: Any = None,
        mask: Any = None, kept: Any = None, **named: Any,
    ) -> Array:  # fmt: skip
        part = _back(g, q, k, v, w, b, u, padding, mask, kept, **named).parts[number]
        return (part @ np.split(w, 3)[number]).reshape((q, k, v)[number].shape)

    return vjp


def _dw(
    g: Any, z: Any, q: Array, k: Array, v: Array, w: Array, b: Any = None, u: Any = None, c: Any = None, padding: Any = None,
    mask: Any = None, kept: Any = None, **named: Any,
) -> Array:  # fmt: skip
    made = _back(g, q, k, v, w, b, u, padding, mask, kept, **named)
    pairs = zip(made.parts, made.run.rows, strict=True)
    return np.concatenate([part.reshape(-1, part.shape[-1]).T @ x.reshape(-1, x.shape[-1]) for part, x in pairs])


def _db(
    g: Any, z: Any, q: Array, k: Array, v: Array, w: Array, b: Any = None, u: Any = None, c: Any = None, padding: Any = None,
    mask: Any = None, kept: Any = None, **named: Any,
) -> Array:  # fmt: skip
    made = _back(g, q, k, v, w, b, u, padding, mask, kept, **named)
    return np.concatenate([part.sum(axis=(0, 1)) for part in made.parts])


def _du(
    g: Any, z: Any, q: Array, k: Array, v: Array, w: Array, b: Any = None, u: Any = None, c: Any = None, padding: Any = None,
    mask: Any = None, kept: Any = None, **named: Any,
) -> Array:  # fmt: skip
    made = _back(g, q, k, v, w, b, u, padding, mask, kept, **named)
    joined = made.run.joined
    return np.asarray(made.g.reshape(-1, made.g.shape[-1]).T @ joined.reshape(-1, joined.shape[-1]))


def _dc(
    g: Any, z: Any, q: Array, k: Array, v: Array, w: Array, b: Any = None, u: Any = None, c: Any = None, padding: Any = None,
    mask: Any = None, kept: Any = None, **named: Any,
) -> Array:  # fmt: skip
    return np.asarray(_back(g, q, k, v, w, b, u, padding, mask, kept, **named).g.sum(axis=(0, 1)))


register(
    "multi_head_attention_forward",
    "Z = heads(Q @ W.T, K @ W.T, V @ W.T) @ U.T + c",
    _forward,
    {
        "Q": ("dL/dQ = dS @ (K @ W.T) * scale @ W, per head", _of_input(0)),
        "K": ("dL/dK = dS.T @ (Q @ W.T) * scale @ W, per head", _of_input(1)),
        "V": ("dL/dV = P.T @ dL/dheads @ W, per head", _of_input(2)),
        "W": ("dL/dW = dL/dprojected.T @ [Q, K, V]", _dw),
        "b": ("dL/db = sum_rows(dL/dprojected)", _db),
        "U": ("dL/dU = dL/dZ.T @ heads", _du),
        "c": ("dL/dc = sum_rows(dL/dZ)", _dc),
    },
    inputs="Q K V W b U c padding mask",
    dropped=(
        "Z = heads(Q @ W.T, K @ W.T, V @ W.T) @ U.T + c, head = (P * kept / (1 - p)) @ (V @ W.T)",
        {
            "Q": "dL/dQ = dS @ (K @ W.T) * scale @ W, per head, dP = dL/dhead @ (V @ W.T).T * kept / (1 - p)",
            "V": "dL/dV = (P * kept / (1 - p)).T @ dL/dheads @ W, per head",
        },
    ),
    source=f"{VASWANI}; and 3.2.2; {SRIVASTAVA}",
)
