"""Stochastic arithmetic: a formula is run with every result of an inexact operation off by a small random part of itself.

Parker, Monte Carlo Arithmetic, 1997. How far the results spread tells how many roundings a formula has and what they do to it.
"""

from __future__ import annotations

import importlib
import types
from contextlib import contextmanager

import numpy as np

from gradwalk.reference.registry import THEMES

UNIT = 2.0**-30
"""By this part of itself a result is off: the unit roundoff of this arithmetic."""
EXACT = frozenset(
    (
        *("negative", "positive", "absolute", "fabs", "sign", "floor", "ceil", "trunc", "rint"),
        *("maximum", "minimum", "clip", "fmax", "fmin"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isfinite", "isnan", "isinf", "signbit"),
        *("logical_and", "logical_or", "logical_not", "logical_xor", "bitwise_and", "bitwise_or", "invert", "copysign"),
        *("fmod", "remainder", "floor_divide", "conjugate"),
    )
)  # fmt: skip
FUNCTIONS = frozenset(
    (
        *("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "power", "logaddexp", "erf (vectorized)", "hypot", "arctan2"),
        *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
    )
)
"""Off by one unit in the last place, twice ``UNIT``, as the libraries that torch calls on a CPU document it."""
SUMS = (np.einsum, np.tensordot, np.dot, np.inner, np.outer, np.bincount, np.trace)
"""What NumPy makes outside of its ufuncs; so are all of ``np.linalg``."""


class Rounding:
    """How results are rounded. ``count`` is in how many operations."""

    def __init__(self, seed):
        self.random, self.count = np.random.default_rng(seed), 0

    def of(self, result, exact=False, units=1.0):
        """``result``, off by plus or minus ``units`` times ``UNIT`` of itself where it is not ``exact``."""
        if np.all(exact):
            return result
        self.count += 1
        signs = self.random.integers(0, 2, np.shape(result)) * 2.0 - 1
        return result + np.where(exact, 0.0, signs * (units * UNIT)) * result


class Rounded(np.ndarray):
    """An array whose operations round."""

    rounding = None

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **named):
        inputs = [plain(x) for x in inputs]
        if "where" in named and out is not None:
            named["out"] = plain(out[0]).copy()
        made = getattr(ufunc, method)(*inputs, **named)
        if method == "at":
            return None
        if isinstance(made, tuple):
            return tuple(map(rounded, made))
        if np.asarray(made).dtype.kind in "fO" and ufunc.__name__ not in EXACT:
            made = self.rounding.of(made, exact(ufunc, method, inputs), 2.0 if ufunc.__name__ in FUNCTIONS else 1.0)
        if out is None:
            return rounded(made)
        plain(out[0])[...] = made
        return out[0]

    def __array_function__(self, function, types, args, named):
        if function in SUMS or getattr(function, "__module__", "") == "numpy.linalg":
            made = function(*map(bare, args), **{name: bare(x) for name, x in named.items()})
            return wrapped(made, lambda x: rounded(self.rounding.of(x)))
        return wrapped(super().__array_function__(function, types, args, named), rounded)


def exact(ufunc, method, inputs):
    """Where an operation gives what it should: a sum with 0, a product with a power of 2, a sum of one term."""
    if method in ("reduce", "accumulate"):
        return np.size(inputs[0]) <= 1
    if ufunc in (np.add, np.subtract):
        return (inputs[0] == 0) | (inputs[1] == 0)
    if ufunc is np.multiply:
        return simple(inputs[0]) | simple(inputs[1])
    if ufunc in (np.divide, np.true_divide):
        return simple(inputs[1]) | (inputs[0] == 0)
    if ufunc is np.power:
        return np.equal(inputs[1], 1) | np.equal(inputs[1], 0)
    return False


def simple(x):
    """Where a number is 0 or a power of 2."""
    half, _ = np.frexp(np.asarray(x, np.float64))
    return (np.abs(half) == 0.5) | (half == 0)


def plain(x):
    return x.view(np.ndarray) if isinstance(x, Rounded) else x


def bare(x):
    return wrapped(x, plain)


def rounded(x):
    return np.asarray(x).view(Rounded) if np.asarray(x).dtype.kind in "fO" else x


def wrapped(made, wrap):
    """``wrap`` of an array or number, or of each in a list or tuple (a named one of ``np.linalg`` too)."""
    if isinstance(made, tuple | list):
        parts = [wrapped(part, wrap) for part in made]
        return type(made)(*parts) if hasattr(made, "_fields") else type(made)(parts)
    return wrap(made) if isinstance(made, np.ndarray | np.floating) else made


class Numpy(types.ModuleType):
    """NumPy for the formulas, in which ``asarray`` and ``array`` keep what they are given as it is."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def asarray(x, dtype=None):
        return np.asanyarray(x, dtype)

    @staticmethod
    def array(x, dtype=None):
        return np.array(x, dtype, subok=True)


@contextmanager
def stochastic():
    """The formulas keep ``Rounded`` arrays while this lasts."""
    modules = [importlib.import_module(f"gradwalk.reference.{theme}") for theme in THEMES]
    modules = [module for module in modules if getattr(module, "np", None) is np]
    kind = Numpy("numpy")
    for module in modules:
        module.np = kind
    try:
        yield
    finally:
        for module in modules:
            module.np = np
