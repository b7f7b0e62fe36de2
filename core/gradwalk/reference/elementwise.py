"""Elementwise ops. The derivatives stand in any table of derivatives; with broadcasting a VJP sums over the stretched axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .registry import Array, Function, register, unbroadcast

TABLE = "Abramowitz and Stegun, Handbook of Mathematical Functions, 3.3 (rules for differentiation)"
_erf = np.vectorize(math.erf, otypes=[np.float64])


def _to(shape_of: int, local: Function) -> Function:
    """The VJP ``g * local(...)`` for the input at place ``shape_of`` of (x, y), summed to its shape."""

    def vjp(g: Array, out: Array, *inputs: Any, **arguments: Any) -> Array:
        return unbroadcast(np.asarray(g * local(out, *inputs, **arguments)), np.shape(inputs[shape_of]))

    return vjp


def _binary(names: str, sign: str, compute: Function, dx: tuple[str, Function], dy: tuple[str, Function]) -> None:
    gradients = {
        "X": (f"dL/dX = {dx[0]}", _to(0, dx[1])),
        "Y": (f"dL/dY = {dy[0]}", _to(1, dy[1])),
    }
    register(names, f"Z = {sign}", compute, gradients, inputs="X Y", source=TABLE)


def _unary(names: str, text: str, compute: Function, gradient: str, local: Function, source: str = TABLE) -> None:
    register(names, f"Z = {text}", compute, {"X": (f"dL/dX = {gradient}", _to(0, local))}, inputs="X", source=source)


_binary(
    "add add_ iadd __add__ __radd__ __iadd__",
    "X + Y",
    lambda x, y, alpha=1: x + alpha * y,
    ("dL/dZ", lambda out, x, y, alpha=1: 1.0),
    ("dL/dZ", lambda out, x, y, alpha=1: alpha),
)
_binary(
    "sub sub_ subtract isub __sub__ __isub__",
    "X - Y",
    lambda x, y, alpha=1: x - alpha * y,
    ("dL/dZ", lambda out, x, y, alpha=1: 1.0),
    ("-dL/dZ", lambda out, x, y, alpha=1: -alpha),
)
_binary(
    "rsub __rsub__",
    "Y - X",
    lambda x, y: y - x,
    ("-dL/dZ", lambda out, x, y: -1.0),
    ("dL/dZ", lambda out, x, y: 1.0),
)
_binary(
    "mul mul_ multiply imul __mul__ __rmul__ __imul__",
    "X * Y",
    lambda x, y: x * y,
    ("dL/dZ * Y", lambda out, x, y: y),
    ("dL/dZ * X", lambda out, x, y: x),
)
_binary(
    "div div_ true_divide divide truediv __truediv__ __itruediv__",
    "X / Y",
    lambda x, y: x / y,
    ("dL/dZ / Y", lambda out, x, y: 1.0 / y),
    ("-dL/dZ * Z / Y", lambda out, x, y: -out / y),
)
_binary(
    "maximum",
    "max(X, Y)",
    np.maximum,
    ("dL/dZ * (X > Y)", lambda out, x, y: (x > y) + 0.5 * (x == y)),
    ("dL/dZ * (Y > X)", lambda out, x, y: (y > x) + 0.5 * (x == y)),
)
_binary(
    "minimum",
    "min(X, Y)",
    np.minimum,
    ("dL/dZ * (X < Y)", lambda out, x, y: (x < y) + 0.5 * (x == y)),
    ("dL/dZ * (Y < X)", lambda out, x, y: (y < x) + 0.5 * (x == y)),
)


def _power(x: Array, exponent: Any = 2) -> Array:
    return np.asarray(np.power(x, exponent))


def _power_local(out: Array, x: Array, exponent: Any = 2) -> Array:
    return np.asarray(exponent * np.power(x, exponent - 1)) if np.any(exponent) else np.zeros_like(x)


_unary("pow pow_ power __pow__", "X ** n", _power, "dL/dZ * n * X ** (n - 1)", _power_local)
_unary("square", "X ** 2", np.square, "dL/dZ * 2 * X", lambda out, x: 2 * x)
_unary("neg negative __neg__", "-X", np.negative, "-dL/dZ", lambda out, x: -1.0)
_unary("exp exp_", "exp(X)", np.exp, "dL/dZ * Z", lambda out, x: out)
_unary("log log_", "log(X)", np.log, "dL/dZ / X", lambda out, x: 1 / x)
_unary("sqrt sqrt_", "sqrt(X)", np.sqrt, "dL/dZ / (2 * Z)", lambda out, x: 1 / (2 * out))
_unary("abs abs_ absolute __abs__", "abs(X)", np.abs, "dL/dZ * sign(X)", lambda out, x: np.sign(x))
_unary("tanh tanh_", "tanh(X)", np.tanh, "dL/dZ * (1 - Z ** 2)", lambda out, x: 1 - out**2)


def _sigmoid(x: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


_unary("sigmoid sigmoid_", "1 / (1 + exp(-X))", _sigmoid, "dL/dZ * Z * (1 - Z)", lambda out, x: out * (1 - out))
_unary(
    "relu relu_",
    "max(X, 0)",
    lambda x, inplace=False: np.maximum(x, 0),
    "dL/dZ * (X > 0)",
    lambda out, x, inplace=False: x > 0,
    "Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, 2010",
)


def _clamp(x: Array, min: Any = None, max: Any = None) -> Array:  # noqa: A002 (torch's names)
    return np.asarray(np.clip(x, min, max))


def _clamp_local(out: Array, x: Array, min: Any = None, max: Any = None) -> Array:  # noqa: A002 (torch's names)
    inside = np.ones_like(x)
    if min is not None:
        inside = inside * (x >= min)
    return inside if max is None else inside * (x <= max)


_unary("clamp clamp_ clip clip_", "min(max(X, lo), hi)", _clamp, "dL/dZ * (lo <= X <= hi)", _clamp_local)


def _silu_local(out: Array, x: Array, inplace: bool = False) -> Array:
    return _sigmoid(x) * (1 + x * (1 - _sigmoid(x)))


_unary(
    "silu silu_",
    "X * sigmoid(X)",
    lambda x, inplace=False: x * _sigmoid(x),
    "dL/dZ * sigmoid(X) * (1 + X * (1 - sigmoid(X)))",
    _silu_local,
    "Elfwing, Uchibe and Doya, Sigmoid-Weighted Linear Units, 2017",
)


def _normal_cdf(x: Array) -> Array:
    return np.asarray(0.5 * (1 + _erf(x / np.sqrt(2))))


def _gelu_local(out: Array, x: Array) -> Array:
    return np.asarray(_normal_cdf(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


_unary(
    "gelu",
    "X * Phi(X)",
    lambda x: x * _normal_cdf(x),
    "dL/dZ * (Phi(X) + X * phi(X))",
    _gelu_local,
    "Hendrycks and Gimpel, Gaussian Error Linear Units, 2016 (Phi, phi: the normal distribution and its density)",
)
