"""Activations other than relu, gelu and silu. Where one has a kink, the text says what torch takes for the slope there."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import sigmoid, to_chosen, unary
from .nn import softmax
from .registry import Array, register, unbroadcast

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
CLEVERT = "Clevert, Unterthiner and Hochreiter, Exponential Linear Units, 2015"
HOWARD = "Howard et al., Searching for MobileNetV3, 2019, 5.2 (hard sigmoid and hard swish)"


def _softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Above the threshold it is X itself."""
    return np.where(x * beta > threshold, x, np.logaddexp(0, beta * x) / beta)


def _softplus_local(out: Array, x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    return np.where(x * beta > threshold, 1.0, sigmoid(beta * x))


unary(
    "softplus",
    "log(1 + exp(beta * X)) / beta",
    _softplus,
    "dL/dZ * sigmoid(beta * X)",
    _softplus_local,
    "Dugas et al., Incorporating Second-Order Functional Knowledge, 2001",
)
unary(
    "leaky_relu leaky_relu_",
    "max(X, 0) + slope * min(X, 0)",
    lambda x, negative_slope=0.01, inplace=False: np.where(x > 0, x, negative_slope * x),
    "dL/dZ * (slope where X <= 0, else 1)",
    lambda out, x, negative_slope=0.01, inplace=False: np.where(x > 0, 1.0, negative_slope),
    "Maas, Hannun and Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013 (at 0: the slope)",
)


def _elu(x: Array, alpha: float = 1.0, inplace: bool = False) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _elu_local(out: Array, x: Array, alpha: float = 1.0, inplace: bool = False) -> Array:
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))


ELU, ELU_SLOPE = "X where X > 0, else alpha * (exp(X) - 1)", "dL/dZ * (1 where X > 0, else alpha * exp(X))"
unary("elu elu_", ELU, _elu, ELU_SLOPE, _elu_local, f"{CLEVERT} (at 0: alpha)")
unary(
    "selu selu_",
    "scale * elu(X)",
    lambda x, inplace=False: SELU_SCALE * _elu(x, SELU_ALPHA),
    "dL/dZ * scale * elu'(X)",
    lambda out, x, inplace=False: SELU_SCALE * _elu_local(out, x, SELU_ALPHA),
    "Klambauer et al., Self-Normalizing Neural Networks, 2017",
)
unary(
    "celu celu_",
    "X where X > 0, else alpha * (exp(X / alpha) - 1)",
    lambda x, alpha=1.0, inplace=False: alpha * _elu(x / alpha),
    "dL/dZ * (1 where X > 0, else exp(X / alpha))",
    lambda out, x, alpha=1.0, inplace=False: _elu_local(out, x / alpha),
    "Barron, Continuously Differentiable Exponential Linear Units, 2017",
)


def _mish_local(out: Array, x: Array, inplace: bool = False) -> Array:
    t = np.tanh(_softplus(x))
    return np.asarray(t + x * (1 - t**2) * sigmoid(x))


unary(
    "mish mish_",
    "X * tanh(log(1 + exp(X)))",
    lambda x, inplace=False: x * np.tanh(_softplus(x)),
    "dL/dZ * (T + X * (1 - T ** 2) * sigmoid(X)), T = tanh(softplus(X))",
    _mish_local,
    "Misra, Mish: A Self Regularized Non-Monotonic Activation Function, 2019",
)


