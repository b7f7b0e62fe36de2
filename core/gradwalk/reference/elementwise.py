"""Elementwise ops. The derivatives stand in any table of derivatives; with broadcasting a VJP sums over the stretched axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .registry import Array, Function, register, unbroadcast

TABLE = "Abramowitz and Stegun, Handbook of Mathematical Functions, 3.3 (rules for differentiation)"
erf = np.vectorize(math.erf, otypes=[np.float64])


def to_input(place: int, local: Function) -> Function:
    """The VJP ``g * local(...)`` for the input at ``place``, summed to that input's shape."""

    def vjp(g: Array, out: Array, *inputs: Any, **arguments: Any) -> Array:
        return unbroadcast(np.asarray(g * local(out, *inputs, **arguments)), np.shape(inputs[place]))

    return vjp


def to_chosen(place: int, local: Function) -> Function:
    """The same for a choice: where the local derivative is 0, 0 goes back, as in torch, also of an Inf or NaN that came in."""

    def vjp(g: Array, out: Array, *inputs: Any, **arguments: Any) -> Array:
        share = np.asarray(local(out, *inputs, **arguments))
        return unbroadcast(np.asarray(np.where(share == 0, 0.0, g) * share), np.shape(inputs[place]))

    return vjp


def binary(
    names: str, sign: str, compute: Function, dx: tuple[str, Function], dy: tuple[str, Function], to: Any = to_input
) -> None:
    """Register ``Z = sign`` of X and Y; ``dx`` and ``dy`` are the text and the local derivative (a factor of dL/dZ)."""
    gradients = {
        "X": (f"dL/dX = {dx[0]}", to(0, dx[1])),
        "Y": (f"dL/dY = {dy[0]}", to(1, dy[1])),
    }
    register(names, f"Z = {sign}", compute, gradients, inputs="X Y", source=TABLE)


def unary(
    names: str, text: str, compute: Function, gradient: str, local: Function, source: str = TABLE, to: Any = to_input
) -> None:
    """Register ``Z = text`` of X, with the local derivative (a factor of dL/dZ)."""
    register(names, f"Z = {text}", compute, {"X": (f"dL/dX = {gradient}", to(0, local))}, inputs="X", source=source)


binary(
    "add add_ iadd __add__ __radd__ __iadd__",
    "X + Y",
    lambda x, y, alpha=1: x + alpha * y,
    ("dL/dZ", lambda out, x, y, alpha=1: 1.0),
    ("dL/dZ", lambda out, x, y, alpha=1: alpha),
)
binary(
    "sub sub_ subtract isub __sub__ __isub__",
    "X - Y",
    lambda x, y, alpha=1: x - alpha * y,
    ("dL/dZ", lambda out, x, y, alpha=1: 1.0),
    ("-dL/dZ", lambda out, x, y, alpha=1: -alpha),
)
binary(
    "rsub __rsub__",
    "Y - X",
    lambda x, y, alpha=1: y - alpha * x,
    ("-dL/dZ", lambda out, x, y, alpha=1: -alpha),
    ("dL/dZ", lambda out, x, y, alpha=1: 1.0),
)
binary(
    "mul mul_ multiply imul __mul__ __rmul__ __imul__",
    "X * Y",
    lambda x, y: x * y,
    ("dL/dZ * Y", lambda out, x, y: y),
    ("dL/dZ * X", lambda out, x, y: x),
)


def _divided(x: Any, y: Any, rounding_mode: str | None = None) -> Array:
    """Rounded towards 0 (``trunc``) or down (``floor``) where torch is asked to."""
    quotient = np.asarray(x / y)
    return {"trunc": np.trunc, "floor": np.floor}[rounding_mode](quotient) if rounding_mode else quotient


