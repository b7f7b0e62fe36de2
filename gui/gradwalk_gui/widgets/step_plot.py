"""What every plot over the training steps is (pyqtgraph): axes, the playhead's step, zoom, a click that goes to a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ..panel import LEAST
from ..theme import Theme, font
from .log_axis import LogAxis

SIDES = ("bottom", "left", "right")
NAMES_FROM = 110
"""Height from which on the axes have names."""
CLEAR = 8.0
"""Pixels kept free between a point and what is read there."""
MOST_MARKS = 2000
"""More marks than this in view are thinned to one per pixel column."""


class StepBox(pg.ViewBox):  # type: ignore[misc]
    """A view in which the left button goes to a step, the wheel zooms along the steps and the other buttons move."""

    def __init__(self, plot: StepPlot) -> None:
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
            self._plot.clicked_at(ev.scenePos())

    def mouseDragEvent(self, ev: Any, axis: int | None = None) -> None:
        """Left: drag the playhead; else move the view."""
        if ev.button() == Qt.MouseButton.LeftButton:
            ev.accept()
            self._plot.choose(self.mapSceneToView(ev.scenePos()).x())
        else:
            self._plot.hold()
            super().mouseDragEvent(ev, axis)

    def wheelEvent(self, ev: Any, axis: int | None = None) -> None:
        """Zoom along the steps; with Ctrl along the heights."""
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


class StepPlot(QWidget):
    """x is the step number, y a number or its log10. A subclass says what stands at one: :meth:`text_at`, :meth:`height_at`."""

    chosen = Signal(int)
    """The index of the step that was clicked."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.log = True
        self._steps: NDArray[np.float64] = np.zeros(0)
        self._marker = -1
        self._held = False
        self.box = StepBox(self)
        axes = {"bottom": StepAxis("bottom"), "left": LogAxis("left"), "right": LogAxis("right")}
        self.plot = pg.PlotWidget(viewBox=self.box, background=None, axisItems=axes)
        self.item = self.plot.getPlotItem()
        self.plot.setMinimumHeight(LEAST)
        self.line = pg.InfiniteLine(angle=90, movable=False)
        self.bad_marks = pg.ScatterPlotItem(symbol="x", size=8, pxMode=True)
        self.label = pg.TextItem(anchor=(0, 0))
        self.hover_dot = pg.ScatterPlotItem(symbol="o", size=6, pxMode=True)
        self.hover = pg.TextItem(anchor=(0, 1))
        self.hover.setVisible(False)
        self.item.hideButtons()
        self.item.setMenuEnabled(False)
        self.item.setLabel("bottom", "training step")
        self.box.setDefaultPadding(0.03)
        self.box.disableAutoRange(pg.ViewBox.XAxis)
        self.box.enableAutoRange(y=True)
        self.box.sigRangeChanged.connect(self._on_range)
        self.plot.scene().sigMouseMoved.connect(self._on_hover)
        for side in SIDES:
            axis = self.item.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setStyle(tickFont=font(11, numbers=True), tickLength=-4)
            axis.label.setFont(font(12))
        self.item.getAxis("left").setLogMode(False, True)
        self.item.hideAxis("right")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    # What a subclass says

    def text_at(self, index: int) -> str:
        """What is read at a step."""
        raise NotImplementedError

    def height_at(self, index: int) -> float:
        """Where on the y axis the reading's dot stands; NaN for nowhere."""
        raise NotImplementedError

    def place_marks(self) -> None:
        """What stands at the bottom of the view; called when another range is in view."""

    # What all of them do

    def add(self, *things: Any) -> None:
        """Draw some items above the lines, together with line, reading and marks; they do not count for the range in view."""
        for height, thing in enumerate((self.line, self.bad_marks, *things, self.label, self.hover_dot, self.hover), 1):
            thing.setZValue(height)
            self.box.addItem(thing, ignoreBounds=True)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.plot.resetCachedContent()
        for side in SIDES:
            axis = self.item.getAxis(side)
            axis.setPen(pg.mkPen(theme.border))
            axis.setTextPen(pg.mkPen(theme.subtle))
        self.item.showGrid(x=True, y=True, alpha=0.18)
        self.bad_marks.setPen(pg.mkPen(theme.bad, width=1.5))
        self.bad_marks.setBrush(pg.mkBrush(theme.bad))
        self.line.setPen(pg.mkPen(theme.accent, width=1.5))
        self.hover_dot.setPen(pg.mkPen(theme.panel, width=1.5))
        for text in (self.label, self.hover):
            text.setColor(QColor(theme.text))
            text.fill = pg.mkBrush(QColor(theme.raised))
            text.border = pg.mkPen(theme.border)
            text.textItem.setFont(font(11, numbers=True))
            text.updateTextPos()

    def name_axis(self, side: str, name: str) -> None:
        """Say what an axis shows, where there is room for it; a hidden axis stays hidden."""
        axis = self.item.getAxis(side)
        axis.setLabel(name)
        axis.showLabel(bool(name) and self.height() >= NAMES_FROM)

    def set_log(self, log: bool) -> None:
        """Draw numbers, or their log10."""
        if log != self.log:
            self.log = log
            self.item.getAxis("left").setLogMode(False, log)
            self.box.enableAutoRange(y=True)

    def heights(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where numbers are drawn: as they are, or their log10; NaN where they cannot be drawn."""
        if not self.log:
            return numbers
        made = np.full(len(numbers), np.nan)
        np.log10(numbers, out=made, where=numbers > 0)
        return made

    def show_marker(self, index: int) -> None:
        """Mark a step by its index; -1 for none."""
        self._marker = index
        self.place_marker()

    def marker(self) -> int:
        """The index of the marked step, or -1."""
        return self._marker

    def marker_text(self) -> str:
        """What stands beside the line."""
        return self.text_at(self._marker) if 0 <= self._marker < len(self._steps) else ""

    def clicked_at(self, place: QPointF) -> None:
        """A click at a place of the scene."""
        self.choose(self.box.mapSceneToView(place).x())

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
        self.fit_steps()

    def hold(self) -> None:
        """From now on the person decides what is in view."""
        self._held = True

    @property
    def is_held(self) -> bool:
        """Whether the person has zoomed or moved the view."""
        return self._held

    def fit_steps(self) -> None:
        """Every step in view, those without a point in the line too, unless the person decides; never far from the steps."""
        if not len(self._steps):
            return
        first, last = float(self._steps[0]), float(self._steps[-1])
        room = max(last - first, 1.0)
        self.box.setLimits(xMin=first - room, xMax=last + room, minXRange=2.0)
        if not self._held:
            self.box.setXRange(first, max(last, first + 1.0), padding=0.03)

    def place_marker(self) -> None:
        """Put line and reading at the marked step."""
        known = 0 <= self._marker < len(self._steps)
        self.line.setVisible(known)
        self.label.setVisible(known)
        if known:
            x = float(self._steps[self._marker])
            self.line.setValue(x)
            self.label.setText(self.text_at(self._marker))
            self._place_label(x)

    def _place_label(self, x: float) -> None:
        """At the top of the line, or at its bottom where it would cover the point up there."""
        (left, right), (bottom, top) = self.box.viewRange()
        side, low = 0 if x < (left + right) / 2 else 1, self._is_high(top, bottom)
        self.label.setAnchor((side, int(low)))
        self.label.setPos(x, bottom if low else top)

    def _is_high(self, top: float, bottom: float) -> bool:
        """Whether the marked point lies where the reading would be at the top; in a low plot whether it is in the upper half."""
        height, room = self.height_at(self._marker), self.box.height()
        if not np.isfinite(height) or top <= bottom:
            return False
        below = (top - height) / (top - bottom) * room
        return bool(below < min(self.label.boundingRect().height() + CLEAR, room / 2))

    def _on_range(self) -> None:
        self.place_marks()
        if 0 <= self._marker < len(self._steps):
            self._place_label(float(self._steps[self._marker]))

    def in_view(self) -> slice:
        """Which steps are in view."""
        (left, right), _ = self.box.viewRange()
        first, last = np.searchsorted(self._steps, (left, right), side="left")
        return slice(int(first), int(last) + 1)

    def show_marks(self, marks: Any, places: NDArray[np.float64]) -> None:
        """Marks at the bottom of the view at some step numbers."""
        (left, right), (bottom, top) = self.box.viewRange()
        if len(places) > MOST_MARKS:
            columns = (places * (max(self.width(), 1) / max(right - left, 1e-9))).astype(np.int64)
            places = places[np.unique(columns, return_index=True)[1]]
        marks.setData(places, np.full(len(places), bottom + (top - bottom) * 0.03))

    def _on_hover(self, at: QPointF) -> None:
        inside = self.item.vb.sceneBoundingRect().contains(at) and len(self._steps) > 0
        self.hover.setVisible(inside)
        self.hover_dot.setVisible(inside)
        if inside:
            self.show_hover(self.nearest(self.box.mapSceneToView(at).x()), at)

    def show_hover(self, index: int, at: QPointF) -> None:
        """Read a step off at the pointer."""
        x, height = float(self._steps[index]), self.height_at(index)
        (left, right), (bottom, top) = self.box.viewRange()
        y = height if np.isfinite(height) else bottom
        self.hover_dot.setData([x], [y])
        self.hover.setText(self.text_at(index))
        self.hover.setAnchor((0 if x < (left + right) / 2 else 1, 1 if y < (bottom + top) / 2 else 0))
        self.hover.setPos(x, y)

    def resizeEvent(self, event: Any) -> None:
        """Names of axes only where there is room for them."""
        super().resizeEvent(event)
        for side in SIDES:
            self.name_axis(side, self.item.getAxis(side).labelText)
        self._on_range()

    def leaveEvent(self, event: Any) -> None:
        """Take the reading at the pointer away."""
        super().leaveEvent(event)
        self.hover.setVisible(False)
        self.hover_dot.setVisible(False)
