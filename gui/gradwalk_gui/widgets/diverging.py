"""Purple for negative, green for positive: the colours of signed tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from ..theme import Theme

Ramp: TypeAlias = Callable[[NDArray[np.float64], float, Theme], NDArray[np.uint8]]
"""Gives colours to numbers, for a scale."""
NEGATIVE = {False: "#762a83", True: "#c38ad6"}
"""By ``theme.dark``."""
POSITIVE = {False: "#1b7837", True: "#7fc98a"}
_MIDDLE = {False: "#f7f7f7", True: "#20262f"}


@lru_cache(maxsize=4)
def table(theme: Theme) -> NDArray[np.uint8]:
    """255 colours from the most negative to the most positive, uint8 ``[255, 3]``; the middle one is zero."""
    ends = [QColor(c[theme.dark]).getRgb()[:3] for c in (NEGATIVE, _MIDDLE, POSITIVE)]  # type: ignore[index]
    places = np.linspace(-1, 1, 255)
    curve = np.sign(places) * np.abs(places) ** 0.75
    columns = [np.interp(curve, (-1, 0, 1), [end[i] for end in ends]) for i in range(3)]
    made: NDArray[np.uint8] = np.stack(columns, axis=1).round().astype(np.uint8)
    return made


def colours(data: NDArray[np.float64], scale: float, theme: Theme) -> NDArray[np.uint8]:
    """Colours of numbers, uint8 ``[..., 3]``; ``scale`` is the absolute value at the ends, NaN and Inf have theirs."""
    with np.errstate(all="ignore"):
        place = np.nan_to_num(np.clip(data / (scale or 1.0), -1, 1), nan=0.0)
    made: NDArray[np.uint8] = table(theme)[(place * 127).round().astype(np.int64) + 127]
    bad = QColor(theme.bad)
    made[~np.isfinite(data)] = (bad.red(), bad.green(), bad.blue())
    return made
