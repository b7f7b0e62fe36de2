"""The heat map of gradients under mouse and keys: a click goes to a step and a parameter, the wheel zooms along the steps."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QToolTip, QWidget

from ..theme import Theme
from .heat_sight import HeatSight


class HeatMap(HeatSight):
    """``chosen`` carries the index of a step and the Group of the row that was clicked, or None."""

    chosen = Signal(int, object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to a step and a parameter; of a name to the parameter alone."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._choose(event.position())

    def _choose(self, at: QPointF) -> None:
        row, step = self.row_at(at.y()), self.step_at(at)
        if row is not None or step is not None:
            self.chosen.emit(self.step if step is None else step, None if row is None else self.groups[row])

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show every step again."""
        self.show_all()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say what is under the pointer; with the left button down, take the playhead along."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(event.position())
        said = self.describe(event.position())
        if said:
            QToolTip.showText(event.globalPosition().toPoint(), said, self)
        else:
            QToolTip.hideText()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom along the steps at the pointer."""
        event.accept()
        turned, (first, last), area = event.angleDelta().y(), self.span, self.area()
        if not turned or (last - first < 2 and turned > 0):
            return
        share = float(np.clip((event.position().x() - area.left()) / area.width(), 0, 1))
        wanted = (last - first) * 1.0015**-turned
        start = max(round(first + ((last - first) - wanted) * share), 0)
        stop = min(max(round(start + wanted), start + 1), self.heat.columns)
        self.zoomed = None if (start, stop) == (0, self.heat.columns) else (start, stop)
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down select the row before or after, Left and Right go a step on."""
        moves = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}
        if event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier or event.key() not in moves or not self.groups:
            event.ignore()
            return
        across, down = moves[Qt.Key(event.key())]
        chosen = next((row for row, group in enumerate(self.groups) if self.is_selected(group)), None)
        row = min(max((-1 if chosen is None and down > 0 else chosen or 0) + down, 0), len(self.groups) - 1)
        group = self.groups[row] if down or chosen is not None else None
        self.chosen.emit(min(max(self.step + across, 0), max(self.heat.at - 1, 0)), group)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is pointed at any more."""
        super().leaveEvent(event)
        QToolTip.hideText()
