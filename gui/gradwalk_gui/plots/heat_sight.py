"""The heat map of gradients as it is looked at: a row per parameter, a column per training step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from ..graph.legend import paint_scale, scale_width
from ..graph.magnitudes import meaning, text
from ..graph.surface import Surface
from ..inspection.losses import nice_ticks
from ..numbers import NO_PATH
from ..panel import GRID, LEAST
from ..theme import Theme, font
from .heat import ABSENT, NO_GRADIENT, Group, Heat, binned, groups_of, largest
from .heat_image import heat_image

ROW = 3
"""Pixels that a row needs at least; where there are more rows, modules are drawn instead of parameters."""
LEGEND = 30
AXIS_FROM, LEGEND_FROM = 72, 118
"""Heights from which on there is room for the step numbers and for the legend."""
LABEL_SHARE, LABEL_MOST = 0.3, 190
TICK_APART = 70
NOT_THERE = "not in this step"


class HeatSight(QWidget):
    """Shows a Heat. ``heat_map.py`` adds mouse and keys."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.heat = Heat()
        self.steps: NDArray[np.float64] = np.zeros(0)
        self.groups: tuple[Group, ...] = ()
        self.selected: frozenset[str] = frozenset()
        """Paths of the parameters that are selected."""
        self._folded: frozenset[str] = frozenset()
        self.step = -1
        self.zoomed: tuple[int, int] | None = None
        """The columns in view where the person decides."""
        self._image: tuple[object, QImage] | None = None
        self._grouped: object = None
        self._widest = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.setMinimumHeight(LEAST)
        self.setAccessibleName("Gradients of parameters over training steps")

    # What it shows

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self._image = None
        self.update()

    def show_heat(self, heat: Heat, steps: NDArray[np.float64], folded: frozenset[str]) -> None:
        """Show what has been read up to now; ``steps`` are the numbers of the training steps."""
        if heat is not self.heat:
            self.zoomed = None
        self.heat, self.steps, self._folded = heat, steps, folded
        self._image = None
        self.update()

    def show_playhead(self, step: int, selected: frozenset[str]) -> None:
        """Mark a step by its index (-1: none), and the rows of what is selected."""
        if (step, selected) != (self.step, self.selected):
            self.step, self.selected = step, selected
            self.setAccessibleDescription(f"step {step + 1} of {self.heat.at}")
            self.update()

    def show_all(self) -> None:
        """Show every step, and go on showing every step as more come."""
        self.zoomed = None
        self._image = None
        self.update()

    @property
    def span(self) -> tuple[int, int]:
        """The columns in view: the first, and the one after the last."""
        return self.zoomed or (0, self.heat.columns)

    # Where things are

    def area(self) -> QRectF:
        """Where the cells lie, logical pixels."""
        left = min(self._widest + GRID, LABEL_MOST, self.width() * LABEL_SHARE) + GRID
        below = (_line() if self.height() >= AXIS_FROM else 4) + (LEGEND if self._has_legend() else 0)
        return QRectF(left, 8, max(self.width() - left - 1.5 * GRID, 1), max(self.height() - 8 - below, 1))

    def _has_legend(self) -> bool:
        return self.height() >= LEGEND_FROM and self.width() >= scale_width("") + 2 * GRID

    def row_at(self, y: float) -> int | None:
        """The row of the picture at a height, or None."""
        area = self.area()
        row = int((y - area.top()) / area.height() * len(self.groups)) if y >= area.top() else -1
        return row if 0 <= row < len(self.groups) else None

    def step_at(self, at: QPointF) -> int | None:
        """The index of the step at a point: of several in one pixel the one whose number is shown."""
        area, (first, last) = self.area(), self.span
        if not area.left() <= at.x() < area.right() or last <= first:
            return None
        width = max(round(area.width()), 1)
        columns = last - first
        pixel = min(int((at.x() - area.left()) / area.width() * width), width - 1)
        if columns <= width:
            column = first + pixel * columns // width
        else:
            start, end = first + pixel * columns // width, first + (pixel + 1) * columns // width
            row = self.row_at(at.y())
            rows = self.groups[row].rows if row is not None else self.heat.order
            column = start + largest(self.heat.cells(rows, slice(start, max(end, start + 1))))
        return min(column * self.heat.per, len(self.steps) - 1)

    def x_of(self, step: int) -> float | None:
        """The middle of a step's column, or None where it is out of view."""
        first, last = self.span
        column = step // self.heat.per
        if not first <= column < last:
            return None
        area = self.area()
        return area.left() + (column - first + 0.5) / (last - first) * area.width()

    def describe(self, at: QPointF) -> str:
        """Parameter, step and number at a point, or nothing."""
        row, step = self.row_at(at.y()), self.step_at(at)
        if row is None or step is None:
            return ""
        group, heat = self.groups[row], self.heat
        numbers = heat.cells(group.rows, slice(step // heat.per, step // heat.per + 1))[:, 0]
        most = float(np.maximum.reduce(numbers))
        least = "≥ " if heat.measure == "update" and most >= 0 else ""
        told = {NO_GRADIENT: NO_PATH, ABSENT: NOT_THERE}.get(most) or f"{least}{text(most, heat.measure)}"
        which = f"step {int(self.steps[step]):,}"
        if heat.per > 1:
            which = f"steps {int(self.steps[step]):,} to {int(self.steps[min(step + heat.per, len(self.steps)) - 1]):,}"
        names = [heat.parameters[of].name for of, number in zip(group.rows, numbers, strict=True) if number == most]
        inside = f"\n{names[0]}" if len(group.rows) > 1 and names and most >= 0 else ""
        return f"{group.title}\n{which}: {meaning(heat.measure)} {told}{inside}"

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, LEAST)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Cells, names, step numbers, legend, playhead."""
        self._group()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self.area()
        if self.groups and self.heat.columns:
            painter.drawImage(area, self._cells(area))
            self._paint_names(painter, area)
            if self.height() >= AXIS_FROM:
                self._paint_steps(painter, area)
            if self._has_legend():
                word = meaning(self.heat.measure)
                word = word if self.width() >= scale_width(word) + 2 * GRID else ""
                surface = Surface(self.theme, measure=self.heat.measure)
                left = max(self.width() - scale_width(word) - 1.5 * GRID, GRID)
                paint_scale(painter, surface, left, self.height() - LEGEND + 6, word)
            self._paint_playhead(painter, area)
        if self.hasFocus():
            painter.setPen(QPen(QColor(self.theme.accent), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.end()

    def _group(self) -> None:
        """What the rows are: as fine as there is room for."""
        fit = max(int((self.height() - 8 - _line() - LEGEND) / ROW), 2)
        key = tuple(self.heat.parameters), self.heat.order, fit, self._folded
        if key != self._grouped:
            self._grouped = key
            self.groups = groups_of(self.heat.parameters, self.heat.order, fit, self._folded)
            metrics = QFontMetricsF(font(11))
            self._widest = max((metrics.horizontalAdvance(group.title[:60]) for group in self.groups), default=0.0)

    def _cells(self, area: QRectF) -> QImage:
        ratio = self.devicePixelRatioF()
        width, height = max(round(area.width() * ratio), 1), max(round(area.height() * ratio), 1)
        key = width, height, self.span, self.heat.at, self.groups
        if self._image is None or self._image[0] != key:
            rows = [row for group in self.groups for row in group.rows]
            cells = binned(self.heat.cells(rows, slice(*self.span)), self.groups, width)
            self._image = key, heat_image(cells, self.heat.measure, self.theme, width, height)
        return self._image[1]

    def _paint_names(self, painter: QPainter, area: QRectF) -> None:
        """Names of rows, as many as have room; those of what is selected in any case."""
        high = area.height() / len(self.groups)
        every = max(int(np.ceil((_line() - 3) / high)), 1)
        painter.setFont(font(11))
        metrics = QFontMetricsF(font(11))
        marked = [row for row, group in enumerate(self.groups) if self.is_selected(group)]
        for row, group in enumerate(self.groups):
            chosen = row in marked
            if not chosen and (row % every or any(abs(row - other) < every for other in marked)):
                continue
            painter.setPen(QColor(self.theme.accent if chosen else self.theme.subtle))
            box = QRectF(GRID, area.top() + row * high + (high - _line()) / 2, area.left() - 1.5 * GRID, _line())
            shown = metrics.elidedText(group.title, Qt.TextElideMode.ElideMiddle, box.width())
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, shown)

    def is_selected(self, group: Group) -> bool:
        """Whether a row is, or holds, what is selected."""
        return any(self.heat.parameters[row].path in self.selected for row in group.rows)

    def _paint_steps(self, painter: QPainter, area: QRectF) -> None:
        first, last = self.span
        low, high = first * self.heat.per, min(last * self.heat.per, len(self.steps)) - 1
        if high < low:
            return
        painter.setFont(font(11, numbers=True))
        painter.setPen(QColor(self.theme.subtle))
        ticks = nice_ticks(float(self.steps[low]), float(self.steps[high]), max(int(area.width() / TICK_APART), 1))
        for tick in ticks:
            place = int(np.searchsorted(self.steps, tick))
            x = self.x_of(place) if tick == round(tick) and place < len(self.steps) else None
            if x is not None:
                left = min(max(x - 40, area.left() - 8), area.right() - 72)
                align = Qt.AlignmentFlag.AlignLeft if left > x - 40 else Qt.AlignmentFlag.AlignRight if left < x - 40 else 0
                flag = align or Qt.AlignmentFlag.AlignHCenter
                painter.drawText(QRectF(left, area.bottom() + 1, 80, _line() - 1), flag, f"{int(tick):,}")

    def _paint_playhead(self, painter: QPainter, area: QRectF) -> None:
        x = self.x_of(self.step) if self.step >= 0 else None
        if x is None:
            return
        x = round(x)
        painter.setPen(QPen(QColor(self.theme.panel), 4))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setPen(QPen(QColor(self.theme.accent), 2))
        painter.drawLine(QPointF(x, area.top() - 2), QPointF(x, area.bottom() + 2))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.theme.accent))
        top = area.top() - 1
        painter.drawPolygon(QPolygonF([QPointF(x - 5, top - 6), QPointF(x + 5, top - 6), QPointF(x, top)]))


def _line() -> int:
    """Height of a line of small text, logical pixels."""
    return round(QFontMetricsF(font(11)).height()) + 2
