"""The legend: the scale of magnitudes with its decades, what NaN and "none" look like, the three kinds of lanes, the marks."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QLinearGradient, QPainter

from gradwalk.verdicts import WORDS, Mark

from ..check_mark import paint_mark
from ..theme import magnitude_table
from . import styles
from .magnitudes import MeasureName, meaning, ticks
from .parts import Picture
from .shapes import arrow_head, hatch, rounded
from .surface import Surface, colour, draw_text, measure_text, pen

BAR = 190.0
PAD = 14.0
HEIGHT = 64.0
SAMPLE = 30.0
"""Length of the sample of a lane."""
MARKS_ROW, MARK = 20.0, 14.0
"""Height of the row of marks, and the side of one."""
AGAINST = "NumPy reference"
SHOWN = (Mark.AGREES, Mark.DIFFERS, Mark.NO_REFERENCE)


def _samples(picture: Picture) -> tuple[str, ...]:
    return {
        "both": ("forward", "backward", "updated"),
        "forward": ("forward",),
        "backward": ("backward", "updated"),
    }[picture.halves]


def legend_size(picture: Picture, measure: MeasureName, *, unscaled: bool = False, checked: bool = False) -> tuple[float, float]:
    """Width and height in logical pixels; ``unscaled`` says that the factor of a GradScaler was taken out.

    ``checked`` says that there are marks of the check against the reference: a row more.
    """
    width, height = _size(picture, measure, unscaled)
    return (max(width, _marks_width() + 2 * PAD), height + MARKS_ROW) if checked else (width, height)


def _size(picture: Picture, measure: MeasureName, unscaled: bool) -> tuple[float, float]:
    lanes = sum(SAMPLE + 6 + measure_text(name, styles.LEGEND) + 16 for name in _samples(picture)) - 16
    if picture.halves == "forward":
        return lanes + 2 * PAD, 30.0
    return max(lanes, scale_width(_word(measure, unscaled))) + 2 * PAD, HEIGHT


def scale_width(word: str) -> float:
    """Width of the scale of magnitudes behind a word, logical pixels."""
    return (measure_text(word, styles.LEGEND) + 14 if word else 0) + BAR + 18 + _swatches_width()


def _swatches_width() -> float:
    return 2 * (16 + 5) + measure_text("NaN, Inf", styles.LEGEND) + 12 + measure_text("none", styles.LEGEND)


def _word(measure: MeasureName, unscaled: bool) -> str:
    return f"{meaning(measure)}, unscaled" if unscaled and measure in ("rms", "norm", "max") else meaning(measure)


def paint_legend(
    painter: QPainter,
    surface: Surface,
    picture: Picture,
    left: float,
    top: float,
    *,
    unscaled: bool = False,
    checked: bool = False,
) -> None:
    """The legend with its corner at ``(left, top)``, on a surface of zoom 1."""
    theme, measure = surface.theme, surface.measure
    width, height = legend_size(picture, measure, unscaled=unscaled, checked=checked)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(pen(colour(theme.border, 200), 1.0))
    painter.setBrush(colour(theme.panel, 236))
    painter.drawRoundedRect(QRectF(left, top, width, height), 10, 10)
    if checked:
        height -= MARKS_ROW
        _paint_marks(painter, surface, left + PAD, top + height + MARKS_ROW / 2 - 6)
    _paint_samples(painter, surface, picture, left + PAD, top + (height - 15 if picture.halves != "forward" else 15))
    if picture.halves != "forward":
        paint_scale(painter, surface, left + PAD, top + 13, _word(measure, unscaled))


def paint_scale(painter: QPainter, surface: Surface, left: float, top: float, word: str) -> None:
    """The scale with its decades, and what NaN and "none" look like; the bar's corner is at ``top``, after the word."""
    theme, ink = surface.theme, colour(surface.theme.subtle)
    drawn = draw_text(painter, surface, QPointF(left, top + 4), 220, word, styles.LEGEND, ink)
    bar = QRectF(left + (drawn + 14 if word else 0), top, BAR, 9)
    gradient = QLinearGradient(bar.left(), 0, bar.right(), 0)
    table = magnitude_table(theme)
    for place in np.linspace(0, 1, 17).tolist():
        red, green, blue = (int(channel) for channel in table[int(place * 255)])
        gradient.setColorAt(place, colour(f"#{red:02x}{green:02x}{blue:02x}"))
    painter.setPen(pen(colour(theme.subtle), 1.0))
    painter.setBrush(gradient)
    painter.drawRoundedRect(bar, 4.5, 4.5)
    for place, name in ticks(surface.measure):
        at = QPointF(bar.left() + place * BAR - 20, top + 17)
        draw_text(painter, surface, at, 40, name, styles.TICK, ink, 0.5)
    _paint_swatches(painter, surface, bar.right() + 18, top)


