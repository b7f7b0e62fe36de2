"""Losses of probabilities, and losses of three tensors: margins between similarities and distances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .distances import compared, incoming, reduced, weighed
from .elementwise import sigmoid
from .lengths import distance, distance_dx
from .registry import Array, register, unbroadcast

BERNOULLI = "Bishop, Pattern Recognition and Machine Learning, 2006, 4.3.2 (negative log-likelihood of two classes)"
LEAST = -100.0
"""A logarithm is no smaller than this, as in torch."""


def _log(x: Any) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(np.log(x), LEAST))


weighed(
    "binary_cross_entropy",
    "-(t * log(X) + (1 - t) * log(1 - X))",
    lambda x, t: -(t * _log(x) + (1 - t) * _log(1 - x)),
    ("(X - t) / (X * (1 - X))", lambda x, t: (x - t) / np.maximum(x * (1 - x), 1e-12)),
    ("(log(1 - X) - log(X))", lambda x, t: _log(1 - x) - _log(x)),
    symbols="X t w",
    over_weights=False,
    source=f"{BERNOULLI}; a logarithm below -100 is -100",
)


def _logits(x: Array, t: Array, pos_weight: Any) -> Array:
    positive = 1.0 if pos_weight is None else pos_weight
    return np.asarray((1 - t) * np.logaddexp(0, x) + positive * t * np.logaddexp(0, -x))


def _with_logits(x: Array, t: Array, weight: Any = None, pos_weight: Any = None, *, reduction: str = "mean") -> Array:
    return reduced(_logits(x, t, pos_weight), reduction, weight)


def _with_logits_dx(
    g: Array, z: Array, x: Array, t: Array, weight: Any = None, pos_weight: Any = None, *, reduction: str = "mean"
) -> Array:
    positive = 1.0 if pos_weight is None else pos_weight
    slope = np.asarray((1 - t) * sigmoid(x) - positive * t * sigmoid(-x))
    return unbroadcast(incoming(g, slope, reduction, weight) * slope, x.shape)


def _with_logits_dt(
    g: Array, z: Array, x: Array, t: Array, weight: Any = None, pos_weight: Any = None, *, reduction: str = "mean"
) -> Array:
    return _over_target(g, x, t, weight, pos_weight, reduction, -1.0)


def _over_target(g: Array, x: Array, t: Array, weight: Any, pos_weight: Any, reduction: str, sign: float) -> Array:
    positive = 1.0 if pos_weight is None else pos_weight
    slope = np.asarray(positive * np.logaddexp(0, -x) + sign * np.logaddexp(0, x))
    return unbroadcast(incoming(g, slope, reduction, weight) * slope, t.shape)


def over_target_size(
    g: Array, x: Array, t: Array, weight: Any = None, pos_weight: Any = None, *, reduction: str = "mean"
) -> Array:
    """What the gradient by t is the difference of, added up: the two logarithms are rounded before they are subtracted."""
    weight = None if weight is None else np.abs(weight)
    return _over_target(np.abs(g), x, t, weight, pos_weight, reduction, 1.0)


register(
    "binary_cross_entropy_with_logits",
    "l = mean(t * log(1 + exp(-X)) + (1 - t) * log(1 + exp(X)))",
    _with_logits,
    {
        "X": ("dL/dX = dL/dl * (sigmoid(X) - t) / N", _with_logits_dx),
        "t": ("dL/dt = -dL/dl * X / N", _with_logits_dt),
    },
    inputs="X t w p",
    source=f"{BERNOULLI}; the terms of t times p where a weight p of positives is given",
)


def _divergence(x: Array, y: Array, log_target: bool = False) -> Array:
    """X holds logarithms; Y probabilities, or with ``log_target`` logarithms too."""
    if log_target:
        return np.asarray(np.exp(y) * (y - x))
    with np.errstate(all="ignore"):
        return np.where(np.equal(y, 0), 0.0, y * np.log(y)) - y * x


def _batch_mean(x: Array, y: Array, reduction: str) -> tuple[str, float]:
    """``batchmean`` is the sum over the size of the first axis."""
    return ("sum", float(x.shape[0] if x.ndim else 1)) if reduction == "batchmean" else (reduction, 1.0)


def _kl_div(x: Array, y: Array, *, reduction: str = "mean", log_target: bool = False) -> Array:
    how, over = _batch_mean(x, y, reduction)
    return reduced(_divergence(x, y, log_target), how) / over


def _kl_div_dx(g: Array, z: Array, x: Array, y: Array, *, reduction: str = "mean", log_target: bool = False) -> Array:
    how, over = _batch_mean(x, y, reduction)
    slope = np.broadcast_to(-np.exp(y) if log_target else -y, np.broadcast_shapes(x.shape, y.shape))
    return unbroadcast(incoming(g / over, slope, how) * slope, x.shape)


def _kl_div_dy(g: Array, z: Array, x: Array, y: Array, *, reduction: str = "mean", log_target: bool = False) -> Array:
    how, over = _batch_mean(x, y, reduction)
    with np.errstate(all="ignore"):
        slope = np.exp(y) * (y + 1 - x) if log_target else np.log(y) + 1 - x
    return unbroadcast(incoming(g / over, slope, how) * slope, y.shape)


register(
    "kl_div",
    "l = mean(Y * (log(Y) - X))",
    _kl_div,
    {"X": ("dL/dX = -dL/dl * Y / N", _kl_div_dx), "Y": ("dL/dY = dL/dl * (log(Y) + 1 - X) / N", _kl_div_dy)},
    inputs="X Y",
    source="Kullback and Leibler, On Information and Sufficiency, 1951 (X: the logarithms)",
)


def _poisson(x: Array, t: Array, log_input: bool = True, full: bool = False, eps: float = 1e-8) -> Array:
    """``full`` adds Stirling's approximation of log(t!) where t is more than 1."""
    lost = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    if full:
        with np.errstate(all="ignore"):
            lost = lost + np.where(np.greater(t, 1), t * np.log(t) - t + 0.5 * np.log(2 * math.pi * t), 0.0)
    return np.asarray(lost)


