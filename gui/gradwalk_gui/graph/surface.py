"""What is painted on: theme, zoom, and whether it is a vector picture; with the fonts, texts and colours that painting shares."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen

from ..theme import Theme, font, magnitude_table
from .magnitudes import MeasureName, fraction
from .styles import Style

SMALLEST_TEXT = 8.0
"""Logical pixels on the screen; smaller text is not drawn."""
NAMES_FROM, NUMBERS_FROM = 0.35, 0.6
"""Zooms from which names, and shapes and Nodes, are drawn; a gradient's number is drawn where it fits."""


class Level(IntEnum):
    """How much is drawn."""

    BLOCKS = 0
    NAMES = 1
    NUMBERS = 2


@dataclass(frozen=True, slots=True)
class Surface:
    """The painting context; ``zoom`` is in screen pixels per pixel of the scene."""

    theme: Theme
    zoom: float = 1.0
    vector: bool = False
    measure: MeasureName = "rms"
    outlines: bool = False
    """Whether letters are painted as shapes."""

    @property
    def level(self) -> Level:
        """How much is drawn at this zoom."""
        if self.zoom < NAMES_FROM:
            return Level.BLOCKS
        return Level.NAMES if self.zoom < NUMBERS_FROM else Level.NUMBERS


@lru_cache(maxsize=512)
def colour(name: str, alpha: int = 255) -> QColor:
    """A colour ``#rrggbb`` with an alpha of 0 to 255."""
    made = QColor(name)
    made.setAlpha(alpha)
    return made


@lru_cache(maxsize=4096)
def magnitude_colour(theme: Theme, magnitude: float, measure: MeasureName) -> QColor:
    """The colour of a gradient's magnitude; NaN and Inf have the colour of bad values."""
    if magnitude != magnitude or magnitude in (float("inf"), float("-inf")):
        return colour(theme.bad)
    red, green, blue = magnitude_table(theme)[int(fraction(magnitude, measure) * 255)]
    return QColor(int(red), int(green), int(blue))


def font_for(style: Style, zoom: float = 1.0) -> QFont:
    """The font of a style, never smaller than the smallest text on the screen."""
    pixels = style.pixels if style.pixels * zoom >= SMALLEST_TEXT else math.ceil(SMALLEST_TEXT / zoom)
    return font(pixels, QFont.Weight(style.weight), numbers=style.numbers, scaled=False)


@lru_cache(maxsize=8192)
def _width(text: str, style: Style, zoom: float) -> float:
    return QFontMetricsF(font_for(style, zoom)).horizontalAdvance(text)


def measure_text(text: str, style: Style) -> float:
    """The width of a text at zoom 1, in logical pixels."""
    return _width(text, style, 1.0)


def measure_for_scene(text: str, style: Style) -> float:
    """What the scene measures with: the width at the smallest zoom that shows all texts, so that none is cut from there on."""
    return _width(text, style, NUMBERS_FROM)


@lru_cache(maxsize=8192)
def _elided(text: str, style: Style, zoom: float, width: float) -> str:
    return QFontMetricsF(font_for(style, zoom)).elidedText(text, Qt.TextElideMode.ElideRight, width)


@lru_cache(maxsize=256)
def _cap_height(style: Style, zoom: float) -> float:
    return QFontMetricsF(font_for(style, zoom)).capHeight()


def _steps(zoom: float) -> float:
    """The zoom for text: all zooms that need no larger font share one, so that the caches hit."""
    return 1.0 if zoom >= 1.0 else round(zoom, 2)


def text_width(surface: Surface, text: str, style: Style) -> float:
    """The width of a text on a surface, in pixels of the scene."""
    return _width(text, style, _steps(surface.zoom))


def text_height(surface: Surface, style: Style) -> float:
    """The height of a line of text on a surface, in pixels of the scene."""
    return float(font_for(style, _steps(surface.zoom)).pixelSize())


def draw_text(
    painter: QPainter, surface: Surface, at: QPointF, width: float, text: str, style: Style, ink: QColor, align: float = 0.0
) -> float:
    """One line of text in ``width`` pixels from ``at`` (its left end, the middle of its capitals), elided where it does not fit.

    ``align`` is 0 for left, 0.5 for centred, 1 for right. Returns the width that was drawn.
    """
    zoom = _steps(surface.zoom)
    if width < 4 or not text:
        return 0.0
    full = _width(text, style, zoom)
    shown = text if full <= width + 0.5 else _elided(text, style, zoom, round(width, 1))
    drawn = full if shown is text else _width(shown, style, zoom)
    place = QPointF(at.x() + (width - drawn) * align, at.y() + _cap_height(style, zoom) / 2)
    if surface.outlines:
        letters = QPainterPath()
        letters.addText(place, font_for(style, zoom), shown)
        painter.fillPath(letters, ink)
        return drawn
    painter.setFont(font_for(style, zoom))
    painter.setPen(ink)
    painter.drawText(place, shown)
    return drawn


def pen(ink: QColor, width: float, dashes: tuple[float, ...] = (), cap: Qt.PenCapStyle = Qt.PenCapStyle.RoundCap) -> QPen:
    """A pen; ``dashes`` are in pixels, not in widths."""
    made = QPen(ink, width, Qt.PenStyle.SolidLine, cap, Qt.PenJoinStyle.RoundJoin)
    if dashes:
        made.setDashPattern([dash / width for dash in dashes])
    return made


def rect_of(row: Iterable[float]) -> QRectF:
    """A QRectF from a row of left, top, width, height."""
    left, top, width, height = (float(number) for number in row)
    return QRectF(left, top, width, height)