def _paint_swatches(painter: QPainter, surface: Surface, left: float, top: float) -> None:
    theme, ink = surface.theme, colour(surface.theme.subtle)
    box = QRectF(left, top - 1, 16, 11)
    painter.setPen(pen(colour(theme.bad), 1.1))
    painter.setBrush(colour(theme.bad, 30))
    painter.drawRoundedRect(box, 3, 3)
    painter.fillPath(hatch(rounded(box, 3), 5.0, 1.0, crossed=True), colour(theme.bad, 170))
    left = box.right() + 5
    left += draw_text(painter, surface, QPointF(left, top + 4), 80, "NaN, Inf", styles.LEGEND, ink) + 12
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(colour(theme.faint), 1.3, (0.1, 3.0)))
    painter.drawRoundedRect(QRectF(left, top - 1, 16, 11), 3, 3)
    draw_text(painter, surface, QPointF(left + 21, top + 4), 60, "none", styles.LEGEND, ink)


def _paint_samples(painter: QPainter, surface: Surface, picture: Picture, left: float, middle: float) -> None:
    theme = surface.theme
    for name in _samples(picture):
        right = left + SAMPLE
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if name == "forward":
            painter.setPen(pen(colour(theme.forward), 2.0))
            painter.drawLine(QPointF(left, middle), QPointF(right - 6, middle))
            _head(painter, right, middle, 1.0, theme.forward)
        elif name == "backward":
            painter.setPen(pen(colour(theme.backward), 2.0, (5.0, 3.5), Qt.PenCapStyle.FlatCap))
            painter.drawLine(QPointF(left + 6, middle), QPointF(right, middle))
            _head(painter, left, middle, -1.0, theme.backward)
        else:
            painter.setPen(pen(colour(theme.update), 2.0, (0.1, 4.2)))
            painter.drawRoundedRect(QRectF(left + 3, middle - 6, SAMPLE - 6, 12), 6, 6)
        draw_text(painter, surface, QPointF(right + 6, middle), 90, name, styles.LEGEND, colour(theme.subtle))
        left = right + 6 + measure_text(name, styles.LEGEND) + 16


def _paint_marks(painter: QPainter, surface: Surface, left: float, middle: float) -> None:
    ink = colour(surface.theme.subtle)
    left += draw_text(painter, surface, QPointF(left, middle), 120, AGAINST, styles.LEGEND, ink) + 14
    for mark in SHOWN:
        paint_mark(painter, surface.theme, mark, QPointF(left + MARK / 2, middle), MARK)
        left += MARK + 6
        left += draw_text(painter, surface, QPointF(left, middle), 90, WORDS[mark], styles.LEGEND, ink) + 16


def _marks_width() -> float:
    return measure_text(AGAINST, styles.LEGEND) + sum(MARK + 6 + measure_text(WORDS[m], styles.LEGEND) + 16 for m in SHOWN) - 2


def _head(painter: QPainter, x: float, y: float, way: float, name: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour(name))
    painter.drawPath(arrow_head(np.array([x, y]), np.array([way, 0.0]), 8.0))
