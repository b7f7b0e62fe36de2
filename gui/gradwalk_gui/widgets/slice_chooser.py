"""Chooses a slice of a tensor: a box per axis in which one index is picked, and (with room) which axes are rows and columns."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from gradwalk.trace import Shape

from ..inspection.slicing import Slice, first_slice, with_axis, with_index
from ..panel import GRID
from ..theme import font
from .elided_combo import ElidedCombo, NumberBox

ROOM, WIDE_ROOM = 136, 184
"""Logical pixels that a box with its text takes, and a choice of an axis."""


class SliceChooser(QWidget):
    """Hidden where there is nothing to choose. ``axes`` says whether rows and columns can be chosen too."""

    changed = Signal()

    def __init__(self, *, axes: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shape: Shape = ()
        self._axes, self._in_a_row = axes, 1
        self.slice = first_slice(())
        self.boxes: list[NumberBox] = []
        self._widgets: list[QWidget] = []
        self.rows, self.columns = ElidedCombo(self), ElidedCombo(self)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GRID // 2)
        for combo, name in ((self.rows, "Axis of the rows"), (self.columns, "Axis of the columns")):
            combo.setAccessibleName(name)
            combo.setToolTip(name)
            combo.setMinimumWidth(1)
        self.rows.activated.connect(lambda axis: self._become(with_axis(self.slice, rows=axis)))
        self.columns.activated.connect(lambda axis: self._become(with_axis(self.slice, columns=axis)))

    def set_shape(self, shape: Shape) -> None:
        """Choose in a tensor of another shape; of the same number of dimensions the choice stays as far as it fits."""
        if shape == self._shape:
            return
        old, self._shape = self.slice, shape
        self.slice = first_slice(shape)
        if len(old.at) == len(shape):
            self.slice = Slice(old.rows, old.columns, tuple(min(i, max(n - 1, 0)) for i, n in zip(old.at, shape, strict=True)))
        self._build()

    def has_choice(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self.boxes) or (self._axes and len(self._shape) > 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As many beside each other as have room."""
        super().resizeEvent(event)
        room = max(1, min(event.size().width() // (WIDE_ROOM if self._axes else ROOM), 4))
        if room != self._in_a_row:
            self._in_a_row = room
            self._place()

    def _become(self, new: Slice) -> None:
        self.slice = new
        self._build()
        self.changed.emit()

    def _build(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                if widget not in (self.rows, self.columns):
                    widget.deleteLater()
        self.boxes = [self._box(axis) for axis in self.slice.others()]
        self._widgets = [*self._choosers(), *self.boxes]
        self._place()

    def _place(self) -> None:
        for place, widget in enumerate(self._widgets):
            self._grid.addWidget(widget, place // self._in_a_row, place % self._in_a_row)
            widget.show()

    def _choosers(self) -> list[QWidget]:
        if not self._axes or len(self._shape) < 2:
            return []
        for combo, what, chosen in ((self.rows, "rows", self.slice.rows), (self.columns, "columns", self.slice.columns)):
            combo.clear()
            combo.addItems([f"{what}: dim {axis} ({size})" for axis, size in enumerate(self._shape)])
            combo.setCurrentIndex(chosen)
        return [self.rows, self.columns]

    def _box(self, axis: int) -> NumberBox:
        size = self._shape[axis]
        box = NumberBox(self)
        box.setRange(0, max(size - 1, 0))
        box.setValue(self.slice.at[axis])
        box.setPrefix(f"dim {axis}: ")
        box.setSuffix(f" / {size}")
        box.setAccessibleName(f"index in dimension {axis}")
        box.setWrapping(True)
        box.setMinimumWidth(1)
        box.setFont(font(11, numbers=True))
        box.valueChanged.connect(lambda index: self._pick(axis, index))
        return box

    def _pick(self, axis: int, index: int) -> None:
        self.slice = with_index(self.slice, axis, index)
        self.changed.emit()