binary(
    "div div_ true_divide divide truediv __truediv__ __itruediv__",
    "X / Y",
    _divided,
    ("dL/dZ / Y", lambda out, x, y, rounding_mode=None: 0.0 if rounding_mode else 1.0 / y),
    ("-dL/dZ * Z / Y", lambda out, x, y, rounding_mode=None: 0.0 if rounding_mode else -out / y),
)
binary(
    "rdiv __rtruediv__",
    "Y / X",
    lambda x, y: y / x,
    ("-dL/dZ * Y / X ** 2", lambda out, x, y: -y * (1 / x) ** 2),
    ("dL/dZ / X", lambda out, x, y: 1.0 / x),
)
binary(
    "maximum",
    "max(X, Y)",
    np.maximum,
    ("dL/dZ * (X > Y)", lambda out, x, y: (x > y) + 0.5 * (x == y)),
    ("dL/dZ * (Y > X)", lambda out, x, y: (y > x) + 0.5 * (x == y)),
    to_chosen,
)
binary(
    "minimum",
    "min(X, Y)",
    np.minimum,
    ("dL/dZ * (X < Y)", lambda out, x, y: (x < y) + 0.5 * (x == y)),
    ("dL/dZ * (Y < X)", lambda out, x, y: (y < x) + 0.5 * (x == y)),
    to_chosen,
)


def _power(x: Array, exponent: Any = 2) -> Array:
    return np.asarray(np.power(x, exponent))


def _power_dx(out: Array, x: Array, exponent: Any = 2) -> Array:
    with np.errstate(all="ignore"):
        base = np.asarray(x) if np.asarray(x).dtype.kind == "f" else np.asarray(x, float)
        return np.where(np.equal(exponent, 0), 0.0, exponent * np.power(base, exponent - 1.0))


def _power_dn(out: Array, x: Array, exponent: Any = 2) -> Array:
    with np.errstate(all="ignore"):
        return np.where(np.equal(x, 0) & np.greater_equal(exponent, 0), 0.0, out * np.log(x))


register(
    "pow pow_ power __pow__ ipow __ipow__ float_power float_power_",
    "Z = X ** n",
    _power,
    {
        "X": ("dL/dX = dL/dZ * n * X ** (n - 1)", to_input(0, _power_dx)),
        "n": ("dL/dn = dL/dZ * Z * log(X)", to_input(1, _power_dn)),
    },
    inputs="X n",
    source=TABLE,
)
binary(
    "rpow __rpow__",
    "Y ** X",
    lambda x, y: np.power(y, x),
    ("dL/dZ * Z * log(Y)", lambda out, x, y: _power_dn(out, y, x)),
    ("dL/dZ * X * Y ** (X - 1)", lambda out, x, y: _power_dx(out, y, x)),
)
unary("reciprocal reciprocal_", "1 / X", np.reciprocal, "-dL/dZ * Z ** 2", lambda out, x: -(out**2))
unary("rsqrt rsqrt_", "1 / sqrt(X)", lambda x: 1 / np.sqrt(x), "-dL/dZ * Z ** 3 / 2", lambda out, x: -(out**3) / 2)
unary("square square_", "X ** 2", np.square, "dL/dZ * 2 * X", lambda out, x: 2 * x)
unary("neg neg_ negative __neg__", "-X", np.negative, "-dL/dZ", lambda out, x: -1.0)
unary("exp exp_", "exp(X)", np.exp, "dL/dZ * Z", lambda out, x: out)
unary("log log_", "log(X)", np.log, "dL/dZ / X", lambda out, x: 1 / x)
unary("sqrt sqrt_", "sqrt(X)", np.sqrt, "dL/dZ / (2 * Z)", lambda out, x: 1 / (2 * out))
unary("abs abs_ absolute __abs__", "abs(X)", np.abs, "dL/dZ * sign(X)", lambda out, x: np.sign(x))
unary("tanh tanh_", "tanh(X)", np.tanh, "dL/dZ * (1 - Z ** 2)", lambda out, x: 1 - out**2)


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


unary("sigmoid sigmoid_", "1 / (1 + exp(-X))", sigmoid, "dL/dZ * Z * (1 - Z)", lambda out, x: out * (1 - out))
unary(
    "relu relu_",
    "max(X, 0)",
    lambda x, inplace=False: np.maximum(x, 0),
    "dL/dZ * (X > 0)",
    lambda out, x, inplace=False: ~(x <= 0),
    "Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, 2010",
    to_chosen,
)


def _clamp(x: Array, min: Any = None, max: Any = None) -> Array:  # noqa: A002 (torch's names)
    """Where the bounds cross, the upper one wins."""
    above = x if min is None else np.maximum(x, min)
    return np.asarray(above if max is None else np.minimum(above, max))