def _poisson_dx(x: Array, t: Array, log_input: bool = True, full: bool = False, eps: float = 1e-8) -> Array:
    return np.exp(x) - t if log_input else 1 - t / (x + eps)


def _poisson_dt(x: Array, t: Array, log_input: bool = True, full: bool = False, eps: float = 1e-8) -> Array:
    slope = -x if log_input else -np.log(x + eps)
    if full:
        with np.errstate(all="ignore"):
            slope = slope + np.where(np.greater(t, 1), np.log(t) + 0.5 / t, 0.0)
    return np.asarray(slope)


compared(
    "poisson_nll_loss",
    "exp(X) - t * X",
    _poisson,
    ("(exp(X) - t)", _poisson_dx),
    ("(-X)", _poisson_dt),
    symbols="X t",
    source="McCullagh and Nelder, Generalized Linear Models, 1989, 6 (Poisson, log link)",
)


def _gaussian(x: Array, t: Array, v: Array, full: bool = False, eps: float = 1e-6) -> Array:
    kept = np.maximum(v, eps)
    lost = (np.log(kept) + (x - t) ** 2 / kept) / 2
    return np.asarray(lost + math.log(2 * math.pi) / 2 if full else lost)


def _fitted(v: Array, x: Array) -> Array:
    """A variance may lack the last axis."""
    return v[..., None] if np.ndim(v) == x.ndim - 1 and np.shape(v) == x.shape[:-1] else v


