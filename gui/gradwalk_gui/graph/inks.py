"""Colours by number: what is painted in batches is sorted by them. The numbers 0 to 255 are the magnitudes' colours."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from ..theme import Theme, magnitude_table
from .blocks import FAMILIES
from .magnitudes import NOT_THERE, MeasureName, fractions
from .surface import colour

Ints = NDArray[np.intp]
SHADES, COARSE = 256, 8
"""How many colours magnitudes have, and how many neighbours of these share one in a batch: fewer batches, none that is seen."""
BAD, NONE_YET, FORWARD, GHOST, CARD = range(SHADES, SHADES + 5)
FAMILY = SHADES + 5
PALE = FAMILY + len(FAMILIES)
"""Where the families' colours begin, and the pale ones of what has not run yet."""


def inks_of(magnitudes: NDArray[np.float64], measure: MeasureName) -> Ints:
    """The numbers of the colours of magnitudes; NaN and Inf have their own, and what is not there."""
    inks = (fractions(magnitudes, measure) * (SHADES - 1)).astype(np.intp) // COARSE * COARSE + COARSE // 2
    inks[~np.isfinite(magnitudes)] = BAD
    inks[magnitudes == NOT_THERE] = NONE_YET
    return inks


@lru_cache(maxsize=4)
def palette(theme: Theme) -> tuple[QColor, ...]:
    """The colours of all numbers."""
    shades = [QColor(int(red), int(green), int(blue)) for red, green, blue in magnitude_table(theme)]
    named = [theme.bad, theme.ghost, theme.forward, theme.ghost, theme.card]
    alphas = [255, 110, 255, 255, 255]
    families = [str(getattr(theme, name)) for name in FAMILIES]
    return (
        *shades,
        *(colour(name, alpha) for name, alpha in zip(named, alphas, strict=True)),
        *(colour(name, alpha) for alpha in (255, 80) for name in families),
    )
