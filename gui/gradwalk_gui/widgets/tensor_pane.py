"""One tensor to look into: a single number, a line, or a grid with a chooser for the dimensions before the last two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QSpinBox, QToolButton, QVBoxLayout, QWidget

from gradwalk.trace import Kept

from ..icons import themed
from ..inspection.elements import largest, real, slice_of
from ..numbers import count, exact, number, shape_text
from ..panel import GRID
from ..theme import Theme, font
from .line_plot import LinePlot
from .tensor_grid import TensorGrid
from .text import ElidedLabel

NUMBERS_IN_A_ROW = 8
"""A one-dimensional tensor of at most this many elements is a row of numbers, a longer one a line."""
NOT_KEPT = "Not kept for this step: first steps and log-spaced steps are."


class TensorPane(QWidget):
    """Shows a Kept; where none is kept, says so and offers to go to the nearest step that has it."""

    wanted = Signal()
    """The person asks for the nearest step that keeps this tensor."""
    element_chosen = Signal(object)
    """The index of the element that was clicked."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._data: NDArray[np.float64] = np.zeros(0)
        self._before: NDArray[np.float64] | None = None
        self._strongest = 0.0
        self._dtype = "float64"
        self.grid = TensorGrid(theme, self)
        self.line = LinePlot(theme, self)
        self.scalar = QLabel(self)
        self.scalar.setFont(font(22, numbers=True))
        self.scalar.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.note = QLabel(self)
        self.note.setWordWrap(True)
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.go = QPushButton("Go to the nearest step that keeps it", self)
        self.go.clicked.connect(self.wanted)
        self.go.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.choosers: list[QSpinBox] = []
        self._choosing = QWidget(self)
        self._chooser_row = QHBoxLayout(self._choosing)
        self._chooser_row.setContentsMargins(0, 0, 0, 0)
        self._chooser_row.setSpacing(GRID // 2)
        self.under = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.under.setFont(font(11, numbers=True))
        self._tools = self._make_tools()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        for widget in (self._choosing, self.grid, self.line, self.scalar, self._tools, self.note, self.go):
            layout.addWidget(widget)
        self.grid.pointed.connect(self._on_pointed)
        self.grid.clicked.connect(self._on_clicked)

    def _make_tools(self) -> QWidget:
        tools = QWidget(self)
        row = QHBoxLayout(tools)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID // 2)
        row.addWidget(self.under, 1)
        self._zooms = {name: QToolButton(tools) for name in ("zoom-out", "zoom-in", "fit")}
        for (name, button), (words, act) in zip(
            self._zooms.items(),
            (
                ("Smaller cells (-)", lambda: self.grid.zoom_by(1 / 1.5)),
                ("Larger cells (+)", lambda: self.grid.zoom_by(1.5)),
                ("Whole slice (0)", self.grid.fit),
            ),
            strict=True,
        ):
            button.setToolTip(words)
            button.setAccessibleName(words)
            button.setObjectName(name)
            button.clicked.connect(act)
            row.addWidget(button)
        return tools

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.grid.set_theme(theme)
        self.line.set_theme(theme)
        for label in (self.note, self.under):
            label.setStyleSheet(f"color: {theme.subtle};")
        for name, button in self._zooms.items():
            button.setIcon(themed(name, theme))

    def show_text(self, text: str, *, offer: bool = False) -> None:
        """Show a sentence instead of a tensor, with the button where ``offer``."""
        self._show_only(self.note)
        self.note.setText(text)
        self.go.setVisible(offer)

    def show_not_kept(self) -> None:
        """Say that this step does not keep the tensor."""
        self.show_text(NOT_KEPT, offer=True)

    def show_kept(self, kept: Kept, before: Kept | None = None) -> None:
        """Show a tensor's elements; ``before`` is the tensor in the run before, whose other numbers stand beside."""
        same_kind = before is not None and before.data.shape == kept.data.shape
        self._before = real(before) if before is not None and same_kind else None
        same_shape = self._data.shape == real(kept).shape
        self._data, self._dtype = real(kept), kept.dtype
        self._strongest = largest(self._data)
        if not same_shape or len(self.choosers) != max(self._data.ndim - 2, 0):
            self._make_choosers(self._data.shape[:-2] if self._data.ndim > 2 else ())
        self._show_slice()
        if not kept.complete:
            self.note.setText(f"An evenly spaced sample of {kept.data.size:,} elements of {shape_text(kept.shape)}.")
            self.note.setVisible(True)

    def _show_slice(self) -> None:
        data = self._data
        if data.ndim == 0:
            self._show_only(self.scalar)
            self.scalar.setText(exact(float(data), self._dtype))
            if self._before is not None and float(self._before) != float(data):
                self._tell(f"in the run before: {exact(float(self._before), self._dtype)}")
        elif data.ndim == 1 and len(data) > NUMBERS_IN_A_ROW:
            self._show_only(self.line)
            self.line.show_data(data, self._dtype)
        else:
            self._show_only(self.grid, self._tools, *([self._choosing] if self.choosers else []))
            at = tuple(box.value() for box in self.choosers)
            picked = slice_of(data, at) if data.size else np.zeros((0, 0))
            before = slice_of(self._before, at) if self._before is not None and data.size else None
            self.grid.show_data(picked, self._strongest, self._dtype, before)
            self._on_pointed(-1, -1)

        if self._before is not None and data.ndim:
            apart = int(((data != self._before) & ~(np.isnan(data) & np.isnan(self._before))).sum())
            if apart:
                self._tell(f"Not as in the run before: {count(apart, 'element')} of {data.size:,}.")

    def _tell(self, text: str) -> None:
        """A remark under the tensor."""
        self.note.setText(text)
        self.note.setVisible(True)

    def _show_only(self, *wanted: QWidget) -> None:
        for widget in (self._choosing, self.grid, self.line, self.scalar, self._tools, self.note, self.go):
            widget.setVisible(widget in wanted)

    def _make_choosers(self, sizes: tuple[int, ...]) -> None:
        while (item := self._chooser_row.takeAt(0)) is not None:
            box = item.widget()
            if box is not None:
                box.hide()
                box.deleteLater()
        self.choosers = []
        for dimension, size in enumerate(sizes):
            spin = QSpinBox(self._choosing)
            spin.setRange(0, max(size - 1, 0))
            spin.setPrefix(f"dim {dimension}: ")
            spin.setSuffix(f" / {size}")
            spin.setAccessibleName(f"index in dimension {dimension}")
            spin.setWrapping(True)
            spin.setFont(font(11, numbers=True))
            spin.valueChanged.connect(self._show_slice)
            self._chooser_row.addWidget(spin)
            self.choosers.append(spin)

    def _on_clicked(self, row: int, column: int) -> None:
        place = (*(box.value() for box in self.choosers), row, column)
        self.element_chosen.emit(place[-self._data.ndim :])

    def _on_pointed(self, row: int, column: int) -> None:
        data = self.grid.data()
        if row < 0 or row >= data.shape[0] or column >= data.shape[1]:
            self.under.set_full_text(f"±{number(self._strongest)}  {shape_text(self._data.shape)}")
            return
        place = ", ".join([str(box.value()) for box in self.choosers] + [str(row)] * (self._data.ndim > 1) + [str(column)])
        before = self.grid.before(row, column)
        was = "" if before is None else f"   was {exact(before, self._dtype)}"
        self.under.set_full_text(f"[{place}] = {exact(float(data[row, column]), self._dtype)}{was}")
