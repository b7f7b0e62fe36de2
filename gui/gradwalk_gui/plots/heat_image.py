"""The heat map as an image: magnitudes in the colours of the graph, NaN hatched, none dotted, zero a tick."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from ..graph.magnitudes import MeasureName, fractions
from ..ribbon import rgb
from ..theme import Theme, magnitude_table

GAP_FROM = 5
"""Rows at least so many pixels high are drawn apart."""


def heat_image(cells: NDArray[np.float64], measure: MeasureName, theme: Theme, width: int, height: int) -> QImage:
    """Magnitudes ``[rows, columns]`` (``columns <= width``) on ``width`` by ``height`` device pixels; needs a row at least."""
    rows, columns = cells.shape
    across = np.arange(width) * columns // width
    down = np.arange(height) * rows // height
    shown = cells[np.ix_(np.arange(rows), across)]
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    pixels = _colours(shown, measure, theme)[down]
    bad, none, zero = ((found)[down] for found in (~np.isfinite(shown), shown < 0, shown == 0))
    ground, faint = np.uint32(rgb(theme.panel)), np.uint32(rgb(theme.ghost))
    pixels = np.where(none, np.where((x % 4 == 0) & (y % 4 == 0), faint, ground), pixels)
    pixels = np.where(bad & (((x + y) % 6 == 0) | ((x - y) % 6 == 0)), ground, pixels)
    pixels = np.where(zero & (measure not in ("zeros", "bad")) & ((x + y) % 5 == 0), faint, pixels)
    if height >= rows * GAP_FROM:
        pixels[np.flatnonzero(np.diff(down)) + 1] = ground
    made = np.ascontiguousarray(pixels, dtype=np.uint32)
    return QImage(made.data, width, height, width * 4, QImage.Format.Format_RGB32).copy()


def _colours(cells: NDArray[np.float64], measure: MeasureName, theme: Theme) -> NDArray[np.uint32]:
    table = magnitude_table(theme).astype(np.uint32)
    packed = (0xFF000000 | table[:, 0] << 16 | table[:, 1] << 8 | table[:, 2]).astype(np.uint32)
    places = (fractions(np.maximum(cells, 0.0), measure) * 255).astype(np.int64)
    return np.where(np.isfinite(cells), packed[places], np.uint32(rgb(theme.bad))).astype(np.uint32)
