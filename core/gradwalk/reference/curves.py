"""Functions of one number, element by element: trigonometric, hyperbolic, exponential, and the steps that have no slope."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .elementwise import erf, sigmoid, unary
from .registry import Array

INVERSE = "Abramowitz and Stegun, Handbook of Mathematical Functions, 4.4 and 4.6 (inverse functions)"
FLAT = "constant between its jumps; at a jump torch takes 0 too"
ROOT_PI = 2 / math.sqrt(math.pi)

unary("sin sin_", "sin(X)", np.sin, "dL/dZ * cos(X)", lambda out, x: np.cos(x))
unary("cos cos_", "cos(X)", np.cos, "-dL/dZ * sin(X)", lambda out, x: -np.sin(x))
unary("tan tan_", "tan(X)", np.tan, "dL/dZ * (1 + Z ** 2)", lambda out, x: 1 + out**2)
unary("asin arcsin asin_", "asin(X)", np.arcsin, "dL/dZ / sqrt(1 - X ** 2)", lambda out, x: 1 / np.sqrt(1 - x**2), INVERSE)
unary("acos arccos acos_", "acos(X)", np.arccos, "-dL/dZ / sqrt(1 - X ** 2)", lambda out, x: -1 / np.sqrt(1 - x**2), INVERSE)
unary("atan arctan atan_", "atan(X)", np.arctan, "dL/dZ / (1 + X ** 2)", lambda out, x: 1 / (1 + x**2), INVERSE)
unary("sinh sinh_", "sinh(X)", np.sinh, "dL/dZ * cosh(X)", lambda out, x: np.cosh(x))
unary("cosh cosh_", "cosh(X)", np.cosh, "dL/dZ * sinh(X)", lambda out, x: np.sinh(x))
unary("asinh arcsinh", "asinh(X)", np.arcsinh, "dL/dZ / sqrt(X ** 2 + 1)", lambda out, x: 1 / np.sqrt(x**2 + 1), INVERSE)
unary("acosh arccosh", "acosh(X)", np.arccosh, "dL/dZ / sqrt(X ** 2 - 1)", lambda out, x: 1 / np.sqrt(x**2 - 1), INVERSE)
unary("atanh arctanh", "atanh(X)", np.arctanh, "dL/dZ / (1 - X ** 2)", lambda out, x: 1 / (1 - x**2), INVERSE)
unary("exp2 special_exp2", "2 ** X", np.exp2, "dL/dZ * Z * log(2)", lambda out, x: out * math.log(2))
unary("expm1 special_expm1", "exp(X) - 1", np.expm1, "dL/dZ * (Z + 1)", lambda out, x: out + 1)
unary("log1p log1p_ special_log1p", "log(1 + X)", np.log1p, "dL/dZ / (1 + X)", lambda out, x: 1 / (1 + x))
unary("log2 log2_", "log(X) / log(2)", np.log2, "dL/dZ / (X * log(2))", lambda out, x: 1 / (x * math.log(2)))
unary("log10 log10_", "log(X) / log(10)", np.log10, "dL/dZ / (X * log(10))", lambda out, x: 1 / (x * math.log(10)))
unary(
    "erf erf_ special_erf",
    "erf(X)",
    erf,
    "dL/dZ * 2 / sqrt(pi) * exp(-X ** 2)",
    lambda out, x: ROOT_PI * np.exp(-(x**2)),
    "Abramowitz and Stegun, 7.1.1 (the integral whose derivative this is)",
)
unary(
    "erfc special_erfc",
    "1 - erf(X)",
    lambda x: 1 - erf(x),
    "-dL/dZ * 2 / sqrt(pi) * exp(-X ** 2)",
    lambda out, x: -ROOT_PI * np.exp(-(x**2)),
    "Abramowitz and Stegun, 7.1.2",
)
unary("special_expit", "1 / (1 + exp(-X))", sigmoid, "dL/dZ * Z * (1 - Z)", lambda out, x: out * (1 - out))


def _logit(x: Array, eps: float | None = None, hi: float | None = None) -> Array:
    """With ``eps`` of a probability that is kept between eps and 1 - eps (``hi``, as it is in a dtype).

    Where eps is the upper one of the two, the lower bound goes first, as in torch.
    """
    if eps is None:
        p = x
    else:
        hi = 1 - eps if hi is None else hi
        p = np.where(x < eps, eps, np.where(x > hi, hi, x))
    return np.asarray(np.log(p / (1 - p)))


def _logit_local(out: Array, x: Array, eps: float | None = None, hi: float | None = None) -> Array:
    """Outside of the bounds there is no slope; at a bound there is, as in torch."""
    with np.errstate(divide="ignore"):
        slope = 1 / (x * (1 - x))
    return slope if eps is None else np.where((x >= eps) & (x <= (1 - eps if hi is None else hi)), slope, 0.0)


unary("logit special_logit", "log(X / (1 - X))", _logit, "dL/dZ / (X * (1 - X))", _logit_local)


def _round(x: Array, decimals: int = 0) -> Array:
    return np.asarray(np.round(x, decimals))


for _name, _compute in (("sign sgn sign_", np.sign), ("floor floor_", np.floor), ("ceil ceil_", np.ceil)):
    unary(_name, f"{_name.split()[0]}(X)", _compute, "0 * dL/dZ", lambda out, x: 0.0, FLAT)
unary("trunc fix trunc_", "trunc(X)", np.trunc, "0 * dL/dZ", lambda out, x: 0.0, FLAT)
unary("round round_", "round(X)", _round, "0 * dL/dZ", lambda out, x, decimals=0: 0.0, FLAT)
unary("frac frac_", "X - trunc(X)", lambda x: x - np.trunc(x), "dL/dZ", lambda out, x: 1.0)


def _nan_to_num(x: Array, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Array:
    """Without a number for it, NaN becomes 0 and an infinity the largest number (float64 here) of its sign."""
    return np.asarray(np.nan_to_num(x, nan=nan or 0.0, posinf=posinf, neginf=neginf))


def _finite(out: Array, x: Array, *others: Any, **named: Any) -> Array:
    return np.isfinite(x)


unary("nan_to_num nan_to_num_", "X where finite", _nan_to_num, "dL/dZ * isfinite(X)", _finite, "a choice by element; linear")
