"""One element of a gradient, written out: dL/dX[i] = sum over j of dL/dZ[j] * dZ[j]/dX[i], incoming times local.

A product of matrices is written out as its formula says (``dL/dW = X.T @ dL/dZ``). Any other op is asked with unit vectors: a VJP
is linear in dL/dZ, so that of the j-th unit vector is dZ[j]/dX[i]. The places j that matter are found by halving.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .bound import Bound
from .registry import Array

Place = tuple[int, ...]
WORK = 10_000_000
"""Elements that may be computed with unit vectors for one element; some tenths of a second."""
_PRODUCT = re.compile(r"= (dL/d\w+|\w+)(\.T)? @ (dL/d\w+|\w+)(\.T)?$")


@dataclass(frozen=True, slots=True)
class Term:
    """``incoming * local``; ``incoming`` is dL/dZ at ``place``. ``factor`` names the element that ``local`` is, if it is one."""

    place: Place
    incoming: float
    local: float
    factor: tuple[str, Place] | None = None

    @property
    def product(self) -> float:
        """The term's value."""
        return self.incoming * self.local


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """dL/d ``symbol`` at ``element`` as a sum of terms, worked out in float64."""

    symbol: str
    element: Place
    terms: tuple[Term, ...]

    @property
    def total(self) -> float:
        """The sum of the terms; with NaN or Inf among them what the addition gives."""
        products = [term.product for term in self.terms]
        return math.fsum(products) if all(map(math.isfinite, products)) else float(np.sum(products))

    def rounding(self, dtype: str) -> float:
        """How far off the sum may be that was made in ``dtype``: n * unit roundoff * sum of absolute values (Higham, 2002, 3.1).

        One unit more for the rounding of the result, and two for each product whose factors were rounded before.
        """
        unit = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}.get(dtype, 2.0**-24)
        return (len(self.terms) + 3) * unit * sum(abs(term.product) for term in self.terms)


def arithmetic(bound: Bound, symbol: str, element: Place) -> Arithmetic:
    """Write out one element of the gradient of an input. Raises ValueError, in words, where that cannot be done."""
    shape = np.shape(bound.operand(symbol))
    if len(element) != len(shape) or not all(0 <= i < size for i, size in zip(element, shape, strict=True)):
        raise ValueError(f"there is no element {list(element)}")
    terms = _product_terms(bound, symbol, element)
    return Arithmetic(symbol, element, tuple(terms if terms is not None else _unit_terms(bound, symbol, element)))


def _product_terms(bound: Bound, symbol: str, element: Place) -> list[Term] | None:
    """The terms of ``A @ B`` at row i, column j: A[i, k] * B[k, j] for every k; None where the gradient is no such product."""
    formula = bound.formula
    match = _PRODUCT.search(dict(formula.gradients)[symbol])
    if match is None or bound.arguments.get("alpha", 1) != 1:
        return None
    left, left_turned, right, right_turned = match.groups()
    incoming = f"dL/d{formula.output}"
    arrays = [bound.g if name == incoming else bound.operand(name) for name in (left, right)]
    if len(element) != 2 or any(np.ndim(array) != 2 for array in arrays):
        return None
    row, column = element
    terms = []
    for k in range(arrays[0].shape[0 if left_turned else 1]):
        at = ((k, row) if left_turned else (row, k)), ((column, k) if right_turned else (k, column))
        first, second = (float(array[place]) for array, place in zip(arrays, at, strict=True))
        if left == incoming:
            terms.append(Term(at[0], first, second, (right, at[1])))
        else:
            terms.append(Term(at[1], second, first, (left, at[0])))
    return terms


def _unit_terms(bound: Bound, symbol: str, element: Place) -> list[Term]:
    """The terms whose local factor is not zero, by unit vectors. Raises ValueError where that would take too long."""
    size = max(bound.g.size, np.size(bound.operand(symbol)), 1)
    left = itertools.count(WORK // size, -1)

    def local(g: Array) -> float:
        if next(left) <= 0:
            raise ValueError("the tensors are too large to work out one element with unit vectors")
        try:
            with np.errstate(all="ignore"):
                return float(bound.gradient(symbol, g)[element])
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"the formula does not know this way to call {bound.formula.op} ({error})") from None

    return [Term(place, float(bound.g[place]), factor) for place, factor in jacobian_row(local, bound.g.shape)]


def operands_at(bound: Bound, symbol: str, place: Place) -> list[tuple[str, Place, float]]:
    """The elements of the tensors in the gradient's formula that stand at a place of the output, as ``(symbol, place, number)``.

    None of a tensor that does not broadcast with the output.
    """
    text, shape = dict(bound.formula.gradients)[symbol], bound.g.shape
    arrays = [*zip(bound.formula.inputs, bound.inputs, strict=False), (bound.formula.output, bound.out)]
    words = re.sub(r"dL/d\w+", "", text)
    found = []
    for name, array in arrays:
        size = np.shape(array)
        fits = len(size) <= len(shape) and all(a in (1, b) for a, b in zip(size[::-1], shape[::-1], strict=False))
        if fits and size and re.search(rf"\b{re.escape(name)}\b", words):
            at = tuple(0 if length == 1 else i for length, i in zip(size, place[len(shape) - len(size) :], strict=True))
            found.append((name, at, float(array[at])))
    return found


def jacobian_row(local: Callable[[Array], float], shape: Place) -> Iterator[tuple[Place, float]]:
    """The coefficients that are not zero of a linear function of an array ``shape``, each with its place."""
    weights = np.random.default_rng(0).uniform(1.0, 2.0, shape)
    axes = [_matters(local, weights, axis, range(size)) for axis, size in enumerate(shape)]
    for place in itertools.product(*axes):
        unit = np.zeros(shape)
        unit[place] = 1.0
        factor = local(unit)
        if factor != 0:
            yield place, factor


def _matters(local: Callable[[Array], float], weights: Array, axis: int, indices: range) -> list[int]:
    """The indices along an axis at which any coefficient is not zero, by halving; random weights keep sums from cancelling."""
    if not len(indices):
        return []
    part = np.zeros(weights.shape)
    along = (*[slice(None)] * axis, slice(indices.start, indices.stop))
    part[along] = weights[along]
    if local(part) == 0:
        return []
    if len(indices) == 1:
        return [indices.start]
    middle = (indices.start + indices.stop) // 2
    halves = range(indices.start, middle), range(middle, indices.stop)
    return [index for half in halves for index in _matters(local, weights, axis, half)]
