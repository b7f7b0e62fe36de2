"""How far recordings are apart over the training steps (pyqtgraph), on a log scale: a line for each quantity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QWidget

from gradwalk.trace import NONE

from ..inspection.side_table import PlotLine
from ..theme import Theme
from .step_plot import StepPlot


class ApartPlot(StepPlot):
    """The line near the pointer is read off with its name. The playhead's step is marked as in every plot over the steps."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.lines: tuple[PlotLine, ...] = ()
        self.curves: list[Any] = []
        self._near: PlotLine | None = None
        self.add()
        self.name_axis("left", "relative distance")
        self.plot.setAccessibleName("How far apart over training steps")
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        super().set_theme(theme)
        self._draw()

    def show_lines(self, steps: NDArray[np.int64], lines: tuple[PlotLine, ...]) -> None:
        """Show lines over step numbers, rising."""
        others = len(steps) != len(self._steps) or bool((steps != self._steps).any())
        self._steps, self.lines, self._near = steps.astype(np.float64), lines, None
        self._draw()
        if others:
            self.show_all()
        self.place_marker()

    def _draw(self) -> None:
        for curve in self.curves:
            self.item.removeItem(curve)
        self.curves = []
        for place, line in enumerate(self.lines):
            heights = self.heights(line.apart)
            curve = pg.PlotCurveItem(self._steps, heights, connect="finite", antialias=True, pen=self._pen(place))
            self.curves.append(curve)
            self.item.addItem(curve)

    def _pen(self, place: int) -> Any:
        line = self.lines[place]
        if line.main == "loss":
            return pg.mkPen(self.theme.loss, width=1.5)
        ink = place if line.column == NONE else line.column - 1
        return pg.mkPen(self.theme.inks[ink % len(self.theme.inks)], width=2 if line.column != NONE else 1.5)

    def colour_of(self, place: int) -> str:
        """The colour of a line."""
        return str(self._pen(place).color().name())

    def text_at(self, index: int) -> str:
        """The step number, and of the line near the pointer its name and distance."""
        step = f" {int(self._steps[index]):,} "
        if self._near is None:
            return step
        apart = float(self._near.apart[index])
        return f"{step}  {self._near.name}  {'not known' if np.isnan(apart) else f'{apart:.2g}'} "

    def height_at(self, index: int) -> float:
        """Where the line near the pointer is."""
        return float(self.heights(self._near.apart[index : index + 1])[0]) if self._near is not None else np.nan

    def place_marks(self) -> None:
        """There are no marks beside the lines."""

    def place_marker(self) -> None:
        """Put the line at the marked step."""
        self._near = None
        super().place_marker()

    def show_hover(self, index: int, at: QPointF) -> None:
        """Read the line near the pointer off."""
        self._near = self._nearest(index, at)
        super().show_hover(index, at)
        self.hover_dot.setVisible(self._near is not None)

    def _nearest(self, index: int, at: QPointF) -> PlotLine | None:
        away: list[tuple[float, PlotLine]] = []
        for line in self.lines:
            height = float(self.heights(line.apart[index : index + 1])[0])
            if np.isfinite(height):
                place = self.box.mapViewToScene(QPointF(float(self._steps[index]), height))
                away.append((abs(place.y() - at.y()), line))
        return min(away, key=lambda one: one[0])[1] if away else None
