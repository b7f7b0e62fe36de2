"""Colours of errors, which have no sign: the ground for none, then four decades up to the largest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from ..theme import Theme, magnitude_table

DECADES = 4.0
"""Errors so many decades below the largest, and smaller ones, have the first colour."""


def error_colours(errors: NDArray[np.float64], scale: float, theme: Theme) -> NDArray[np.uint8]:
    """Colours of errors from 0 on, uint8 ``[..., 3]``; ``scale`` is that of the last colour; what is not finite has its own."""
    with np.errstate(all="ignore"):
        places = 1 + np.log10(errors / (scale or 1.0)) / DECADES
    places = np.clip(np.nan_to_num(places, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    made: NDArray[np.uint8] = magnitude_table(theme)[(places * 255).round().astype(np.int64)]
    for where, name in ((errors == 0, theme.panel), (~np.isfinite(errors), theme.bad)):
        ink = QColor(name)
        made[where] = (ink.red(), ink.green(), ink.blue())
    return made