def _clamp_local(out: Array, x: Array, min: Any = None, max: Any = None) -> Array:  # noqa: A002 (torch's names)
    """At a bound the gradient passes, as in torch."""
    inside = np.ones(np.shape(out))
    if min is not None:
        inside = inside * (x >= min)
    return inside if max is None else inside * (x <= max)


def _below(out: Array, x: Array, min: Any = None, max: Any = None) -> Array:  # noqa: A002
    return np.asarray(np.less(x, min) & (True if max is None else np.less(min, max)))


def _above(out: Array, x: Array, min: Any = None, max: Any = None) -> Array:  # noqa: A002
    return np.asarray(np.greater(x, max) | (False if min is None else np.less(max, min)))


register(
    "clamp clamp_ clip clip_",
    "Z = min(max(X, lo), hi)",
    _clamp,
    {
        "X": ("dL/dX = dL/dZ * (lo <= X <= hi)", to_chosen(0, _clamp_local)),
        "lo": ("dL/dlo = dL/dZ * (X < lo)", to_chosen(1, _below)),
        "hi": ("dL/dhi = dL/dZ * (X > hi)", to_chosen(2, _above)),
    },
    inputs="X lo hi",
    source="a choice by element (at a bound: the slope of X)",
)


def _silu_local(out: Array, x: Array, inplace: bool = False) -> Array:
    return sigmoid(x) * (1 + x * (1 - sigmoid(x)))


unary(
    "silu silu_",
    "X * sigmoid(X)",
    lambda x, inplace=False: x * sigmoid(x),
    "dL/dZ * sigmoid(X) * (1 + X * (1 - sigmoid(X)))",
    _silu_local,
    "Elfwing, Uchibe and Doya, Sigmoid-Weighted Linear Units, 2017",
)


def _normal_cdf(x: Array) -> Array:
    return np.asarray(0.5 * (1 + erf(x / np.sqrt(2))))


def _normal_density(x: Array) -> Array:
    return np.asarray(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def _tanh_near(x: Array) -> Array:
    return np.asarray(np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _tanh_cdf(x: Array) -> Array:
    """The usual approximation of the normal distribution, ``approximate="tanh"`` in torch."""
    return np.asarray(0.5 * (1 + _tanh_near(x)))


def tanh_slope(x: Array) -> Array:
    """The derivative of what :func:`_tanh_near` takes the tanh of."""
    return np.asarray(np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2))


def _tanh_density(x: Array) -> Array:
    """The derivative of :func:`_tanh_cdf`."""
    return np.asarray(0.5 * tanh_slope(x) * (1 - _tanh_near(x) ** 2))


def _gelu(x: Array, approximate: str = "none") -> Array:
    return x * (_normal_cdf(x) if approximate == "none" else _tanh_cdf(x))


def _gelu_local(out: Array, x: Array, approximate: str = "none") -> Array:
    cdf, density = (_normal_cdf, _normal_density) if approximate == "none" else (_tanh_cdf, _tanh_density)
    return cdf(x) + x * density(x)


unary(
    "gelu",
    "X * Phi(X)",
    _gelu,
    "dL/dZ * (Phi(X) + X * phi(X))",
    _gelu_local,
    "Hendrycks and Gimpel, Gaussian Error Linear Units, 2016 (Phi, phi: the normal distribution and its density)",
)

register(
    "where",
    "Z = c * X + (1 - c) * Y",
    np.where,
    {
        "X": ("dL/dX = dL/dZ * c", lambda g, out, c, x, y: unbroadcast(np.where(c, g, 0.0), np.shape(x))),
        "Y": ("dL/dY = dL/dZ * (1 - c)", lambda g, out, c, x, y: unbroadcast(np.where(c, 0.0, g), np.shape(y))),
    },
    inputs="c X Y",
    source="a choice by a constant condition c is linear in X and in Y",
)
register(
    "masked_fill masked_fill_",
    "Z = (1 - m) * X + m * v",
    lambda x, mask, value: np.where(mask, value, x),
    {
        "X": ("dL/dX = dL/dZ * (1 - m)", lambda g, out, x, mask, value: unbroadcast(np.where(mask, 0.0, g), np.shape(x))),
        "v": ("dL/dv = sum(dL/dZ * m)", lambda g, out, x, mask, value: unbroadcast(np.where(mask, g, 0.0), np.shape(value))),
    },
    inputs="X m v",
    source="a choice by a constant mask m is linear in X and in v",
)
