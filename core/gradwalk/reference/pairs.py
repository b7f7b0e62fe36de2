"""Elementwise ops of two or three tensors; with broadcasting a VJP sums over the stretched axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import TABLE, binary, to_input
from .registry import Array, register

binary(
    "atan2 arctan2 atan2_",
    "atan2(X, Y)",
    np.arctan2,
    ("dL/dZ * Y / (X ** 2 + Y ** 2)", lambda out, x, y: y * (1 / (x**2 + y**2))),
    ("-dL/dZ * X / (X ** 2 + Y ** 2)", lambda out, x, y: -x * (1 / (x**2 + y**2))),
)
binary(
    "hypot",
    "sqrt(X ** 2 + Y ** 2)",
    np.hypot,
    ("dL/dZ * X / Z", lambda out, x, y: x / out),
    ("dL/dZ * Y / Z", lambda out, x, y: y / out),
)
binary(
    "fmod fmod_",
    "X - trunc(X / Y) * Y",
    np.fmod,
    ("dL/dZ", lambda out, x, y: 1.0),
    ("-dL/dZ * trunc(X / Y)", lambda out, x, y: -np.trunc(x / y)),
)
binary(
    "remainder mod __mod__ remainder_",
    "X - floor(X / Y) * Y",
    np.remainder,
    ("dL/dZ", lambda out, x, y: 1.0),
    ("-dL/dZ * floor(X / Y)", lambda out, x, y: -np.floor(x / y)),
)
binary(
    "logaddexp",
    "log(exp(X) + exp(Y))",
    np.logaddexp,
    ("dL/dZ / (1 + exp(Y - X))", lambda out, x, y: 1 / (1 + np.exp(y - x))),
    ("dL/dZ / (1 + exp(X - Y))", lambda out, x, y: 1 / (1 + np.exp(x - y))),
)


def _xlogy(x: Any, y: Any) -> Array:
    """0 where X is 0, whatever Y is."""
    with np.errstate(all="ignore"):
        return np.where(np.equal(x, 0), 0.0, x * np.log(y))


def _xlogy_dx(out: Array, x: Any, y: Any) -> Array:
    with np.errstate(all="ignore"):
        return np.where(np.equal(x, 0) & np.less_equal(y, 0), 0.0, np.log(y))


binary(
    "xlogy special_xlogy",
    "X * log(Y)",
    _xlogy,
    ("dL/dZ * log(Y)", _xlogy_dx),
    ("dL/dZ * X / Y", lambda out, x, y: x / y),
)
binary(
    "fmax",
    "max(X, Y)",
    np.fmax,
    ("dL/dZ * (X >= Y)", lambda out, x, y: np.greater_equal(x, y) | np.isnan(y)),
    ("dL/dZ * (Y > X)", lambda out, x, y: np.less(x, y) | np.isnan(x)),
)
binary(
    "fmin",
    "min(X, Y)",
    np.fmin,
    ("dL/dZ * (X <= Y)", lambda out, x, y: np.less_equal(x, y) | np.isnan(y)),
    ("dL/dZ * (Y < X)", lambda out, x, y: np.greater(x, y) | np.isnan(x)),
)
binary(
    "clamp_min clamp_min_",
    "max(X, Y)",
    lambda x, min: np.maximum(x, min),  # noqa: A006 (torch's name)
    ("dL/dZ * (X >= Y)", lambda out, x, min: np.greater_equal(x, min)),  # noqa: A006
    ("dL/dZ * (X < Y)", lambda out, x, min: np.less(x, min)),  # noqa: A006
)
binary(
    "clamp_max clamp_max_",
    "min(X, Y)",
    lambda x, max: np.minimum(x, max),  # noqa: A006 (torch's name)
    ("dL/dZ * (X <= Y)", lambda out, x, max: np.less_equal(x, max)),  # noqa: A006
    ("dL/dZ * (X > Y)", lambda out, x, max: np.greater(x, max)),  # noqa: A006
)
register(
    "lerp lerp_",
    "Z = X + w * (Y - X)",
    lambda x, end, weight: x + weight * (end - x),
    {
        "X": ("dL/dX = dL/dZ * (1 - w)", to_input(0, lambda out, x, end, weight: 1 - weight)),
        "Y": ("dL/dY = dL/dZ * w", to_input(1, lambda out, x, end, weight: weight)),
        "w": ("dL/dw = dL/dZ * (Y - X)", to_input(2, lambda out, x, end, weight: end - x)),
    },
    inputs="X Y w",
    source="the straight line from X to Y",
)
register(
    "addcmul addcmul_",
    "Z = b + value * X * Y",
    lambda b, x, y, value=1: b + value * x * y,
    {
        "b": ("dL/db = dL/dZ", to_input(0, lambda out, b, x, y, value=1: 1.0)),
        "X": ("dL/dX = dL/dZ * value * Y", to_input(1, lambda out, b, x, y, value=1: value * y)),
        "Y": ("dL/dY = dL/dZ * value * X", to_input(2, lambda out, b, x, y, value=1: value * x)),
    },
    inputs="b X Y",
    source=TABLE,
)
register(
    "addcdiv addcdiv_",
    "Z = b + value * X / Y",
    lambda b, x, y, value=1: b + value * x / y,
    {
        "b": ("dL/db = dL/dZ", to_input(0, lambda out, b, x, y, value=1: 1.0)),
        "X": ("dL/dX = dL/dZ * value / Y", to_input(1, lambda out, b, x, y, value=1: value / y)),
        "Y": ("dL/dY = -dL/dZ * value * X / Y ** 2", to_input(2, lambda out, b, x, y, value=1: -value * x / y**2)),
    },
    inputs="b X Y",
    source=TABLE,
)
