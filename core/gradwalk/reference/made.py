"""Tensors that are made of numbers alone: there is no input, so no gradient. ``others`` change no number (``device``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .registry import Array, Function, register

DRAWN = frozenset(
    (
        *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "bernoulli", "normal", "poisson"),
        *("multinomial", "uniform_", "normal_", "random_", "bernoulli_", "exponential_", "geometric_", "cauchy_", "log_normal_"),
    )
)
"""Ops whose output is random: there is nothing to compare it with."""
CONSTANT = "made of numbers among the arguments, which have no gradient"


def _made(names: str, text: str, compute: Function) -> None:
    register(names, f"Z = {text}", compute, {}, inputs="", source=CONSTANT)


def _arange(end: float, start: float = 0, step: float = 1, **others: Any) -> Array:
    """``ceil((end - start) / step)`` numbers; end is not one of them."""
    return np.asarray(start + step * np.arange(np.ceil((end - start) / step)))


def _linspace(start: float, end: float, steps: int, dtype: Any = None, **others: Any) -> Array:
    if dtype is not None and "float" not in str(dtype):
        raise ValueError("a linspace of whole numbers has no formula: torch cuts off what it has rounded")
    return np.linspace(start, end, steps)


def _data(data: Any = None, *, t: Any = None, s: Any = None, **others: Any) -> Array:
    """The numbers of nested sequences; ``t`` and ``s`` are torch's names for a single one."""
    known = [one for one in (data, t, s) if one is not None]
    if not known:
        raise ValueError("what the tensor is made of is not recorded")
    return np.asarray(known[0])


_made("arange", "arange(start, end, step)", _arange)
_made("linspace", "linspace(start, end, steps)", _linspace)
_made("zeros", "zeros(size)", lambda size, **others: np.zeros(size))
_made("ones", "ones(size)", lambda size, **others: np.ones(size))
_made("full", "full(size, fill_value)", lambda size, fill_value, **others: np.full(size, fill_value))
_made("eye", "eye(n, m)", lambda n, m=None, **others: np.eye(n, m))
_made("tensor as_tensor scalar_tensor", "array(data)", _data)
