"""The plot of the loss over the training steps (pyqtgraph): live, full resolution, the playhead's step marked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from ..numbers import number
from ..theme import Theme
from .step_plot import StepPlot

SMOOTH_UP_TO = 5000
"""Lines of more points than this are drawn one pixel wide and without antialiasing."""


class LossPlot(StepPlot):
    """Takes step numbers and losses; y is the loss or its log10."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._losses: NDArray[np.float64] = np.zeros(0)
        self._bad: NDArray[np.bool_] = np.zeros(0, dtype=bool)
        self._smooth = True
        self.curve = pg.PlotDataItem(skipFiniteCheck=True)
        self.ghost = pg.PlotDataItem(skipFiniteCheck=True)
        self._ghost: tuple[NDArray[np.float64], NDArray[np.float64]] = np.zeros(0), np.zeros(0)
        self.low_marks = pg.ScatterPlotItem(symbol="t", size=7, pxMode=True)
        self.dot = pg.ScatterPlotItem(symbol="o", size=8, pxMode=True)
        self.item.setLabel("left", "loss")
        self.item.setDownsampling(auto=True, mode="peak")
        self.item.setClipToView(True)
        for curve in (self.ghost, self.curve):
            self.item.addItem(curve)
        self.box.setAutoVisible(y=True)
        self.add(self.low_marks, self.dot)
        self.plot.setAccessibleName("Loss over training steps")
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        super().set_theme(theme)
        self.curve.setPen(self._pen())
        self.ghost.setPen(pg.mkPen(theme.faint, width=1.25, style=Qt.PenStyle.DashLine))
        self.low_marks.setPen(pg.mkPen(theme.subtle))
        self.low_marks.setBrush(pg.mkBrush(None))
        self.dot.setPen(pg.mkPen(theme.panel, width=1.5))
        self.dot.setBrush(pg.mkBrush(theme.accent))
        self.hover_dot.setBrush(pg.mkBrush(theme.loss))
        self.place_marker()

    def show_losses(self, steps: NDArray[np.float64], losses: NDArray[np.float64], bad: NDArray[np.bool_], *, log: bool) -> None:
        """Show losses over step numbers, ``[n]`` each and ``steps`` rising; ``bad`` says which are NaN or Inf (not: none)."""
        self.set_log(log)
        self._steps, self._losses, self._bad = steps, losses, bad
        heights = self.heights(losses)
        drawn = np.isfinite(heights)
        self._smooth = len(steps) <= SMOOTH_UP_TO
        self.curve.setPen(self._pen())
        self.curve.setData(steps[drawn], heights[drawn], antialias=self._smooth)
        self._draw_ghost()
        self.fit_steps()
        self.place_marks()
        self.place_marker()

    def show_ghost(self, steps: NDArray[np.float64], losses: NDArray[np.float64]) -> None:
        """Show the losses of the run before as a grey dashed line under the curve; nothing for empty arrays."""
        self._ghost = steps, losses
        self._draw_ghost()

    def _draw_ghost(self) -> None:
        steps, heights = self._ghost[0], self.heights(self._ghost[1])
        drawn = np.isfinite(heights)
        self.ghost.setData(steps[drawn], heights[drawn], antialias=len(steps) <= SMOOTH_UP_TO)

    def _pen(self) -> Any:
        """A line of one pixel where there are many points: a wider one takes a hundred times as long to paint."""
        return pg.mkPen(self.theme.loss, width=1.5 if self._smooth else 1)

    def text_at(self, index: int) -> str:
        """The step number and the loss."""
        loss = float(self._losses[index])
        told = "no loss" if np.isnan(loss) and not self._bad[index] else number(loss, 5)
        return f" {int(self._steps[index]):,}   {told} "

    def height_at(self, index: int) -> float:
        """Where the loss is drawn."""
        return float(self.heights(self._losses[index : index + 1])[0])

    def place_marker(self) -> None:
        """Put line, dot and reading at the marked step."""
        super().place_marker()
        height = self.height_at(self._marker) if 0 <= self._marker < len(self._steps) else np.nan
        self.dot.setData([float(self._steps[self._marker])], [height]) if np.isfinite(height) else self.dot.setData([], [])

    def place_marks(self) -> None:
        """NaN and Inf, and on a log scale what is not above zero, as marks at the bottom of the view."""
        window = self.in_view()
        losses, steps = self._losses[window], self._steps[window]
        self.show_marks(self.bad_marks, steps[self._bad[window]])
        low = (losses <= 0) & np.isfinite(losses) if self.log else np.zeros(len(losses), dtype=bool)
        self.show_marks(self.low_marks, steps[low])
