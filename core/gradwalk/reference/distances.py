"""Losses of two tensors, element by element: ``reduction`` is mean (default), sum or none; with broadcasting a VJP sums.

A ``weight`` multiplies each element's loss; the mean then divides by the sum of the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .registry import Array, Function, register, unbroadcast

SQUARES = "Gauss, least squares; the derivative of the square"


def _mean_over(count: int, weight: Any, over_weights: bool) -> float:
    return float(np.sum(weight)) if over_weights and weight is not None else float(count)


def reduced(each: Array, reduction: str, weight: Any = None, over_weights: bool = False) -> Array:
    """The losses of all elements as torch reduces them."""
    lost = np.asarray(each if weight is None else each * weight)
    if reduction == "none":
        return lost
    return np.asarray(lost.sum() / (_mean_over(each.size, weight, over_weights) if reduction == "mean" else 1))


def incoming(g: Array, each: Array, reduction: str, weight: Any = None, over_weights: bool = False) -> Array:
    """dL/d of each element's loss."""
    share = g / _mean_over(each.size, weight, over_weights) if reduction == "mean" else g
    return np.broadcast_to(np.asarray(share if weight is None else share * weight), each.shape)


def compared(
    names: str, text: str, error: Function, dx: tuple[str, Function], dy: tuple[str, Function] | None = None, *, source: str,
    symbols: str = "X Y", by_target: bool = True,
) -> None:  # fmt: skip
    """Register a loss that is a mean of ``error(x, y, ...)`` with its derivatives by x and by y.

    Without ``dy`` that by y is the negative of that by x, or, where not ``by_target``, there is none.
    """

    def compute(x: Array, y: Array, *, reduction: str = "mean", **named: Any) -> Array:
        return reduced(np.asarray(error(x, y, **named)), reduction)

    def back(place: int, local: Function) -> Function:
        def vjp(g: Array, z: Array, x: Array, y: Array, *, reduction: str = "mean", **named: Any) -> Array:
            slope = np.broadcast_to(local(x, y, **named), np.broadcast_shapes(np.shape(x), np.shape(y)))
            return unbroadcast(incoming(g, slope, reduction) * slope, np.shape((x, y)[place]))

        return vjp

    register(names, f"l = mean({text})", compute, _texts(symbols, dx, dy, by_target, back), inputs=symbols, source=source)


def weighed(
    names: str, text: str, error: Function, dx: tuple[str, Function], dy: tuple[str, Function] | None = None, *, source: str,
    symbols: str = "X Y w", over_weights: bool = True,
) -> None:  # fmt: skip
    """The same with a weight for each element; ``over_weights``: the mean divides by the sum of the weights."""

    def compute(x: Array, y: Array, weight: Any = None, *, reduction: str = "mean", **named: Any) -> Array:
        return reduced(np.asarray(error(x, y, **named)), reduction, weight, over_weights)

    def back(place: int, local: Function) -> Function:
        def vjp(g: Array, z: Array, x: Array, y: Array, weight: Any = None, *, reduction: str = "mean", **named: Any) -> Array:
            slope = np.broadcast_to(local(x, y, **named), np.broadcast_shapes(np.shape(x), np.shape(y)))
            return unbroadcast(incoming(g, slope, reduction, weight, over_weights) * slope, np.shape((x, y)[place]))

        return vjp

    register(names, f"l = mean({text})", compute, _texts(symbols, dx, dy, True, back), inputs=symbols, source=source)


def _texts(
    symbols: str, dx: tuple[str, Function], dy: tuple[str, Function] | None, by_target: bool, back: Function
) -> dict[str, tuple[str, Function]]:
    """The gradients of a loss: text and VJP by symbol."""
    first, second = symbols.split()[:2]
    gradients = {first: (f"dL/d{first} = dL/dl * {dx[0]} / N", back(0, dx[1]))}
    if dy is not None:
        gradients[second] = (f"dL/d{second} = dL/dl * {dy[0]} / N", back(1, dy[1]))
    elif by_target:
        negative = back(1, lambda x, y, **named: -np.asarray(dx[1](x, y, **named)))
        gradients[second] = (f"dL/d{second} = -dL/dl * {dx[0]} / N", negative)
    return gradients


weighed(
    "mse_loss",
    "(X - Y) ** 2",
    lambda x, y: (x - y) ** 2,
    ("2 * (X - Y)", lambda x, y: 2 * (x - y)),
    source=SQUARES,
)
weighed(
    "l1_loss",
    "abs(X - Y)",
    lambda x, y: np.abs(x - y),
    ("sign(X - Y)", lambda x, y: np.sign(x - y)),
    source="Laplace, least absolute deviations (where X is Y: 0)",
)


def _huber(x: Array, y: Array, delta: float = 1.0) -> Array:
    d = np.abs(x - y)
    return np.where(d < delta, d**2 / 2, delta * (d - delta / 2))


weighed(
    "huber_loss",
    "(X - Y) ** 2 / 2 where abs(X - Y) < delta, else delta * (abs(X - Y) - delta / 2)",
    _huber,
    ("min(max(X - Y, -delta), delta)", lambda x, y, delta=1.0: np.clip(x - y, -delta, delta)),
    over_weights=False,
    source="Huber, Robust Estimation of a Location Parameter, 1964",
)


def _smooth(x: Array, y: Array, beta: float = 1.0) -> Array:
    """With ``beta = 0`` the absolute error."""
    return np.abs(x - y) if beta == 0 else _huber(x, y, beta) / beta


def _smooth_slope(x: Array, y: Array, beta: float = 1.0) -> Array:
    return np.sign(x - y) if beta == 0 else np.clip(x - y, -beta, beta) / beta


compared(
    "smooth_l1_loss",
    "(X - Y) ** 2 / (2 * beta) where abs(X - Y) < beta, else abs(X - Y) - beta / 2",
    _smooth,
    ("min(max(X - Y, -beta), beta) / beta", _smooth_slope),
    source="Girshick, Fast R-CNN, 2015, equation 3",
)


def _soft_margin(x: Array, y: Array) -> Array:
    return np.logaddexp(0, -x * y)


def _soft_margin_slope(x: Array, y: Array) -> Array:
    return -y * np.exp(-np.logaddexp(0, x * y))


compared(
    "soft_margin_loss",
    "log(1 + exp(-X * t))",
    _soft_margin,
    ("-t / (1 + exp(X * t))", _soft_margin_slope),
    by_target=False,
    symbols="X t",
    source="Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, 10.5 (binomial deviance)",
)


def _hinge(x: Array, y: Array, margin: float = 1.0) -> Array:
    """Of a target 1 it is X, of -1 how far X is from the margin."""
    return np.where(np.equal(y, 1), 0.0, np.maximum(margin - x, 0)) + np.where(np.equal(y, -1), 0.0, x)


def _hinge_slope(x: Array, y: Array, margin: float = 1.0) -> Array:
    """At the margin: the slope of ``margin - X``."""
    return np.where(np.equal(y, 1), 0.0, -1.0 * (margin - x >= 0)) + np.where(np.equal(y, -1), 0.0, 1.0)


compared(
    "hinge_embedding_loss",
    "X where t = 1, max(margin - X, 0) where t = -1",
    _hinge,
    ("(1 where t = 1, -(X <= margin) where t = -1)", _hinge_slope),
    by_target=False,
    symbols="X t",
    source="Hadsell, Chopra and LeCun, Dimensionality Reduction by Learning an Invariant Mapping, 2006",
)