def _gaussian_nll(x: Array, t: Array, v: Array, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> Array:
    return reduced(_gaussian(x, t, _fitted(v, x), full, eps), reduction)


def _gaussian_dx(
    g: Array, z: Array, x: Array, t: Array, v: Array, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Array:
    slope = np.asarray((x - t) / np.maximum(_fitted(v, x), eps))
    return unbroadcast(incoming(g, slope, reduction) * slope, x.shape)


def _gaussian_dt(
    g: Array, z: Array, x: Array, t: Array, v: Array, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Array:
    slope = np.asarray((t - x) / np.maximum(_fitted(v, x), eps))
    return unbroadcast(incoming(g, slope, reduction) * slope, t.shape)


def _gaussian_dv(
    g: Array, z: Array, x: Array, t: Array, v: Array, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Array:
    """A variance below ``eps`` counts as ``eps``; torch lets the gradient through all the same."""
    kept = np.maximum(_fitted(v, x), eps)
    slope = np.asarray((1 / kept - (x - t) ** 2 / kept**2) / 2)
    return unbroadcast(incoming(g, slope, reduction) * slope, np.shape(_fitted(v, x))).reshape(np.shape(v))


register(
    "gaussian_nll_loss",
    "l = mean(log(v) + (X - t) ** 2 / v) / 2",
    _gaussian_nll,
    {
        "X": ("dL/dX = dL/dl * (X - t) / v / N", _gaussian_dx),
        "t": ("dL/dt = -dL/dl * (X - t) / v / N", _gaussian_dt),
        "v": ("dL/dv = dL/dl * (1 / v - (X - t) ** 2 / v ** 2) / 2 / N", _gaussian_dv),
    },
    inputs="X t v",
    source="Nix and Weigend, Estimating the Mean and Variance of the Target Probability Distribution, 1994",
)


def _ranking(x: Array, y: Array, t: Array, *, margin: float = 0.0, reduction: str = "mean") -> Array:
    return reduced(np.maximum(-t * (x - y) + margin, 0), reduction)


def _ranking_dx(g: Array, z: Array, x: Array, y: Array, t: Array, *, margin: float = 0.0, reduction: str = "mean") -> Array:
    slope = np.asarray(-t * (-t * (x - y) + margin >= 0))
    return unbroadcast(incoming(g, slope, reduction) * slope, x.shape)


def _ranking_dy(g: Array, z: Array, x: Array, y: Array, t: Array, *, margin: float = 0.0, reduction: str = "mean") -> Array:
    slope = np.asarray(t * (-t * (x - y) + margin >= 0))
    return unbroadcast(incoming(g, slope, reduction) * slope, y.shape)


register(
    "margin_ranking_loss",
    "l = mean(max(-t * (X - Y) + margin, 0))",
    _ranking,
    {
        "X": ("dL/dX = -dL/dl * t * (-t * (X - Y) + margin >= 0) / N", _ranking_dx),
        "Y": ("dL/dY = dL/dl * t * (-t * (X - Y) + margin >= 0) / N", _ranking_dy),
    },
    inputs="X Y t",
    source="Herbrich, Graepel and Obermayer, Large Margin Rank Boundaries, 2000 (at the margin: the slope inside)",
)
EPSILON = 1e-12


def _cosine(x: Array, y: Array) -> tuple[Array, Array, Array]:
    """The cosine of each row, and the squares of the lengths."""
    a, b = (x * x).sum(axis=-1) + EPSILON, (y * y).sum(axis=-1) + EPSILON
    return (x * y).sum(axis=-1) / np.sqrt(a * b), a, b


def _cosine_embedding(x: Array, y: Array, t: Any, *, margin: float = 0.0, reduction: str = "mean") -> Array:
    cosine, _, _ = _cosine(x, y)
    lost = np.where(np.equal(t, 1), 1 - cosine, 0.0) + np.where(np.equal(t, -1), np.maximum(cosine - margin, 0), 0.0)
    return reduced(lost, reduction)


def _cosine_embedding_dx(
    g: Array, z: Array, x: Array, y: Array, t: Any, *, margin: float = 0.0, reduction: str = "mean"
) -> Array:
    cosine, a, b = _cosine(x, y)
    slope = np.where(np.equal(t, 1), -1.0, 0.0) + np.where(np.equal(t, -1), 1.0 * (cosine - margin >= 0), 0.0)
    rows = (incoming(g, slope, reduction) * slope)[..., None]
    return np.asarray(rows * (y / np.sqrt(a * b)[..., None] - cosine[..., None] * x / a[..., None]))


register(
    "cosine_embedding_loss",
    "l = mean(1 - cos(X, Y) where t = 1, max(cos(X, Y) - margin, 0) where t = -1)",
    _cosine_embedding,
    {
        "X": ("dL/dX = dL/dcos * (Y / norm(Y) - cos * X / norm(X)) / norm(X)", _cosine_embedding_dx),
        "Y": (
            "dL/dY = dL/dcos * (X / norm(X) - cos * Y / norm(Y)) / norm(Y)",
            lambda g, z, x, y, t, *, margin=0.0, reduction="mean": _cosine_embedding_dx(
                g, z, y, x, t, margin=margin, reduction=reduction
            ),
        ),
    },
    inputs="X Y t",
    source="the quotient rule",
)


def _gap(a: Array, p: Array, n: Array, degree: float, eps: float, swap: bool) -> tuple[Array, Array]:
    """How much farther the positive is than the negative; and whether the negative is nearer to the positive (``swap``)."""
    far, other = distance(a, n, degree, eps), distance(p, n, degree, eps)
    share = (other < far) + 0.5 * (other == far) if swap else np.zeros(far.shape)
    return distance(a, p, degree, eps) - (np.minimum(far, other) if swap else far), np.asarray(share)


def _triplet(
    x: Array, y: Array, n: Array, *, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
    reduction: str = "mean",
) -> Array:  # fmt: skip
    return reduced(np.maximum(_gap(x, y, n, p, eps, swap)[0] + margin, 0), reduction)


def triplet_size(
    x: Array, y: Array, n: Array, *, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
    reduction: str = "mean",
) -> Array:  # fmt: skip
    """The loss with a sum in the place of the difference: what is rounded before the distances cancel."""
    pairs = ((x, y), (x, n), (y, n)) if swap else ((x, y), (x, n))
    return reduced(sum((distance(a, b, p, eps) for a, b in pairs), np.abs(margin)), reduction)


def triplet_size_back(
    g: Array, x: Array, y: Array, n: Array, *, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
    reduction: str = "mean",
) -> tuple[Array, Array, Array]:  # fmt: skip
    """The same of the gradients of X, Y and n."""
    near, far, other = map(np.abs, _slopes_of_distances(g, x, y, n, margin, p, eps, swap, reduction))
    return near + far, near + other, far + other


def _slopes_of_distances(
    g: Array, x: Array, y: Array, n: Array, margin: float, p: float, eps: float, swap: bool, reduction: str
) -> tuple[Array, Array, Array]:
    """What comes in at a distance times its slope: that of X and Y, of X and n, and, with ``swap``, of Y and n."""
    gap, share = _gap(x, y, n, p, eps, swap)
    slope = np.asarray(1.0 * (gap + margin >= 0))
    rows = incoming(g, slope, reduction) * slope
    near = distance_dx(rows, gap, x, y, p, eps)
    return near, distance_dx(rows * (1 - share), gap, x, n, p, eps), distance_dx(rows * share, gap, y, n, p, eps)


def _triplet_back(g: Array, *tensors_and_arguments: Any) -> tuple[Array, Array, Array]:
    near, far, other = _slopes_of_distances(g, *tensors_and_arguments)
    return near - far, -near - other, far + other


def _triplet_vjp(place: int) -> Any:
    def vjp(
        g: Array, z: Array, x: Array, y: Array, n: Array, *, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6,
        swap: bool = False, reduction: str = "mean",
    ) -> Array:  # fmt: skip
        return _triplet_back(g, x, y, n, margin, p, eps, swap, reduction)[place]

    return vjp


register(
    "triplet_margin_loss",
    "l = mean(max(norm(X - Y) - norm(X - n) + margin, 0))",
    _triplet,
    {
        "X": ("dL/dX = dL/dl * (dnorm(X - Y) - dnorm(X - n)) / N", _triplet_vjp(0)),
        "Y": ("dL/dY = -dL/dl * dnorm(X - Y) / N", _triplet_vjp(1)),
        "n": ("dL/dn = dL/dl * dnorm(X - n) / N", _triplet_vjp(2)),
    },
    inputs="X Y n",
    source="Schroff, Kalenichenko and Philbin, FaceNet, 2015, equation 3 (n: the negative; at the margin: the slope inside)",
)
