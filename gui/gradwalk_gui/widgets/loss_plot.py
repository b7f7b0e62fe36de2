"""The plot of the loss over the training steps (pyqtgraph): live, full resolution, the playhead's step marked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ..numbers import number
from ..panel import LEAST
from ..theme import Theme, font
from .log_axis import LogAxis

SMOOTH_UP_TO = 5000
"""Lines of more points than this are drawn one pixel wide and without antialiasing."""
MOST_MARKS = 2000
"""More marks than this in view are thinned to one per pixel column."""


class LossBox(pg.ViewBox):  # type: ignore[misc]
    """A view in which the left button goes to a step, the wheel zooms along the steps and the other buttons move."""

    def __init__(self, plot: LossPlot) -> None:
        super().__init__(enableMenu=False)
        self._plot = plot

    def mouseClickEvent(self, ev: Any) -> None:
        """Go to the step under the pointer; a double click shows everything again."""
        if ev.button() != Qt.MouseButton.LeftButton:
            return
        ev.accept()
        if ev.double():
            self._plot.show_all()
        else:
            self._plot.choose(self.mapSceneToView(ev.scenePos()).x())

    def mouseDragEvent(self, ev: Any, axis: int | None = None) -> None:
        """Left: drag the playhead; else move the view."""
        if ev.button() == Qt.MouseButton.LeftButton:
            ev.accept()
            self._plot.choose(self.mapSceneToView(ev.scenePos()).x())
        else:
            self._plot.hold()
            super().mouseDragEvent(ev, axis)

    def wheelEvent(self, ev: Any, axis: int | None = None) -> None:
        """Zoom along the steps; with Ctrl along the loss."""
        self._plot.hold()
        super().wheelEvent(ev, 1 if ev.modifiers() & Qt.KeyboardModifier.ControlModifier else 0)


class StepAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis of whole numbers."""

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:  # noqa: N803
        """The spacings of whole steps; there is no half step."""
        spacings = [(spacing, offset) for spacing, offset in super().tickSpacing(minVal, maxVal, size) if spacing >= 1]
        return spacings or [(1.0, 0.0)]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Step numbers with separators."""
        return [f"{round(value):,}" for value in values]


class LossPlot(QWidget):
    """Takes step numbers and losses; x is the step number, y the loss or its log10."""

    chosen = Signal(int)
    """The index of the step that was clicked."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.log = True
        self._steps: NDArray[np.float64] = np.zeros(0)
        self._losses: NDArray[np.float64] = np.zeros(0)
        self._bad: NDArray[np.bool_] = np.zeros(0, dtype=bool)
        self._marker = -1
        self._held = False
        self._smooth = True
        self.box = LossBox(self)
        self.plot = pg.PlotWidget(
            viewBox=self.box, background=None, axisItems={"bottom": StepAxis("bottom"), "left": LogAxis("left")}
        )
        self.item = self.plot.getPlotItem()
        self.plot.setMinimumHeight(LEAST)
        self.curve = pg.PlotDataItem(skipFiniteCheck=True)
        self.ghost = pg.PlotDataItem(skipFiniteCheck=True)
        self._ghost: tuple[NDArray[np.float64], NDArray[np.float64]] = np.zeros(0), np.zeros(0)
        self.bad_marks = pg.ScatterPlotItem(symbol="x", size=8, pxMode=True)
        self.low_marks = pg.ScatterPlotItem(symbol="t", size=7, pxMode=True)
        self.line = pg.InfiniteLine(angle=90, movable=False)
        self.dot = pg.ScatterPlotItem(symbol="o", size=8, pxMode=True)
        self.label = pg.TextItem(anchor=(0, 0))
        self.hover_dot = pg.ScatterPlotItem(symbol="o", size=6, pxMode=True)
        self.hover = pg.TextItem(anchor=(0, 1))
        self.hover.setVisible(False)
        self._compose()
        self.set_theme(theme)

    def _compose(self) -> None:
        self.item.hideButtons()
        self.item.setMenuEnabled(False)
        self.item.setLabel("bottom", "training step")
        self.item.setLabel("left", "loss")
        self.item.setDownsampling(auto=True, mode="peak")
        self.item.setClipToView(True)
        for curve in (self.ghost, self.curve):
            self.item.addItem(curve)
        for thing in (self.line, self.bad_marks, self.low_marks, self.dot, self.label, self.hover_dot, self.hover):
            self.box.addItem(thing, ignoreBounds=True)
        self.box.setDefaultPadding(0.03)
        self.box.setAutoVisible(y=True)
        self.box.disableAutoRange(pg.ViewBox.XAxis)
        self.box.enableAutoRange(y=True)
        self.box.sigRangeChanged.connect(self._on_range)
        self.plot.scene().sigMouseMoved.connect(self._on_hover)
        for side in ("bottom", "left"):
            axis = self.item.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setStyle(tickFont=font(11, numbers=True), tickLength=-4)
            axis.label.setFont(font(12))
        self.item.getAxis("left").setLogMode(False, True)
        self.plot.setAccessibleName("Loss over training steps")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.plot.resetCachedContent()
        for side in ("bottom", "left"):
            axis = self.item.getAxis(side)
            axis.setPen(pg.mkPen(theme.border))
            axis.setTextPen(pg.mkPen(theme.subtle))
        self.item.showGrid(x=True, y=True, alpha=0.18)
        self.curve.setPen(self._pen())
        self.ghost.setPen(pg.mkPen(theme.faint, width=1.25, style=Qt.PenStyle.DashLine))
        self.bad_marks.setPen(pg.mkPen(theme.bad, width=1.5))
        self.bad_marks.setBrush(pg.mkBrush(theme.bad))
        self.low_marks.setPen(pg.mkPen(theme.subtle))
        self.low_marks.setBrush(pg.mkBrush(None))
        self.line.setPen(pg.mkPen(theme.accent, width=1.5))
        for dot in (self.dot, self.hover_dot):
            dot.setPen(pg.mkPen(theme.panel, width=1.5))
            dot.setBrush(pg.mkBrush(theme.accent if dot is self.dot else theme.loss))
        for text in (self.label, self.hover):
            text.setColor(QColor(theme.text))
            text.fill = pg.mkBrush(QColor(theme.raised))
            text.border = pg.mkPen(theme.border)
            text.textItem.setFont(font(11, numbers=True))
            text.updateTextPos()
        self._place_marker()

    def show_losses(self, steps: NDArray[np.float64], losses: NDArray[np.float64], bad: NDArray[np.bool_], *, log: bool) -> None:
        """Show losses over step numbers, ``[n]`` each and ``steps`` rising; ``bad`` says which are NaN or Inf (not: none)."""
        if log != self.log:
            self.log = log
            self.item.getAxis("left").setLogMode(False, log)
            self.box.enableAutoRange(y=True)
        self._steps, self._losses, self._bad = steps, losses, bad
        heights = self.heights(losses)
        drawn = np.isfinite(heights)
        self._smooth = len(steps) <= SMOOTH_UP_TO
        self.curve.setPen(self._pen())
        self.curve.setData(steps[drawn], heights[drawn], antialias=self._smooth)
        self._draw_ghost()
        self._fit_steps()
        self._place_marks()
        self._place_marker()

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

    def heights(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where losses are drawn: as they are, or their log10; NaN where they cannot be drawn."""
        if not self.log:
            return losses
        made = np.full(len(losses), np.nan)
        np.log10(losses, out=made, where=losses > 0)
        return made

    def show_marker(self, index: int) -> None:
        """Mark a step by its index; -1 for none."""
        self._marker = index
        self._place_marker()

    def marker(self) -> int:
        """The index of the marked step, or -1."""
        return self._marker

    def marker_text(self) -> str:
        """What stands beside the line: the step number and the loss."""
        return self._text(self._marker) if 0 <= self._marker < len(self._steps) else ""

    def choose(self, x: float) -> None:
        """Choose the step nearest to a place on the axis."""
        if len(self._steps):
            self.chosen.emit(self.nearest(x))

    def nearest(self, x: float) -> int:
        """The index of the step nearest to a place on the axis."""
        right = int(np.searchsorted(self._steps, x))
        candidates = [place for place in (right - 1, right) if 0 <= place < len(self._steps)]
        return min(candidates, key=lambda place: abs(float(self._steps[place]) - x))

    def show_all(self) -> None:
        """Show every step, and go on showing every step as more come."""
        self._held = False
        self.box.enableAutoRange(y=True)
        self._fit_steps()

    def hold(self) -> None:
        """From now on the person decides what is in view."""
        self._held = True

    @property
    def is_held(self) -> bool:
        """Whether the person has zoomed or moved the view."""
        return self._held

    def _fit_steps(self) -> None:
        """Every step in view, those without a point in the line too, unless the person decides; never far from the steps."""
        if not len(self._steps):
            return
        first, last = float(self._steps[0]), float(self._steps[-1])
        room = max(last - first, 1.0)
        self.box.setLimits(xMin=first - room, xMax=last + room, minXRange=2.0)
        if not self._held:
            self.box.setXRange(first, max(last, first + 1.0), padding=0.03)

    def _place_marker(self) -> None:
        known = 0 <= self._marker < len(self._steps)
        self.line.setVisible(known)
        self.label.setVisible(known)
        if not known:
            self.dot.setData([], [])
            return
        x = float(self._steps[self._marker])
        height = float(self.heights(self._losses[self._marker : self._marker + 1])[0])
        self.line.setValue(x)
        self.dot.setData([x], [height]) if np.isfinite(height) else self.dot.setData([], [])
        self.label.setText(self._text(self._marker))
        self._place_label(x)

    def _place_label(self, x: float) -> None:
        (left, right), (_, top) = self.box.viewRange()
        self.label.setAnchor((0, 0) if x < (left + right) / 2 else (1, 0))
        self.label.setPos(x, top)

    def _text(self, index: int) -> str:
        loss = float(self._losses[index])
        told = "no loss" if np.isnan(loss) and not self._bad[index] else number(loss, 5)
        return f" {int(self._steps[index]):,}   {told} "

    def _on_range(self) -> None:
        self._place_marks()
        if 0 <= self._marker < len(self._steps):
            self._place_label(float(self._steps[self._marker]))

    def _place_marks(self) -> None:
        """NaN and Inf, and on a log scale what is not above zero, as marks at the bottom of the view."""
        (left, right), (bottom, top) = self.box.viewRange()
        first, last = np.searchsorted(self._steps, (left, right), side="left")
        window = slice(int(first), int(last) + 1)
        losses, steps = self._losses[window], self._steps[window]
        floor = bottom + (top - bottom) * 0.03
        self._show_marks(self.bad_marks, steps[self._bad[window]], floor, right - left)
        low = (losses <= 0) & np.isfinite(losses) if self.log else np.zeros(len(losses), dtype=bool)
        self._show_marks(self.low_marks, steps[low], floor, right - left)

    def _show_marks(self, marks: Any, places: NDArray[np.float64], floor: float, width: float) -> None:
        if len(places) > MOST_MARKS:
            columns = (places * (max(self.width(), 1) / max(width, 1e-9))).astype(np.int64)
            places = places[np.unique(columns, return_index=True)[1]]
        marks.setData(places, np.full(len(places), floor))

    def _on_hover(self, at: QPointF) -> None:
        inside = self.item.vb.sceneBoundingRect().contains(at) and len(self._steps) > 0
        self.hover.setVisible(inside)
        self.hover_dot.setVisible(inside)
        if not inside:
            return
        index = self.nearest(self.box.mapSceneToView(at).x())
        x, height = float(self._steps[index]), float(self.heights(self._losses[index : index + 1])[0])
        (left, right), (bottom, top) = self.box.viewRange()
        y = height if np.isfinite(height) else bottom
        self.hover_dot.setData([x], [y])
        self.hover.setText(self._text(index))
        self.hover.setAnchor((0 if x < (left + right) / 2 else 1, 1 if y < (bottom + top) / 2 else 0))
        self.hover.setPos(x, y)

    def leaveEvent(self, event: Any) -> None:
        """Take the reading at the pointer away."""
        super().leaveEvent(event)
        self.hover.setVisible(False)
        self.hover_dot.setVisible(False)
