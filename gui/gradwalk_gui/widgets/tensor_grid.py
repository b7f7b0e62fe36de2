"""A matrix as coloured cells: purple negative, green positive, + and - and then numbers as cells grow; zoom and drag."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QToolTip, QWidget

from ..inspection.elements import largest
from ..numbers import exact, number, shape_text
from ..theme import Theme, font
from .diverging import Ramp, colours
from .grid_cell import paint_cell, sign_of
from .hatching import hatched, mask_of

HIGHEST, LOWEST = 208, 44
NUMBERS_FROM, SIGNS_FROM, LINES_FROM = 46.0, 11.0, 6.0
"""Cell widths in logical pixels from which on numbers, signs and lines between cells are drawn."""
MOVES = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
"""Rows and columns that a key goes on by."""
CELL = (56.0, 24.0)
"""The size of a cell whose number is read with ease."""


class TensorGrid(QWidget):
    """Paints float64 ``[rows, columns]``. Ctrl+wheel, + and - zoom; dragging moves; the arrow keys go from cell to cell.

    ``large``: it takes all the room that there is, and the wheel zooms without Ctrl. ``ramp`` gives the colours: of numbers with
    a sign by default.
    """

    pointed = Signal(int, int)
    """Row and column under the pointer; -1, -1 when it leaves."""
    clicked = Signal(int, int)
    """Row and column of a cell that was clicked without dragging."""

    def __init__(self, theme: Theme, parent: QWidget | None = None, *, large: bool = False, ramp: Ramp = colours) -> None:
        super().__init__(parent)
        self.theme, self._ramp = theme, ramp
        self._large = large
        self._data: NDArray[np.float64] = np.zeros((0, 0))
        self._scale = 0.0
        self._dtype = "float64"
        self._zoom = 1.0
        self._origin = QPointF()
        self._before: NDArray[np.float64] | None = None
        self._dragged_from: QPointF | None = None
        self._pressed = QPointF()
        self._cursor: tuple[int, int] | None = None
        """The cell that the arrow keys stand at."""
        self._picture: QImage | None = None
        self._bad: QImage | None = None
        """Opaque where an element is NaN or Inf; None where none is."""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding if large else QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Tensor grid")

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self._picture = None
        self.update()

    def show_data(
        self,
        data: NDArray[np.float64],
        scale: float | None = None,
        dtype: str = "float64",
        before: NDArray[np.float64] | None = None,
    ) -> None:
        """Show a matrix; ``scale`` is the absolute value of the strongest colours, by default the largest one here.

        ``before`` is the same matrix in the run before: a cell that differs has its number too, or a marked corner.
        """
        self._dtype = dtype
        self._before = before if before is not None and before.shape == data.shape else None
        same_size = data.shape == self._data.shape
        self._data = data
        self._scale = largest(data) if scale is None else scale
        self._picture, self._bad = None, mask_of(~np.isfinite(data))
        self.setAccessibleDescription(f"{shape_text(data.shape)}, largest absolute value {number(self._scale)}")
        if not same_size:
            self._cursor = None
            self.fit()
            self.updateGeometry()
        self.update()

    def data(self) -> NDArray[np.float64]:
        """What is shown."""
        return self._data

    def fit(self) -> None:
        """Show all of it."""
        self._zoom, self._origin = 1.0, QPointF()
        self.update()

    def zoom_by(self, factor: float, about: QPointF | None = None) -> None:
        """Make cells larger or smaller about a point of the widget (by default its middle)."""
        centre = about if about is not None else QPointF(self.rect().center())
        before = self.cell()
        new = max(1.0, min(self._zoom * factor, self._largest_zoom()))
        place = QPointF((centre.x() + self._origin.x()) / before[0], (centre.y() + self._origin.y()) / before[1])
        self._zoom = new
        after = self.cell()
        self._origin = QPointF(place.x() * after[0] - centre.x(), place.y() * after[1] - centre.y())
        self._pull_in()

    def cell(self) -> tuple[float, float]:
        """Width and height of a cell in logical pixels."""
        wide, high = self._fitting()
        return wide * self._zoom, high * self._zoom

    def text_of(self, row: int, column: int) -> str:
        """The number in a cell, as it is drawn."""
        return number(float(self._data[row, column]), 3)

    def sizeHint(self) -> QSize:
        """The size to start from."""
        return QSize(220, self._wanted_height())

    def minimumSizeHint(self) -> QSize:
        """Any width will do."""
        return QSize(0, self._wanted_height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the content to the new size."""
        super().resizeEvent(event)
        self._pull_in()
        self.updateGeometry()

    def _wanted_height(self) -> int:
        """Small matrices get cells with numbers, large ones keep their proportions within bounds."""
        rows, columns = (int(size) for size in self._data.shape)
        if not rows or not columns or self._large:
            return LOWEST
        if columns * NUMBERS_FROM <= max(self.width(), 1):
            return round(max(min(rows * CELL[1], HIGHEST), CELL[1])) + 2
        return round(max(LOWEST, min(self.width() * rows / columns, HIGHEST)))

    def _fitting(self) -> tuple[float, float]:
        rows, columns = (max(size, 1) for size in self._data.shape)
        wide, high = self.width() / columns, self.height() / rows
        return min(wide, CELL[0] * 1.6), min(high, CELL[1] * 1.6)

    def _largest_zoom(self) -> float:
        wide, high = self._fitting()
        return max(1.0, CELL[0] / wide, CELL[1] / high)

    def _pull_in(self) -> None:
        wide, high = self.cell()
        rows, columns = self._data.shape
        right, bottom = max(columns * wide - self.width(), 0.0), max(rows * high - self.height(), 0.0)
        self._origin = QPointF(min(max(self._origin.x(), 0.0), right), min(max(self._origin.y(), 0.0), bottom))
        self.setCursor(Qt.CursorShape.OpenHandCursor if self._zoom > 1 else Qt.CursorShape.ArrowCursor)
        self.update()

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is shown."""
        painter = QPainter(self)
        rows, columns = self._data.shape
        if not rows or not columns:
            painter.setPen(QColor(self.theme.subtle))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter, "no elements")
            return
        wide, high = self.cell()
        painter.setClipRect(self.rect())
        box = QRectF(-self._origin.x(), -self._origin.y(), columns * wide, rows * high)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, min(wide, high) < 1)
        painter.drawImage(box, self._image())
        if min(wide, high) >= LINES_FROM:
            self._paint_cells(painter, wide, high)
        elif self._bad is not None:
            painter.drawPixmap(0, 0, hatched(self, box, self._bad, self.theme.panel))
        if self._cursor is not None and self.hasFocus():
            place = QRectF(self._cursor[1] * wide, self._cursor[0] * high, wide, high).translated(-self._origin)
            painter.setPen(QPen(QColor(self.theme.accent), 2))
            painter.drawRect(place.adjusted(1, 1, -1, -1) if min(wide, high) > 4 else place.adjusted(-2, -2, 2, 2))
        if self.hasFocus():
            painter.setPen(QPen(QColor(self.theme.accent), 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus ring."""
        super().focusInEvent(event)
        self.update()

    def _image(self) -> QImage:
        if self._picture is None:
            pixels = np.ascontiguousarray(self._ramp(self._data, self._scale, self.theme))
            high, wide = self._data.shape
            self._picture = QImage(pixels.tobytes(), wide, high, wide * 3, QImage.Format.Format_RGB888).copy()
        return self._picture

    def _paint_cells(self, painter: QPainter, wide: float, high: float) -> None:
        rows, columns = self._data.shape
        first_row, first_column = int(self._origin.y() // high), int(self._origin.x() // wide)
        last_row = min(rows, int((self._origin.y() + self.height()) // high) + 1)
        last_column = min(columns, int((self._origin.x() + self.width()) // wide) + 1)
        numbers = wide >= NUMBERS_FROM and high >= 15
        signs = not numbers and self._ramp is colours and min(wide, high) >= SIGNS_FROM
        painter.setFont(font(11 if numbers else 10, numbers=True))
        for row in range(first_row, last_row):
            for column in range(first_column, last_column):
                box = QRectF(column * wide - self._origin.x(), row * high - self._origin.y(), wide, high)
                text = self.text_of(row, column) if numbers else sign_of(float(self._data[row, column])) if signs else ""
                before = self.before(row, column)
                paint_cell(painter, box, float(self._data[row, column]), text, self._scale, self.theme, before, self._ramp)

    def before(self, row: int, column: int) -> float | None:
        """The element in the run before, where it was another."""
        if self._before is None:
            return None
        old, new = float(self._before[row, column]), float(self._data[row, column])
        return None if old == new or (old != old and new != new) else old

    # mouse and keys

    def _put_cursor(self, row: int, column: int) -> None:
        """Point at a cell, pulled into the matrix, and bring it into view."""
        rows, columns = self._data.shape
        self._cursor = max(0, min(row, rows - 1)), max(0, min(column, columns - 1))
        wide, high = self.cell()
        left, top = self._cursor[1] * wide, self._cursor[0] * high
        self._origin = QPointF(
            min(max(self._origin.x(), left + wide - self.width()), left),
            min(max(self._origin.y(), top + high - self.height()), top),
        )
        self._pull_in()
        self.pointed.emit(*self._cursor)

    def cell_at(self, point: QPointF) -> tuple[int, int] | None:
        """Row and column at a point of the widget."""
        wide, high = self.cell()
        row, column = int((point.y() + self._origin.y()) // high), int((point.x() + self._origin.x()) // wide)
        rows, columns = self._data.shape
        return (row, column) if 0 <= row < rows and 0 <= column < columns else None

    def event(self, event: QEvent) -> bool:
        """Show tool tips."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            hit = self.cell_at(QPointF(event.pos()))
            if hit is not None:
                before = self.before(*hit)
                was = "" if before is None else f", in the run before {exact(before, self._dtype)}"
                told = f"[{hit[0]}, {hit[1]}] = {exact(float(self._data[hit]), self._dtype)}{was}"
                QToolTip.showText(event.globalPos(), told, self)
            return True
        return super().event(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom (in a panel that scrolls with Ctrl only; otherwise the wheel is the panel's)."""
        if self._large or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom_by(1.25 ** (event.angleDelta().y() / 120), event.position())
            event.accept()
        else:
            event.ignore()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take a click."""
        self._dragged_from = event.position() if event.button() == Qt.MouseButton.LeftButton else None
        self._pressed = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the pointer."""
        if self._dragged_from is not None:
            self._origin += self._dragged_from - event.position()
            self._dragged_from = event.position()
            self._pull_in()
        hit = self.cell_at(event.position())
        self.pointed.emit(*(hit or (-1, -1)))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a drag; where nothing was dragged, a click on a cell."""
        dragged = (event.position() - self._pressed).manhattanLength() >= QApplication.startDragDistance()
        hit = self.cell_at(event.position()) if self._dragged_from is not None and not dragged else None
        self._dragged_from = None
        if hit is not None:
            self.clicked.emit(*hit)

    def leaveEvent(self, event: QEvent) -> None:
        """Forget the pointer."""
        super().leaveEvent(event)
        self.pointed.emit(-1, -1)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Act on keys."""
        if event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom_by(1.5)
        elif event.key() == Qt.Key.Key_Minus:
            self.zoom_by(1 / 1.5)
        elif event.key() == Qt.Key.Key_0:
            self.fit()
        elif event.key() in MOVES and self._data.size:
            down, right = MOVES[Qt.Key(event.key())]
            row, column = self._cursor if self._cursor is not None else (-max(down, 0), -max(right, 0))
            self._put_cursor(row + down, column + right)
        else:
            super().keyPressEvent(event)
