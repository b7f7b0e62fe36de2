"""The plot of the probes over the training steps, with the loss behind them on an axis of its own (pyqtgraph)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtWidgets import QGraphicsItem, QWidget

from ..numbers import number
from ..probes import FIGURES
from ..theme import Theme
from ..widgets.step_plot import StepPlot
from .series import Series, line_of, lone_points

NEAR = 24.0
"""Pixels from a line within which a click means its probe."""
LONE_UP_TO = 2000
"""Of more points in view, those without neighbours get no dot."""


def pen_of(theme: Theme, ink: int) -> Any:
    """The pen of a probe's line: a colour, and dashes where all colours are used up."""
    inks = theme.inks
    dashed = ink % (2 * len(inks)) >= len(inks)
    return pg.mkPen(inks[ink % len(inks)], width=1.5, style=Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine)


class ProbePlot(StepPlot):
    """Lines of series; ``picked`` carries the index of a step and the probe whose line was clicked there."""

    picked = Signal(int, object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._series: tuple[Series, ...] = ()
        self._losses: NDArray[np.float64] | None = None
        self._drawn: object = None
        self._near: Series | None = None
        self.curves: list[Any] = []
        self.lone = pg.ScatterPlotItem(symbol="o", size=4, pxMode=True)
        self.dots = pg.ScatterPlotItem(symbol="o", size=8, pxMode=True)
        self.behind = pg.ViewBox(enableMenu=False)
        self.loss = _curve()
        self._put_behind()
        self.add(self.lone, self.dots)
        self.plot.setAccessibleName("Probes over training steps")
        self.set_theme(theme)

    def _put_behind(self) -> None:
        """A second view of the same steps, under the first, for the loss and the axis at the right."""
        self.behind.setMouseEnabled(False, False)
        self.behind.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.behind.setZValue(self.box.zValue() - 1)
        self.plot.scene().addItem(self.behind)
        self.behind.addItem(self.loss)
        self.behind.setXLink(self.box)
        self.behind.enableAutoRange(y=True)
        axis = self.item.getAxis("right")
        axis.linkToView(self.behind)
        self.name_axis("right", "loss")
        self.box.sigResized.connect(lambda: self.behind.setGeometry(self.box.sceneBoundingRect()))

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        super().set_theme(theme)
        self.item.getAxis("right").setGrid(False)
        self.loss.setPen(pg.mkPen(theme.loss, width=1, style=Qt.PenStyle.DotLine))
        self._drawn = None
        self._redraw()
        self.place_marker()

    def show_series(
        self,
        steps: NDArray[np.float64],
        series: Sequence[Series],
        *,
        log: bool,
        losses: NDArray[np.float64] | None = None,
        log_loss: bool = True,
    ) -> None:
        """Show series over step numbers, rising, and the loss behind them unless it is None."""
        self.set_log(log)
        self._steps, self._series = steps, tuple(series)
        self._losses = losses
        if losses is not None and log_loss:
            with np.errstate(all="ignore"):
                self._losses = np.where(losses > 0, np.log10(losses), np.nan)
        self.item.showAxis("right", losses is not None)
        self.item.getAxis("right").setLogMode(False, log_loss)
        figures = {one.probe.figure for one in series}
        self.name_axis("left", FIGURES[figures.pop()] if len(figures) == 1 else "")
        self._drawn = None
        self.fit_steps()
        self._redraw()
        self.place_marks()
        self.place_marker()

    def _numbers(self, one: Series, window: slice) -> NDArray[np.float64]:
        """The numbers of a series that can be drawn, NaN for the others."""
        numbers = one.numbers[: len(self._steps)][window]
        with np.errstate(all="ignore"):
            return np.where(np.isfinite(numbers) & ((numbers > 0) | (not self.log)), numbers, np.nan)

    def _redraw(self) -> None:
        """Bring the lines to what is in view: no more points than the pixels can show."""
        window, columns = self._window(), max(round(self.box.width() * self.devicePixelRatioF()), 64)
        wanted = (window.start, window.stop, columns)
        if wanted == self._drawn:
            return
        self._drawn = wanted
        while len(self.curves) < len(self._series):
            self.curves.append(_curve())
            self.item.addItem(self.curves[-1])
        while len(self.curves) > len(self._series):
            self.item.removeItem(self.curves.pop())
        lone: list[dict[str, Any]] = []
        for curve, one in zip(self.curves, self._series, strict=True):
            pen = pen_of(self.theme, one.probe.ink)
            numbers = self._numbers(one, window)
            xs, ys = line_of(self._steps[window][: len(numbers)], numbers, columns)
            heights = self.heights(ys)
            curve.setPen(pen)
            curve.setData(xs, heights, antialias=True)
            brush = pg.mkBrush(pen.color())
            places = lone_points(heights) if len(heights) <= LONE_UP_TO else ()
            lone += [{"pos": (xs[at], heights[at]), "brush": brush, "pen": None} for at in places]
        self.lone.setData(lone)
        losses = self._losses[window] if self._losses is not None else np.zeros(0)
        with np.errstate(all="ignore"):
            losses = np.where(np.isfinite(losses), losses, np.nan)
        self.loss.setData(*line_of(self._steps[window][: len(losses)], losses, columns))

    def _window(self) -> slice:
        """The steps in view and one more on each side, so that lines go on to the edges."""
        window = self.in_view()
        return slice(max(window.start - 1, 0), min(window.stop + 1, len(self._steps)))

    def place_marks(self) -> None:
        """NaN and Inf as marks at the bottom of the view; called when another range is in view."""
        self._redraw()
        window = self.in_view()
        bad = np.zeros(len(self._steps[window]), dtype=bool)
        for one in self._series:
            there = one.bad[: len(self._steps)][window]
            bad[: len(there)] |= there
        self.show_marks(self.bad_marks, self._steps[window][bad])

    def number_at(self, one: Series, index: int) -> float | None:
        """The number of a series at a step; None where it has none, or it was not read yet."""
        if not 0 <= index < one.at or (np.isnan(one.numbers[index]) and not one.bad[index]):
            return None
        return float(one.numbers[index])

    def text_at(self, index: int) -> str:
        """The step number, and of the line near the pointer its name and number."""
        step = f" {int(self._steps[index]):,} "
        if self._near is None:
            return step
        there = self.number_at(self._near, index)
        probe = self._near.probe
        told = "none" if there is None else number(there, 4)
        return f"{step}  {_short(probe.name)}  {FIGURES[probe.figure]} {told} "

    def height_at(self, index: int) -> float:
        """Where the line near the pointer is."""
        return self._height(self._near, index) if self._near is not None else np.nan

    def _height(self, one: Series, index: int) -> float:
        there = self._numbers(one, slice(index, index + 1))
        return float(self.heights(there)[0]) if len(there) else np.nan

    def place_marker(self) -> None:
        """Put line, dots and reading at the marked step."""
        self._near = None
        super().place_marker()
        dots: list[dict[str, Any]] = []
        for one in self._series if 0 <= self._marker < len(self._steps) else ():
            height = self._height(one, self._marker)
            if np.isfinite(height):
                brush = pg.mkBrush(pen_of(self.theme, one.probe.ink).color())
                dots.append({"pos": (self._steps[self._marker], height), "brush": brush, "pen": pg.mkPen(self.theme.panel)})
        self.dots.setData(dots)

    def nearest_series(self, index: int, place: QPointF) -> Series | None:
        """The series whose line is nearest to a place of the scene at a step, if it is near."""
        best, least = None, NEAR
        for one in self._series:
            height = self._height(one, index)
            if np.isfinite(height):
                away = abs(self.box.mapViewToScene(QPointF(float(self._steps[index]), height)).y() - place.y())
                best, least = (one, away) if away < least else (best, least)
        return best

    def clicked_at(self, place: QPointF) -> None:
        """Choose a step, and the probe whose line was clicked."""
        if not len(self._steps):
            return
        index = self.nearest(self.box.mapSceneToView(place).x())
        near = self.nearest_series(index, place)
        if near is None:
            self.chosen.emit(index)
        else:
            self.picked.emit(index, near.probe)

    def show_hover(self, index: int, at: QPointF) -> None:
        """Read the line near the pointer off."""
        self._near = self.nearest_series(index, at)
        self.hover_dot.setBrush(pg.mkBrush(pen_of(self.theme, self._near.probe.ink).color() if self._near else None))
        super().show_hover(index, at)
        self.hover_dot.setVisible(self._near is not None)


def _curve() -> Any:
    """A line that breaks off at NaN; it is kept painted while the playhead moves over it."""
    curve = pg.PlotCurveItem(skipFiniteCheck=True, connect="finite")
    curve.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
    return curve


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:16]} … {name[-20:]}"
