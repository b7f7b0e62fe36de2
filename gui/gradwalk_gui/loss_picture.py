"""The loss as a picture, painted with a QPainter: the same for PNG and SVG, with text as text."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen

from .inspection.losses import nice_ticks, outline_of
from .numbers import number
from .theme import Theme, font

SIZE = (960.0, 540.0)
"""Logical pixels."""
_TICK = 12


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What is painted: ``heights`` are losses or their log10, NaN where there is nothing to draw; ``bad`` NaN and Inf losses."""

    steps: NDArray[np.float64]
    heights: NDArray[np.float64]
    bad: NDArray[np.float64]
    log: bool
    last: str

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """Which points are drawn."""
        made: NDArray[np.bool_] = np.isfinite(self.heights)
        return made


@dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle of the plot and the numbers at its sides."""

    box: QRectF
    left: float
    right: float
    bottom: float
    top: float

    def at(self, x: float, y: float) -> QPointF:
        """Where a point lies."""
        across = (x - self.left) / (self.right - self.left)
        up = (y - self.bottom) / (self.top - self.bottom)
        return QPointF(self.box.left() + across * self.box.width(), self.box.bottom() - up * self.box.height())


def curve_of(steps: NDArray[np.float64], losses: NDArray[np.float64], *, log: bool, bad: NDArray[np.bool_]) -> Curve:
    """The curve of some losses; linear where no loss is above zero. ``bad`` says which of them are NaN or Inf."""
    finite = losses[np.isfinite(losses)]
    log = log and bool((finite > 0).any())
    heights = losses
    if log:
        heights = np.full(len(losses), np.nan)
        np.log10(losses, out=heights, where=losses > 0)
    last = f"loss {number(float(losses[-1]), 5)} at step {int(steps[-1]):,}" if len(steps) else "no loss"
    return Curve(steps, heights, steps[bad], log, last)


def paint_loss(painter: QPainter, curve: Curve, theme: Theme) -> None:
    """Paint ground, axes, line and marks over ``SIZE``."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillRect(QRectF(0, 0, *SIZE), QColor(theme.panel))
    painter.setPen(QColor(theme.subtle))
    painter.setFont(font(_TICK))
    painter.drawText(QRectF(24, 12, SIZE[0] - 48, 24), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, curve.last)
    painter.setFont(font(16, QFont.Weight.DemiBold))
    painter.setPen(QColor(theme.text))
    painter.drawText(QRectF(24, 12, SIZE[0] - 48, 24), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, "Loss")
    if not curve.drawn.any():
        painter.setPen(QColor(theme.subtle))
        painter.drawText(QRectF(0, 0, *SIZE), Qt.AlignmentFlag.AlignCenter, "No loss was recorded.")
        return
    ticks = _height_ticks(curve)
    frame = _frame(curve, ticks)
    _paint_axes(painter, frame, ticks, theme)
    _paint_line(painter, frame, curve, theme)
    _paint_bad(painter, frame, curve, theme)


def _height_ticks(curve: Curve) -> list[tuple[float, str]]:
    low, high = _heights(curve)
    if not curve.log:
        return [(value, number(value)) for value in nice_ticks(low, high, 6)]
    first, last = math.floor(low), math.ceil(high)
    factors = (1,) if high - low > 3 else (1, 2, 5) if high - low > 0.7 else tuple(range(1, 10))
    every = max(1, math.ceil((last - first) / 10))
    found = [
        (exponent + math.log10(factor), f"{factor}e{exponent}")
        for exponent in range(first, last + 1, every)
        for factor in factors
        if low <= exponent + math.log10(factor) <= high
    ]
    return found or [(value, number(10.0**value)) for value in nice_ticks(low, high, 5)]