def _between(x: Array, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Array:
    return np.asarray(np.clip(x, min_val, max_val))


def _between_local(out: Array, x: Array, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Array:
    return np.asarray(~((x <= min_val) | (x >= max_val)), np.float64)


INSIDE = "dL/dZ * (lo < X < hi)"
BOUNDED = "a straight line between its bounds (at a bound: 0, other than clamp)"
unary("hardtanh hardtanh_", "min(max(X, lo), hi)", _between, INSIDE, _between_local, BOUNDED, to_chosen)
unary(
    "relu6 relu6_",
    "min(max(X, 0), 6)",
    lambda x, inplace=False: _between(x, 0, 6),
    "dL/dZ * (0 < X < 6)",
    lambda out, x, inplace=False: _between_local(out, x, 0, 6),
    "Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010 (at a bound: 0)",
    to_chosen,
)
unary(
    "hardsigmoid hardsigmoid_",
    "min(max(X + 3, 0), 6) / 6",
    lambda x, inplace=False: _between(x + 3, 0, 6) / 6,
    "dL/dZ * (-3 < X < 3) / 6",
    lambda out, x, inplace=False: _between_local(out, x, -3, 3) / 6,
    f"{HOWARD}; at a bound: 0",
)


def _hardswish_local(out: Array, x: Array, inplace: bool = False) -> Array:
    return np.where(x <= -3, 0.0, np.where(x < 3, x / 3 + 0.5, 1.0))


unary(
    "hardswish hardswish_",
    "X * min(max(X + 3, 0), 6) / 6",
    lambda x, inplace=False: x * _between(x + 3, 0, 6) / 6,
    "dL/dZ * (0 where X <= -3, 1 where X >= 3, else X / 3 + 1 / 2)",
    _hardswish_local,
    HOWARD,
)
unary(
    "log_sigmoid logsigmoid",
    "-log(1 + exp(-X))",
    lambda x: -np.logaddexp(0, -x),
    "dL/dZ * sigmoid(-X)",
    lambda out, x: sigmoid(-x),
    "the logarithm of the logistic function",
)
unary(
    "softsign",
    "X / (1 + abs(X))",
    lambda x: x / (1 + np.abs(x)),
    "dL/dZ / (1 + abs(X)) ** 2",
    lambda out, x: 1 / (1 + np.abs(x)) ** 2,
    "Bergstra et al., Quadratic Features and Deep Architectures for Chunking, 2009",
)
unary("tanhshrink", "X - tanh(X)", lambda x: x - np.tanh(x), "dL/dZ * tanh(X) ** 2", lambda out, x: np.tanh(x) ** 2)


def _shrinks(name: str, text: str, shift: float, source: str) -> None:
    """Zero as far as ``lambd`` from 0 (there too); past it X, or X moved towards 0."""

    def compute(x: Array, lambd: float = 0.5) -> Array:
        return np.where(np.abs(x) > lambd, x - shift * lambd * np.sign(x), 0.0)

    def local(out: Array, x: Array, lambd: float = 0.5) -> Array:
        return np.where(np.abs(x) > lambd, 1.0, 0.0)

    unary(name, text, compute, "dL/dZ * (abs(X) > lambd)", local, source)


SHRINKAGE = "Donoho and Johnstone, Ideal Spatial Adaptation by Wavelet Shrinkage, 1994"
_shrinks("hardshrink", "X * (abs(X) > lambd)", 0.0, SHRINKAGE)
_shrinks("softshrink", "sign(X) * max(abs(X) - lambd, 0)", 1.0, SHRINKAGE)
unary(
    "threshold _threshold threshold_",
    "X where X > threshold, else value",
    lambda x, threshold, value, inplace=False: np.where(x <= threshold, value, x),
    "dL/dZ * (X > threshold)",
    lambda out, x, threshold, value, inplace=False: ~(x <= threshold),
    "a choice by element",
    to_chosen,
)


def _slopes(x: Array, w: Array) -> Array:
    """One slope for all, or one for each channel (axis 1)."""
    return w.reshape(-1, *[1] * (x.ndim - 2)) if w.ndim and w.size > 1 and x.ndim > 1 else w


def _prelu_dw(g: Array, z: Array, x: Array, w: Array) -> Array:
    return unbroadcast(np.where(x > 0, 0.0, g * x), np.shape(_slopes(x, w))).reshape(w.shape)


register(
    "prelu",
    "Z = max(X, 0) + w * min(X, 0)",
    lambda x, w: np.where(x > 0, x, _slopes(x, w) * x),
    {
        "X": ("dL/dX = dL/dZ * (w where X <= 0, else 1)", lambda g, z, x, w: g * np.where(x > 0, 1.0, _slopes(x, w))),
        "w": ("dL/dw = sum(dL/dZ * min(X, 0))", _prelu_dw),
    },
    inputs="X w",
    source="He et al., Delving Deep into Rectifiers, 2015 (at 0: w)",
)


def _glu_vjp(g: Array, z: Array, x: Array, dim: int = -1) -> Array:
    a, b = np.split(x, 2, axis=dim)
    s = sigmoid(b)
    return np.concatenate([g * s, g * a * s * (1 - s)], axis=dim)


def _glu(x: Array, dim: int = -1) -> Array:
    a, b = np.split(x, 2, axis=dim)
    return np.asarray(a * sigmoid(b))


register(
    "glu",
    "Z = A * sigmoid(B), [A, B] = X",
    _glu,
    {"X": ("dL/dX = [dL/dZ * S, dL/dZ * A * S * (1 - S)], S = sigmoid(B)", _glu_vjp)},
    inputs="X",
    source="Dauphin et al., Language Modeling with Gated Convolutional Networks, 2016",
)


def _softmin_vjp(g: Array, p: Array, x: Array, dim: int = -1, **others: Any) -> Array:
    return np.asarray(-p * (g - (g * p).sum(axis=dim, keepdims=True)))


register(
    "softmin",
    "P = exp(-X) / sum(exp(-X))",
    lambda x, dim=-1, **others: softmax(-x, dim),
    {"X": ("dL/dX = -P * (dL/dP - sum(dL/dP * P))", _softmin_vjp)},
    inputs="X",
    source="the softmax of -X",
)
