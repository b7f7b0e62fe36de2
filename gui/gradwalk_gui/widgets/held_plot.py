"""The plot of the bytes held for the backward over the tape (pyqtgraph): the peak and the playhead marked; a click goes there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from ..numbers import bytes_text
from ..panel import LEAST
from ..theme import Theme, font

SMOOTH_UP_TO = 5000


class HeldBox(pg.ViewBox):  # type: ignore[misc]
    """A view that always shows the whole step; a click or a drag goes to an event."""

    def __init__(self, plot: HeldPlot) -> None:
        super().__init__(enableMenu=False)
        self._plot = plot
        self.setMouseEnabled(False, False)

    def mouseClickEvent(self, ev: Any) -> None:
        """Go to the event under the pointer."""
        if ev.button() == Qt.MouseButton.LeftButton:
            ev.accept()
            self._plot.choose(self.mapSceneToView(ev.scenePos()).x())

    def mouseDragEvent(self, ev: Any, axis: int | None = None) -> None:
        """Drag the playhead."""
        if ev.button() == Qt.MouseButton.LeftButton:
            ev.accept()
            self._plot.choose(self.mapSceneToView(ev.scenePos()).x())


class BytesAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis of bytes."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """``0``, ``1.5 MB``."""
        return [bytes_text(round(value)) if value > 0 else "0" for value in values]


class HeldPlot(QWidget):
    """x counts the events that have run, y are bytes."""

    chosen = Signal(int)
    """The playhead that was clicked."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._held: NDArray[np.int64] = np.zeros(1, np.int64)
        self._position = 0
        self.box = HeldBox(self)
        self.plot = pg.PlotWidget(viewBox=self.box, background=None, axisItems={"left": BytesAxis("left")})
        self.item = self.plot.getPlotItem()
        self.curve = pg.PlotDataItem(skipFiniteCheck=True)
        self.line = pg.InfiniteLine(angle=90, movable=False)
        self.peak = pg.ScatterPlotItem(symbol="d", size=9, pxMode=True)
        self.label = pg.TextItem(anchor=(0, 0))
        self._compose()
        self.set_theme(theme)

    def _compose(self) -> None:
        self.item.hideButtons()
        self.item.setMenuEnabled(False)
        self.item.addItem(self.curve)
        for thing in (self.line, self.peak, self.label):
            self.box.addItem(thing, ignoreBounds=True)
        self.box.disableAutoRange()
        for side in ("bottom", "left"):
            axis = self.item.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setStyle(tickFont=font(11, numbers=True), tickLength=-4)
        self.plot.setMinimumHeight(LEAST)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plot.setAccessibleName("Bytes held for the backward, over the events of the step")
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
        self.item.showGrid(x=False, y=True, alpha=0.18)
        ground = QColor(theme.forward)
        ground.setAlpha(40)
        self.curve.setPen(pg.mkPen(theme.forward, width=1.5 if len(self._held) <= SMOOTH_UP_TO else 1))
        self.curve.setFillLevel(0)
        self.curve.setFillBrush(pg.mkBrush(ground))
        self.line.setPen(pg.mkPen(theme.accent, width=1.5))
        self.peak.setPen(pg.mkPen(theme.panel, width=1))
        self.peak.setBrush(pg.mkBrush(theme.text))
        self.label.setColor(QColor(theme.text))
        self.label.fill, self.label.border = pg.mkBrush(QColor(theme.raised)), pg.mkPen(theme.border)
        self.label.textItem.setFont(font(11, numbers=True))
        self.label.updateTextPos()

    def show_held(self, held: NDArray[np.int64]) -> None:
        """Show the bytes when ``p`` events have run, ``[events + 1]``."""
        if held is self._held:
            return
        self._held = held
        events, most = len(held) - 1, int(held.max(initial=0))
        self.curve.setData(np.arange(events + 1, dtype=np.float64), held.astype(np.float64), antialias=events <= SMOOTH_UP_TO)
        self.box.setRange(xRange=(0, max(events, 1)), yRange=(0, max(most, 1) * 1.15), padding=0.02)
        at = self.peak_at
        self.peak.setData([at], [most])
        self.label.setText(f"peak {bytes_text(most)}")
        self.label.setAnchor((0, 0) if at < events / 2 else (1, 0))
        self.label.setPos(at + events * (0.015 if at < events / 2 else -0.015), max(most, 1) * 1.15)
        self.plot.setAccessibleDescription(self.peak_text)

    def show_position(self, position: int) -> None:
        """Mark the playhead."""
        self._position = position
        self.line.setValue(position)

    @property
    def peak_at(self) -> int:
        """The first playhead with the most bytes."""
        return int(self._held.argmax())

    @property
    def peak_text(self) -> str:
        """The peak in words."""
        return f"peak {bytes_text(int(self._held.max(initial=0)))} after event #{max(self.peak_at - 1, 0)}"

    def choose(self, x: float) -> None:
        """Choose the playhead nearest to a place on the axis."""
        self.chosen.emit(max(0, min(round(x), len(self._held) - 1)))
