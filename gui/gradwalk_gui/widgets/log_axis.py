"""An axis of log10 values whose labels never touch: as many of a decade's numbers as there is room for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import pyqtgraph as pg

APART = 20.0
"""Pixels between two labels."""
_CHOICES: tuple[Sequence[int], ...] = ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3), (1,))


def log_ticks(low: float, high: float, size: float) -> list[float]:
    """The log10 values to label between ``low`` and ``high`` (log10 too) on an axis of ``size`` pixels."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high and size > 0):
        return []
    pixels = size / (high - low)
    for numbers in _CHOICES:
        found = _of_decades(low, high, numbers)
        if len(found) > 1 and min(b - a for a, b in pairwise(found)) * pixels >= APART:
            return found
    decades = _of_decades(low, high, (1,))
    if len(decades) > 1:
        return decades[:: math.ceil(APART / pixels)]
    return _between(low, high, pixels)


def _of_decades(low: float, high: float, numbers: Sequence[int]) -> list[float]:
    exponents = range(math.floor(low), math.ceil(high) + 1)
    values = [exponent + math.log10(number) for exponent in exponents for number in numbers]
    return [value for value in values if low <= value <= high]


def _between(low: float, high: float, pixels: float) -> list[float]:
    """Less than a decade: evenly spaced numbers."""
    first, last = 10.0**low, 10.0**high
    rough = (last - first) / max(min((high - low) * pixels / (2 * APART), 8.0), 1.0)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    start, stop = math.ceil(first / step - 1e-9), math.floor(last / step + 1e-9)
    return [min(max(math.log10(number * step), low), high) for number in range(start, stop + 1) if number > 0]


class LogAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis that is logarithmic or not."""

    def logTickValues(
        self,
        minVal: float,  # noqa: N803
        maxVal: float,  # noqa: N803
        size: float,
        stdTicks: object,  # noqa: N803
    ) -> list[tuple[float | None, list[float]]]:
        """One level of ticks."""
        return [(None, log_ticks(minVal, maxVal, size))]

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Numbers of a decade as pyqtgraph writes them; others with as many digits as they need."""
        if all(abs(number - round(number)) < 1e-6 for number in (10.0 ** (value - math.floor(value)) for value in values)):
            strings: list[str] = super().logTickStrings(values, scale, spacing)
            return strings
        return [f"{10.0**value:.5g}" for value in values]