def _heights(curve: Curve) -> tuple[float, float]:
    drawn = curve.heights[curve.drawn]
    low, high = float(drawn.min()), float(drawn.max())
    room = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _frame(curve: Curve, ticks: list[tuple[float, str]]) -> Frame:
    measure = QFontMetricsF(font(_TICK, numbers=True)).horizontalAdvance
    left = 56 + max((measure(text) for _, text in ticks), default=40.0)
    box = QRectF(left, 48, SIZE[0] - left - 32, SIZE[1] - 48 - 64)
    first, last = float(curve.steps[0]), float(curve.steps[-1])
    if first == last:
        first, last = first - 1, last + 1
    low, high = _heights(curve)
    return Frame(box, first, last, low, high)


def _paint_axes(painter: QPainter, frame: Frame, ticks: list[tuple[float, str]], theme: Theme) -> None:
    box = frame.box
    grid = QPen(QColor(theme.border), 0.5)
    for height, text in ticks:
        at = frame.at(frame.left, height).y()
        painter.setPen(grid)
        painter.drawLine(QPointF(box.left(), at), QPointF(box.right(), at))
        _text(painter, QRectF(0, at - 10, box.left() - 8, 20), Qt.AlignmentFlag.AlignRight, text, theme)
    for step in (step for step in nice_ticks(frame.left, frame.right, 8) if step == round(step)):
        at = frame.at(step, frame.bottom).x()
        painter.setPen(grid)
        painter.drawLine(QPointF(at, box.top()), QPointF(at, box.bottom()))
        _text(painter, QRectF(at - 60, box.bottom() + 6, 120, 20), Qt.AlignmentFlag.AlignHCenter, f"{round(step):,}", theme)
    painter.setPen(QPen(QColor(theme.ghost), 1))
    painter.drawLine(box.bottomLeft(), box.bottomRight())
    painter.drawLine(box.topLeft(), box.bottomLeft())
    painter.setFont(font(13))
    painter.setPen(QColor(theme.subtle))
    painter.drawText(QRectF(box.left(), box.bottom() + 30, box.width(), 20), Qt.AlignmentFlag.AlignCenter, "training step")
    painter.save()
    painter.translate(24, box.center().y())
    painter.rotate(-90)
    painter.drawText(QRectF(-100, -10, 200, 20), Qt.AlignmentFlag.AlignCenter, "loss")
    painter.restore()


def _text(painter: QPainter, box: QRectF, side: Qt.AlignmentFlag, text: str, theme: Theme) -> None:
    painter.setFont(font(_TICK, numbers=True))
    painter.setPen(QColor(theme.subtle))
    painter.drawText(box, side | Qt.AlignmentFlag.AlignVCenter, text)


def _paint_line(painter: QPainter, frame: Frame, curve: Curve, theme: Theme) -> None:
    steps, heights = curve.steps[curve.drawn], curve.heights[curve.drawn]
    keep = outline_of(steps, heights, round(frame.box.width()))
    points = [frame.at(x, y) for x, y in zip(steps[keep].tolist(), heights[keep].tolist(), strict=True)]
    path = QPainterPath(points[0])
    for point in points[1:]:
        path.lineTo(point)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(theme.loss), 1.75, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
    painter.drawPath(path)
    if len(points) <= 60:
        painter.setBrush(QColor(theme.loss))
        for point in points:
            painter.drawEllipse(point, 2.5, 2.5)


def _paint_bad(painter: QPainter, frame: Frame, curve: Curve, theme: Theme) -> None:
    if not len(curve.bad):
        return
    painter.setPen(QPen(QColor(theme.bad), 1.75))
    for x in sorted({round(frame.at(step, frame.bottom).x()) for step in curve.bad.tolist()}):
        y = frame.box.bottom() - 8
        painter.drawLine(QPointF(x - 4, y - 4), QPointF(x + 4, y + 4))
        painter.drawLine(QPointF(x - 4, y + 4), QPointF(x + 4, y - 4))
    painter.setFont(font(_TICK, QFont.Weight.Medium))
    place = frame.box.adjusted(0, 6, -6, 0)
    text = f"× NaN or Inf at {len(curve.bad):,} step{'' if len(curve.bad) == 1 else 's'}"
    painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, text)
