"""One tensor to look into: a single number, a line, or a grid with a chooser of the slice; to be copied, saved and enlarged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from gradwalk.trace import Kept

from ..icons import themed
from ..inspection.elements import largest, real
from ..inspection.slicing import index_of, index_text, sliced
from ..numbers import count, exact, number, shape_text
from ..panel import GRID
from ..theme import Theme, font
from .elided_combo import NumberBox
from .line_plot import LinePlot
from .slice_chooser import SliceChooser
from .tensor_files import copy_code, save_npy
from .tensor_grid import TensorGrid
from .text import ElidedLabel

NUMBERS_IN_A_ROW = 8
"""A one-dimensional tensor of at most this many elements is a row of numbers, a longer one a line."""
BUTTON = 26
NOT_KEPT = "Not kept for this step: first steps and log-spaced steps are."


class TensorPane(QWidget):
    """Shows a Kept; where none is kept, says so and offers to go to the nearest step that has it.

    ``large``: with room for the choice of axes, and a line also as a row of numbers.
    """

    wanted = Signal()
    """The person asks for the nearest step that keeps this tensor."""
    enlarged = Signal()
    """The person wants to see it with more room."""
    locked = Signal(object)
    """The colour range is to be locked at this absolute value; None: each tensor has its own again."""
    said = Signal(str, bool)
    """One sentence on what was done, or (True) could not be done."""
    element_chosen = Signal(object)
    """The index of the element that was clicked."""

    def __init__(self, theme: Theme, parent: QWidget | None = None, *, large: bool = False) -> None:
        super().__init__(parent)
        self.theme, self.large = theme, large
        self._kept: Kept | None = None
        self._label = ""
        self.step = 0
        """The number of the step, for the names of files."""
        self._data: NDArray[np.float64] = np.zeros(0)
        self._before: NDArray[np.float64] | None = None
        self._strongest = 0.0
        self._locked: float | None = None
        self._dtype = "float64"
        self.grid = TensorGrid(theme, self, large=large)
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
        self.chooser = SliceChooser(axes=large, parent=self)
        self.chooser.changed.connect(self._show_slice)
        self.under = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.under.setFont(font(11, numbers=True))
        self.buttons: dict[str, QToolButton] = {}
        self._tools = self._make_tools()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GRID // 2)
        self._all = (self.chooser, self.line, self.grid, self.scalar, self.under, self._tools, self.note, self.go)
        for widget in self._all:
            layout.addWidget(widget, int(large and widget is self.grid))
        if large:
            layout.addStretch(0)
        self.grid.pointed.connect(self._on_pointed)
        self.grid.clicked.connect(self._on_clicked)
        for widget in (self.grid, self.line, self.scalar):
            widget.installEventFilter(self)

    @property
    def choosers(self) -> list[NumberBox]:
        """The boxes in which an index is picked, one per axis that is neither rows nor columns."""
        return self.chooser.boxes

    def _make_tools(self) -> QWidget:
        tools = QWidget(self)
        row = QHBoxLayout(tools)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        lock = self._button("lock", "Lock the colour range, over tensors and steps", self._on_lock)
        lock.setCheckable(True)
        row.addWidget(lock)
        row.addStretch(1)
        entries: tuple[tuple[str, str, Callable[[], object]], ...] = (
            ("zoom-out", "Smaller cells (-)", lambda: self.grid.zoom_by(1 / 1.5)),
            ("zoom-in", "Larger cells (+)", lambda: self.grid.zoom_by(1.5)),
            ("fit", "Whole slice (0)", self.grid.fit),
            ("copy", "Copy as NumPy code", self._copy),
            ("export", "Save as .npy...", self._save),
            ("maximise", "Open in the tensor viewer (double click)", self.enlarged.emit),
        )
        for name, words, act in entries[: -1 if self.large else None]:
            row.addWidget(self._button(name, words, act))
        return tools

    def _button(self, name: str, words: str, act: Callable[[], object]) -> QToolButton:
        button = QToolButton(self)
        button.setToolTip(words)
        button.setAccessibleName(words)
        button.setObjectName(name)
        button.setFixedSize(BUTTON, BUTTON)
        button.clicked.connect(lambda: act())
        self.buttons[name] = button
        return button

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.grid.set_theme(theme)
        self.line.set_theme(theme)
        for label in (self.note, self.under):
            label.setStyleSheet(f"color: {theme.subtle};")
        for name, button in self.buttons.items():
            button.setIcon(themed(name, theme))

    def show_text(self, text: str, *, offer: bool = False) -> None:
        """Show a sentence instead of a tensor, with the button where ``offer``."""
        self._kept = None
        self._show_only(self.note)
        self.note.setText(text)
        self.go.setVisible(offer)

    def show_not_kept(self) -> None:
        """Say that this step does not keep the tensor."""
        self.show_text(NOT_KEPT, offer=True)

    def show_kept(self, kept: Kept, label: str = "", locked: float | None = None, before: Kept | None = None) -> None:
        """Show a tensor's elements; ``locked`` is the absolute value of the strongest colours, by default its largest.

        ``before`` is the tensor in the run before, whose other numbers stand beside.
        """
        same_kind = before is not None and before.data.shape == kept.data.shape
        self._before = real(before) if before is not None and same_kind else None
        self._kept, self._label, self._locked = kept, label, locked
        self._data, self._dtype = real(kept), kept.dtype
        self._strongest = largest(self._data) if locked is None else locked
        self.buttons["lock"].setChecked(locked is not None)
        self.chooser.set_shape(self._data.shape)
        self._show_slice()

    def _remarks(self) -> list[str]:
        """What there is to say of the tensor: that it is a sample, and how it was in the run before."""
        data, kept, before = self._data, self._kept, self._before
        said = []
        if kept is not None and not kept.complete:
            said.append(f"An evenly spaced sample of {kept.data.size:,} elements of {shape_text(kept.shape)}.")
        if before is not None:
            apart = int(((data != before) & ~(np.isnan(data) & np.isnan(before))).sum())
            if apart and not data.ndim:
                said.append(f"in the run before: {exact(float(before), self._dtype)}")
            elif apart:
                said.append(f"Not as in the run before: {count(apart, 'element')} of {data.size:,}.")
        return said

    def _show_slice(self) -> None:
        data = self._data
        remarks = self._remarks()
        self.note.setText("\n".join(remarks))
        parts: list[QWidget] = [self._tools, *([self.note] if remarks else [])]
        is_line = data.ndim == 1 and len(data) > NUMBERS_IN_A_ROW
        if data.ndim == 0:
            self._show_only(self.scalar, *parts)
            self.scalar.setText(exact(float(data), self._dtype))
        elif is_line and not self.large:
            self._show_only(self.line, *parts)
        else:
            line: list[QWidget] = [self.line] if is_line else []
            choice: list[QWidget] = [self.chooser] if self.chooser.has_choice() else []
            self._show_only(*choice, *line, self.grid, self.under, *parts)
            picked = sliced(data, self.chooser.slice) if data.size else np.zeros((0, 0))
            before = sliced(self._before, self.chooser.slice) if self._before is not None and data.size else None
            self.grid.show_data(picked, self._strongest, self._dtype, before)
            self._on_pointed(-1, -1)
        if is_line:
            self.line.show_data(data, self._dtype)
        for name in ("zoom-out", "zoom-in", "fit", "lock"):
            self.buttons[name].setVisible(data.ndim > 0 and not (is_line and not self.large))

    def _show_only(self, *wanted: QWidget) -> None:
        for widget in self._all:
            widget.setVisible(widget in wanted)

    def _on_pointed(self, row: int, column: int) -> None:
        data = self.grid.data()
        if row < 0 or row >= data.shape[0] or column >= data.shape[1]:
            locked = " locked" if self._locked is not None else ""
            self.under.set_full_text(f"±{number(self._strongest)}{locked}  {shape_text(self._data.shape)}")
            return
        value = exact(float(data[row, column]), self._dtype)
        before = self.grid.before(row, column)
        was = "" if before is None else f"   was {exact(before, self._dtype)}"
        self.under.set_full_text(f"{index_text(self.chooser.slice, row, column)} = {value}{was}")

    def _on_clicked(self, row: int, column: int) -> None:
        self.element_chosen.emit(index_of(self.chooser.slice, row, column))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A double click asks for more room."""
        if event.type() == QEvent.Type.MouseButtonDblClick and not self.large and self._kept is not None:
            self.enlarged.emit()
            return True
        return super().eventFilter(watched, event)

    def _on_lock(self) -> None:
        self.locked.emit((largest(self._data) or None) if self.buttons["lock"].isChecked() else None)

    def _copy(self) -> None:
        if self._kept is not None:
            self.said.emit(*copy_code(self._kept, self._label))

    def _save(self) -> None:
        if self._kept is not None:
            save_npy(self, self._kept, self._label, self.step, self.said.emit)
