"""One recorded tensor next to what the reference gives for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..trace import Compared, TensorKey
from .registry import Array
from .rounding import largest_of

Kinks = Callable[[NDArray[np.bool_]], NDArray[np.bool_]]
"""Says of elements that do not agree (bool, of the tensor's shape) which of them lie at a kink and are valid there."""
Lost = Callable[[], NDArray[np.bool_]]
"""Says which elements left the range of the dtype on their way, and are recorded as it has them then (bool, of the shape)."""


def compared(
    key: TensorKey, symbol: str, text: str, seen: Any, expected: Any, allowed: Any, unit: float, *, lost: Lost | None = None
) -> Compared:
    """The row of a tensor: what was ``seen``, what the reference expects, and how far off each element is ``allowed`` to be.

    ``unit`` is the unit roundoff of the tensor's dtype, in which the units in the last place are counted.
    """
    return without_kinks(key, symbol, text, seen, expected, allowed, unit, None, lost=lost)


def without_kinks(
    key: TensorKey, symbol: str, text: str, seen: Any, expected: Any, allowed: Any, unit: float, kinks: Kinks | None, *,
    lost: Lost | None = None,
) -> Compared:  # fmt: skip
    """The same; where it does not agree, elements that lie at a kink and are valid there are left out and counted."""
    seen, expected = np.asarray(seen, np.float64), np.asarray(expected, np.float64)
    if seen.shape != expected.shape:
        return Compared(key, symbol, text, (), math.nan, math.nan, math.inf, math.inf, math.inf, math.inf)
    if not seen.size:
        return Compared(key, symbol, text, (), math.nan, math.nan, 0.0, 0.0, 0.0, 0.0)
    off, absolute = _off(seen, expected, allowed, largest_of(unit))
    if lost is not None and off.max() > 1:
        agrees = (off > 1) & lost()
        off, absolute = np.where(agrees, 0.0, off), np.where(agrees, 0.0, absolute)
    if kinks is None or off.max() <= 1:
        return _row(key, symbol, text, seen, expected, off, absolute, unit)
    left_out = kinks(off > 1)
    off, absolute = np.where(left_out, 0.0, off), np.where(left_out, 0.0, absolute)
    return replace(_row(key, symbol, text, seen, expected, off, absolute, unit), kinks=int(left_out.sum()))


def _off(seen: Array, expected: Array, allowed: Any, largest: float) -> tuple[Array, Array]:
    """Per element the difference over what is allowed, and the difference; Inf where NaN and Inf stand at other places.

    What is past the ``largest`` number of the dtype, or may be by rounding, is Inf there: that agrees.
    """
    with np.errstate(all="ignore"):
        absolute = np.asarray(seen - expected)
        absolute = np.abs(absolute, out=absolute if absolute.ndim else None)
        off = np.asarray(absolute / allowed)
    if not math.isfinite(float(off.sum())):
        plain = np.isfinite(absolute)
        with np.errstate(all="ignore"):
            past = np.isinf(seen) & (np.sign(seen) == np.sign(expected)) & (np.abs(expected) + allowed > largest)
        same = (seen == expected) | (np.isnan(seen) & np.isnan(expected)) | past
        off = np.where(same, 0.0, np.where(plain & np.isfinite(off), off, np.where(plain & np.isinf(allowed), 0.0, np.inf)))
        absolute = np.where(same, 0.0, np.where(plain, absolute, np.inf))
    return off, np.asarray(absolute)


def _row(
    key: TensorKey, symbol: str, text: str, seen: Array, expected: Array, off: Array, absolute: Array, unit: float
) -> Compared:
    place = tuple(int(i) for i in np.unravel_index(int(off.argmax()), off.shape))
    worst, largest = float(absolute.max()), max(float(expected.max()), -float(expected.min()))
    if not math.isfinite(largest):
        largest = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
    relative = worst / largest if largest else math.inf if worst else 0.0
    there = float(absolute[place])
    return Compared(
        key, symbol, text, place, float(seen[place]), float(expected[place]), worst, relative,
        ulps(there, float(expected[place]), unit), float(off[place]),
    )  # fmt: skip


def ulps(difference: float, expected: float, unit: float) -> float:
    """A difference in units in the last place of ``expected``: the distance from it to the next number of its dtype."""
    if not difference or not math.isfinite(difference):
        return difference
    if not expected or not math.isfinite(expected):
        return math.inf
    return math.ldexp(difference / (2 * unit), -math.floor(math.log2(abs(expected))))
