"""The plot of accumulated errors over depth (pyqtgraph): a dot per tensor, a curve through them, a line for one rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from gradwalk.reference.accumulated import UNIT

from ..numbers import number
from ..theme import Theme, font
from ..widgets.step_plot import StepPlot
from .error_points import Points, middle_of

NEAR = 24.0
"""Pixels from a dot within which it is meant."""
ROOM = 0.35
"""Decades above and below what is shown."""


class ErrorPlot(StepPlot):
    """x is the number of ops to the loss, y the relative error. ``chosen`` carries the index of the dot that was clicked."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.points: Points | None = None
        self.dots = {kind: pg.ScatterPlotItem(symbol=symbol, size=7, pxMode=True) for kind, symbol in ((True, "o"), (False, "d"))}
        self.curves = {kind: pg.PlotCurveItem() for kind in (True, False)}
        self.exact = pg.ScatterPlotItem(symbol="t", size=7, pxMode=True)
        self.ring = pg.ScatterPlotItem(symbol="o", size=13, pxMode=True)
        self.units = {dtype: _unit_line(dtype, unit) for dtype, unit in UNIT.items()}
        for item in (*self.curves.values(), *self.units.values()):
            self.box.addItem(item, ignoreBounds=True)
        self.add(self.dots[False], self.dots[True], self.exact, self.ring)
        for dots in (*self.dots.values(), self.exact, self.ring, self.bad_marks, self.hover_dot):
            dots.sigClicked.connect(lambda _, __, event: self.clicked_at(event.scenePos()))  # else it ends at the dot
        self.item.setLabel("bottom", "ops to the loss")
        self.item.setLabel("left", "relative error")
        self.plot.setAccessibleName("Accumulated error over depth")
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        super().set_theme(theme)
        for gradient, colour in ((True, theme.backward), (False, theme.forward)):
            self.dots[gradient].setPen(pg.mkPen(colour, width=1.5))
            self.dots[gradient].setBrush(pg.mkBrush(colour if gradient else theme.panel))
            faint = QColor(colour)
            faint.setAlpha(150)
            self.curves[gradient].setPen(
                pg.mkPen(faint, width=1.5, style=Qt.PenStyle.SolidLine if gradient else Qt.PenStyle.DashLine)
            )
        self.exact.setPen(pg.mkPen(theme.subtle))
        self.exact.setBrush(pg.mkBrush(theme.subtle))
        self.ring.setPen(pg.mkPen(theme.accent, width=2))
        self.ring.setBrush(pg.mkBrush(None))
        self._draw_units()

    def show_points(self, points: Points) -> None:
        """Show the dots of a step."""
        self.points, self._steps = points, points.depths
        heights = self._heights()
        for gradients in (True, False):
            which = (points.gradients == gradients) & np.isfinite(heights)
            self.dots[gradients].setData(points.depths[which], heights[which])
            self.curves[gradients].setData(*middle_of(points, gradients=gradients))
        self._draw_units()
        self.fit_steps()
        self.place_marks()

    def show_chosen(self, index: int) -> None:
        """Ring a dot, and read it off; -1 for none."""
        height = self.height_at(index) if index >= 0 else np.nan
        self.ring.setData([self._steps[index]] if np.isfinite(height) else [], [height] if np.isfinite(height) else [])
        self.show_marker(index)

    def _heights(self) -> NDArray[np.float64]:
        return (
            self.heights(np.where(np.isfinite(self.points.numbers), self.points.numbers, np.nan)) if self.points else np.zeros(0)
        )

    def _draw_units(self) -> None:
        there = dict(self.points.units) if self.points is not None else {}
        for dtype, line in self.units.items():
            line.setPen(pg.mkPen(self.theme.subtle, width=1, style=Qt.PenStyle.DotLine))
            line.label.setColor(self.theme.subtle)
            line.setVisible(dtype in there)

    def fit_steps(self) -> None:
        """Every dot and the line of the finest dtype above float64 in view, unless the person decides."""
        super().fit_steps()
        heights = self._heights()
        heights = heights[np.isfinite(heights)]
        if self.is_held or self.points is None:
            return
        lines = [np.log10(unit) for dtype, unit in self.points.units if dtype != "float64" or not len(heights)]
        shown = [*heights, *lines] or [-16.0]
        self.box.setYRange(min(shown) - ROOM, max(shown) + ROOM, padding=0)

    def show_all(self) -> None:
        """Show every dot."""
        super().show_all()
        self.box.disableAutoRange(pg.ViewBox.YAxis)
        self.fit_steps()

    def place_marks(self) -> None:
        """What is exact stands at the bottom of the view, what is off by Inf at the top."""
        if self.points is None:
            return
        exact, bad, places = self.points.numbers == 0, ~np.isfinite(self.points.numbers), self._places()
        self.exact.setData(self._steps[exact], places[exact])
        self.bad_marks.setData(self._steps[bad], places[bad])

    def text_at(self, index: int) -> str:
        """The name and the error of a dot."""
        if self.points is None:
            return ""
        one, name = self.points.errors[index], self.points.names[index]
        short = name if len(name) <= 40 else f"{name[:16]} … {name[-20:]}"
        told = "exact" if one.relative == 0 else f"{number(one.relative, 2)}{', cancels' if one.cancelled else ''}"
        return f" {short}  {told} "

    def height_at(self, index: int) -> float:
        """Where a dot stands."""
        return float(self._places()[index]) if self.points is not None else float("nan")

    def _places(self) -> NDArray[np.float64]:
        """Where every dot stands, the exact ones at the bottom of the view and those off by Inf at its top."""
        assert self.points is not None
        _, (bottom, top) = self.box.viewRange()
        room, numbers = (top - bottom) * 0.03, self.points.numbers
        return np.where(numbers == 0, bottom + room, np.where(np.isfinite(numbers), self._heights(), top - room))

    def nearest_dot(self, place: QPointF) -> int:
        """The index of the dot nearest to a place of the scene, if it is near; else -1."""
        if not len(self._steps):
            return -1
        at = self.box.mapSceneToView(place)
        wide, high = self.box.viewPixelSize()
        away = np.hypot((self._steps - at.x()) / wide, (self._places() - at.y()) / high)
        best = int(np.argmin(away))
        return best if away[best] <= NEAR else -1

    def clicked_at(self, place: QPointF) -> None:
        """Choose the dot that was clicked."""
        near = self.nearest_dot(place)
        if near >= 0:
            self.chosen.emit(near)

    def choose(self, x: float) -> None:
        """Dragging chooses nothing here: many dots have one depth."""

    def show_hover(self, index: int, at: QPointF) -> None:
        """Read the dot near the pointer off."""
        near = self.nearest_dot(at)
        self.hover.setVisible(near >= 0)
        self.hover_dot.setVisible(near >= 0)
        if near >= 0:
            super().show_hover(near, at)


def _unit_line(dtype: str, unit: float) -> Any:
    """A line at what one rounding in a dtype is, with its name at the right."""
    options = {"position": 0.99, "anchors": [(1, 1), (1, 1)]}
    line = pg.InfiniteLine(np.log10(unit), angle=0, label=f"one rounding in {dtype}", labelOpts=options)
    line.label.setFont(font(11))
    line.setVisible(False)
    return line
