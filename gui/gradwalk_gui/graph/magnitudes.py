"""How large each gradient is by the measure that the View asks for, as numbers, texts and places on the colour scale. No Qt.

A magnitude is a float: ``nan`` and ``inf`` are what they say, -1 means "was not counted".
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gradwalk.trace import STATISTICS

from ..numbers import EXACTLY_ZERO, NOT_COUNTED, number

MeasureName: TypeAlias = Literal["rms", "norm", "max", "zeros", "update", "bad"]
"""Of a gradient, but for ``update``: |update| / |weight| (see ``ratios.py``). ``bad`` counts NaN and Inf elements."""
NOT_THERE = -1.0
LOW, HIGH = -8.0, 2.0
"""The fixed range of log10 that colours and widths cover (that of ``theme.MAGNITUDE_RANGE``)."""
BAD_DECADES = 6.0
"""A million NaN and Inf elements have the strongest colour; one has a seventh of the scale."""
_ROW = {name: i for i, name in enumerate(STATISTICS)}


def magnitudes(table: NDArray[np.float64], measure: MeasureName) -> NDArray[np.float64]:
    """The magnitude of every column of a statistics table, float64 ``[things]``."""
    count, nan, inf = table[_ROW["count"]], table[_ROW["nan"]], table[_ROW["inf"]]
    if measure == "bad":
        return np.where((count > 0) & (nan >= 0) & (inf >= 0), nan + inf, NOT_THERE)
    with np.errstate(all="ignore"):
        result = _plain(table, measure)
    result = np.where(inf > 0, np.inf, result)
    result = np.where(nan > 0, np.nan, result)
    return np.where(count > 0, result, NOT_THERE)


def _plain(table: NDArray[np.float64], measure: MeasureName) -> NDArray[np.float64]:
    count, squares = table[_ROW["count"]], table[_ROW["sumsq"]]
    if measure == "norm":
        return np.asarray(np.sqrt(squares))
    if measure == "max":
        return np.asarray(np.maximum(np.abs(table[_ROW["min"]]), np.abs(table[_ROW["max"]])))
    if measure == "zeros":
        return np.where(table[_ROW["zero"]] >= 0, table[_ROW["zero"]] / count, NOT_THERE)
    return np.asarray(np.sqrt(squares / count))


def fraction(magnitude: float, measure: MeasureName) -> float:
    """The place of a magnitude on the scale, 0 to 1; NaN and Inf give 1."""
    if not np.isfinite(magnitude):
        return 1.0
    if measure == "zeros":
        return float(np.clip(magnitude, 0.0, 1.0))
    if magnitude <= 0:
        return 0.0
    low, high = _range(measure)
    return float(np.clip((np.log10(magnitude) - low) / (high - low), 0.0, 1.0))


def _range(measure: MeasureName) -> tuple[float, float]:
    """The range of log10 that the scale covers."""
    return (-1.0, BAD_DECADES) if measure == "bad" else (LOW, HIGH)


def fractions(magnitudes: NDArray[np.float64], measure: MeasureName) -> NDArray[np.float64]:
    """The places of many magnitudes on the scale, 0 to 1; NaN and Inf give 1."""
    low, high = _range(measure)
    with np.errstate(all="ignore"):
        places = magnitudes if measure == "zeros" else (np.log10(magnitudes) - low) / (high - low)
    places = np.where(magnitudes > 0, np.clip(places, 0.0, 1.0), 0.0)
    return np.where(np.isfinite(magnitudes), places, 1.0)


def text(magnitude: float, measure: MeasureName) -> str:
    """A magnitude in words: ``0.084``, ``0 (exactly)``, ``NaN``, ``not counted``."""
    if magnitude == NOT_THERE:
        return NOT_COUNTED
    if measure == "zeros" and np.isfinite(magnitude):
        return f"{magnitude * 100:.3g} %"
    if measure == "bad":
        return f"{magnitude:,.0f}" if magnitude < 1e5 else number(magnitude, 2)
    return EXACTLY_ZERO if magnitude == 0 else number(magnitude, 2)


def is_bad(magnitude: float, measure: MeasureName) -> bool:
    """Whether a magnitude is NaN or Inf, or counts some."""
    return magnitude > 0 if measure == "bad" else not np.isfinite(magnitude)


_BAD_TICKS = ((0, "1"), (2, "100"), (4, "1e4"), (6, "1e6"))


def ticks(measure: MeasureName) -> tuple[tuple[float, str], ...]:
    """The ticks of the legend: places on the scale with their texts."""
    if measure == "zeros":
        return ((0.0, "0 %"), (0.25, "25"), (0.5, "50"), (0.75, "75"), (1.0, "100 %"))
    if measure == "bad":
        return ((0.0, "0"), *(((power + 1) / (BAD_DECADES + 1), name) for power, name in _BAD_TICKS))
    names = ("1e-8", "1e-6", "1e-4", "1e-2", "1", "100")
    return tuple((place / 5, name) for place, name in enumerate(names))


def meaning(measure: MeasureName) -> str:
    """What the scale shows, in words."""
    return _MEANINGS[measure]


_MEANINGS: dict[MeasureName, str] = {
    "rms": "gradient RMS",
    "norm": "gradient norm ‖g‖",
    "max": "gradient max |g|",
    "zeros": "gradient zeros",
    "update": "|update| / |weight|",
    "bad": "NaN and Inf in gradients",
}
