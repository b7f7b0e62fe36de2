"""The arithmetic of one element of a gradient: chosen by a click or by its index, written out with the recorded numbers."""

from __future__ import annotations

import re

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gradwalk.reference.arithmetic import Place
from gradwalk.trace import Op, TensorKey, Trace

from .. import learn_text
from ..inspection.lesson import Outgoing, formula_for, local_of, outgoing_of, strongest, written
from ..inspection.subject import has_come
from ..numbers import NOT_YET, shape_text
from ..panel import GRID
from ..theme import Theme, font
from .elided_combo import ElidedCombo
from .text import TextBlock

NARROW = 240
"""Under this many pixels incoming and local share a column."""
SHOW, HIDE = "Show the arithmetic of one element", "Hide the arithmetic"


class OneElement(QWidget):
    """Closed, a button and no work."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self._trace: Trace | None = None
        self._op: Op | None = None
        self._position = 0
        self._gradients: tuple[Outgoing, ...] = ()
        self._places: dict[tuple[str, int], Place] = {}
        """The element that was chosen last, per gradient by its label and number of dimensions."""
        self._whole = False
        self.button = QPushButton(SHOW)
        self.button.setCheckable(True)
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.button.toggled.connect(self._on_toggled)
        self.which, self.index = ElidedCombo(), QLineEdit()
        self.which.setAccessibleName("Gradient")
        self.which.setMinimumContentsLength(len("dL/dW") + 1)
        self.which.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.which.activated.connect(lambda: self._write())
        self.index.setMaxLength(64)
        self.index.setAccessibleName("Index of the element")
        self.index.setFont(font(12, numbers=True))
        self.index.returnPressed.connect(self._on_index)
        self.index.editingFinished.connect(self._on_index)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.problem.setObjectName("hint")
        self.text = TextBlock("The arithmetic of one element")
        self.text.followed.connect(self._on_link)
        self._chooser = QWidget()
        row = QHBoxLayout(self._chooser)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(self.which)
        row.addWidget(self.index, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        for widget in (self.button, self._chooser, self.problem, self.text):
            column.addWidget(widget)
        self._show_parts()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self._write()

    def show_op(self, trace: Trace, op: Op | None, position: int) -> None:
        """The op to learn from, at a playhead position; hidden where it sends no gradient that its formula knows."""
        self._trace, self._op, self._position = trace, op, position
        self._gradients = outgoing_of(trace, op) if op is not None else ()
        self.setVisible(bool(self._gradients))
        labels = [f"dL/d{gradient.symbol}" for gradient in self._gradients]
        if [self.which.itemText(i) for i in range(self.which.count())] != labels:
            self.which.clear()
            self.which.addItems(labels)
        self._write()

    def choose(self, key: TensorKey, place: Place) -> bool:
        """Write out an element of a gradient; False where it is no gradient that this op sends."""
        found = [i for i, gradient in enumerate(self._gradients) if key == ("gradient", gradient.edge)]
        if not found:
            return False
        self.which.setCurrentIndex(found[0])
        self._places[self._slot] = place
        if self.button.isChecked():
            self._write()
        else:
            self.button.setChecked(True)
        return True

    @property
    def _gradient(self) -> Outgoing:
        return self._gradients[max(self.which.currentIndex(), 0)]

    @property
    def _slot(self) -> tuple[str, int]:
        return self._gradient.label, len(self._gradient.shape)

    def _on_toggled(self, opened: bool) -> None:
        self.button.setText(HIDE if opened else SHOW)
        self._write()

    def _on_index(self) -> None:
        if not self._gradients or not self.button.isChecked():
            return
        shape = self._gradient.shape
        numbers = [int(text) for text in re.findall(r"-?\d+", self.index.text())]
        fits = len(numbers) == len(shape) and all(-size <= i < size for i, size in zip(numbers, shape, strict=True))
        if not fits or re.search(r"[^\d\s,\-\[\]()]", self.index.text()):
            example = ", ".join(str(min(i + 1, size - 1)) for i, size in enumerate(reversed(shape)))
            what = f"{len(shape)} whole numbers" if len(shape) > 1 else "one whole number"
            self.problem.setText(f"dL/d{self._gradient.symbol} is {shape_text(shape)}; an index is {what}, such as {example}.")
            self.problem.show()
            return
        self._places[self._slot] = tuple(i % size for i, size in zip(numbers, shape, strict=True))
        self._write()

    def _on_link(self, target: str) -> None:
        self._whole = target == "terms:all"
        self._write()

    def _write(self) -> None:
        """Work out and show the element; nothing while closed."""
        self.problem.clear()
        opened = self.button.isChecked() and bool(self._gradients) and self._trace is not None and self._op is not None
        html = self._worked_out() if opened else ""
        self.text.show_html(html)
        self._show_parts()

    def _worked_out(self) -> str:
        assert self._trace is not None
        assert self._op is not None
        gradient, shape = self._gradient, self._gradient.shape
        if not has_come(self._trace, self._position, gradient.edge):
            self.problem.setText(f"dL/d{gradient.symbol} is {NOT_YET}: the backward comes later in this step.")
            return ""
        try:
            place = self._places.get(self._slot)
            if place is None or not all(i < size for i, size in zip(place, shape, strict=True)):
                place = strongest(self._trace, gradient)
            self.index.setText(", ".join(map(str, place)))
            made = written(self._trace, self._op, gradient, place)
        except ValueError as error:
            self.problem.setText(f"{str(error)[:1].upper()}{str(error)[1:]}.")
            return ""
        formula = formula_for(self._op)
        assert formula is not None
        local = learn_text.Local(*local_of(self._trace, self._op, gradient, made))
        narrow = self.width() < NARROW
        return learn_text.element(made, formula.output, local, self.theme, whole=self._whole, narrow=narrow)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The factors side by side, or one under the other where there is no room."""
        super().resizeEvent(event)
        if (event.oldSize().width() < NARROW) != (event.size().width() < NARROW):
            self._write()

    def _show_parts(self) -> None:
        opened = self.button.isChecked()
        self._chooser.setVisible(opened)
        self.index.setEnabled(bool(self._gradients) and len(self._gradient.shape) > 0)
        self.problem.setVisible(opened and bool(self.problem.text()))
