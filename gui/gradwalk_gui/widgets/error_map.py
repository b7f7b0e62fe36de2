"""The error map: how far each element of a recorded tensor is from the reference, as a heat map with a chooser of the slice."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from gradwalk.reference.error_map import Side

from ..inspection.blocked import Blocked, blocked
from ..inspection.elements import largest
from ..inspection.slicing import index_of, sliced
from ..numbers import count, number, shape_text
from ..panel import GRID
from ..theme import Theme, font
from .error_colours import DECADES, error_colours
from .slice_chooser import SliceChooser
from .tensor_grid import TensorGrid
from .text import ElidedLabel


class ErrorMap(QWidget):
    """Shows a :class:`~gradwalk.reference.error_map.Side`, or a sentence."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._side: Side | None = None
        self._errors = np.zeros(0)
        self._blocks = Blocked(np.zeros((0, 0)), 1, 1)
        self.title = ElidedLabel(Qt.TextElideMode.ElideMiddle, self)
        self.title.setFont(font(11))
        self.chooser = SliceChooser(axes=False, parent=self)
        self.chooser.changed.connect(self._show_slice)
        self.grid = TensorGrid(theme, self, ramp=error_colours)
        self.grid.setAccessibleName("Error map")
        self.grid.pointed.connect(self._on_pointed)
        self.under = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.under.setFont(font(11, numbers=True))
        self.note = QLabel(self)
        self.note.setWordWrap(True)
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        for widget in (self.title, self.chooser, self.grid, self.under, self.note):
            column.addWidget(widget)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.grid.set_theme(theme)
        for label in (self.title, self.under, self.note):
            label.setStyleSheet(f"color: {theme.subtle};")

    def show_text(self, symbol: str, text: str) -> None:
        """Show a sentence instead of a map."""
        self._side = None
        self._show_title(symbol)
        self.note.setText(text)
        self._show_only(self.note)

    def show_side(self, symbol: str, side: Side, kinks: int = 0) -> None:
        """Show a tensor; ``kinks`` elements of it were left out of its verdict."""
        self._side, self._errors = side, side.errors
        self._show_title(symbol)
        notes = [f"{count(kinks, 'element')} left out of the verdict: the op has no derivative there."] if kinks else []
        self.note.setText("\n".join(notes))
        self.chooser.set_shape(side.recorded.shape)
        self._show_slice()

    def _show_title(self, symbol: str) -> None:
        self.title.set_full_text(f"Error map of {symbol}: |recorded - NumPy|")

    def _show_only(self, *wanted: QWidget) -> None:
        for widget in (self.chooser, self.grid, self.under, self.note):
            widget.setVisible(widget in wanted)

    def _show_slice(self) -> None:
        errors = self._errors
        self._blocks = blocked(sliced(errors, self.chooser.slice) if errors.size else np.zeros((0, 0)))
        self.grid.show_data(self._blocks.cells, largest(errors))
        choice = [self.chooser] if self.chooser.has_choice() else []
        self._show_only(*choice, self.grid, self.under, *([self.note] if self.note.text() else []))
        self._on_pointed(-1, -1)

    def _on_pointed(self, row: int, column: int) -> None:
        cells = self._blocks.cells
        if self._side is None or row < 0 or row >= cells.shape[0] or column >= cells.shape[1]:
            top = largest(self._errors)
            scale = f"largest {number(top, 3)}, {DECADES:g} decades" if top else "0 everywhere"
            self.under.set_full_text(f"{scale}   {shape_text(self._errors.shape)}")
            return
        place = index_of(self.chooser.slice, row * self._blocks.down, column * self._blocks.across)
        at = f"[{', '.join(map(str, place[: self._errors.ndim]))}]"
        if self._blocks.down > 1 or self._blocks.across > 1:
            size = f"{self._blocks.down} × {self._blocks.across}"
            self.under.set_full_text(f"{size} elements from {at}: largest {number(float(cells[row, column]), 3)}")
            return
        seen, expected = (float(part[place[: part.ndim]]) for part in (self._side.recorded, self._side.expected))
        self.under.set_full_text(f"{at}: {number(seen, 6)}, NumPy {number(expected, 6)}, off {number(cells[row, column], 3)}")
