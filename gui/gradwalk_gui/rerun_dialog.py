"""Asks what to change before an example is run again: the learning rate, single weights."""

from __future__ import annotations

import shlex
from pathlib import Path

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from gradwalk.refusal import RefusalError
from gradwalk.trace import Trace

from .again import Again, before_text, changes_in, rate_in, rate_of, weights_of
from .runs import Start
from .start_dialog import new_name
from .theme import font


class RerunDialog(QDialog):
    """``accepted`` when Run again is pressed; :meth:`start` then says what to start. ``trace`` is the run's first step."""

    def __init__(self, again: Again, trace: Trace, runs: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._again, self._trace, self._runs = again, trace, runs
        self.setWindowTitle("Edit and run again")
        self.setMinimumWidth(480)
        heading = QLabel(f"Run {again.target} again")
        heading.setObjectName("heading")
        about = QLabel(
            f"With the same seed ({again.seed}) and {again.steps:,} steps, so that what you change here is all that differs."
            " The run before stays as a grey ghost: its loss beside the new one, its numbers under the new ones."
        )
        about.setObjectName("hint")
        about.setWordWrap(True)
        self.rate, self.weights, self.before, self.problem = QLineEdit(), QLineEdit(), QLabel(), QLabel()
        self._fill()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.go = buttons.addButton("Run again", QDialogButtonBox.ButtonRole.AcceptRole)
        self.go.setDefault(True)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.addRow("Learning rate", self.rate)
        form.addRow("Weights", self.weights)
        form.addRow("", self.before)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 20)
        column.setSpacing(12)
        for part in (heading, about):
            column.addWidget(part)
        column.addLayout(form)
        column.addWidget(self.problem)
        column.addWidget(buttons)

    def _fill(self) -> None:
        again, trace = self._again, self._trace
        rate = repr(again.lr) if again.lr is not None else rate_in(trace)
        self.rate.setPlaceholderText("as before" if not rate else f"{rate}, as before")
        self.rate.setText("" if again.lr is None else repr(again.lr))
        name, value = next(iter(weights_of(trace).items()), ("w1", 0))
        place = ",".join(str(min(size - 1, 3 - axis)) for axis, size in enumerate(trace.graph.values[value].shape))
        self.weights.setPlaceholderText(f"{name}[{place}]=0.5; several with a space between")
        self.weights.setText(" ".join(again.changes))
        for field in (self.rate, self.weights):
            field.setFont(font(13, numbers=True))
            field.textChanged.connect(self._read)
        self.rate.setAccessibleName("Learning rate")
        self.weights.setAccessibleName("Weights to set, each as name, place and number")
        self.before.setObjectName("hint")
        self.problem.setObjectName("danger")
        for label in (self.before, self.problem):
            label.setWordWrap(True)
        self._read()
        self.problem.hide()

    def start(self) -> Start:
        """What the fields say. Raises RefusalError."""
        again, lr, changes = self._again, rate_of(self.rate.text()), changes_in(self.weights.text(), self._trace)
        rest = shlex.join(again.rest)
        folder = str(self._runs / new_name(f"{again.target}-again"))
        return Start("example", again.target, folder, rest, again.device, again.steps, again.seed, again.level, lr, changes)

    def _read(self) -> None:
        """While it is typed: what the weights were; a sentence only once Run again was pressed in vain."""
        try:
            start = self.start()
        except RefusalError as error:
            self.before.setText("")
            self.problem.setText(_sentence(error))
            return
        self.before.setText(before_text(start.changes, self._trace) or f"There is {_names(self._trace)}.")
        self.problem.hide()

    def _accept(self) -> None:
        try:
            start = self.start()
        except RefusalError as error:
            self.problem.setText(_sentence(error))
            self.problem.show()
            return
        if (start.lr, start.changes) == (self._again.lr, self._again.changes):
            self.problem.setText("Nothing is changed: type another learning rate, or a weight to set.")
            self.problem.show()
            return
        self.accept()


def _sentence(error: RefusalError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _names(trace: Trace) -> str:
    shapes = [f"{name} [{', '.join(map(str, trace.graph.values[value].shape))}]" for name, value in weights_of(trace).items()]
    return " and ".join([", ".join(shapes[:-1]), shapes[-1]] if len(shapes) > 1 else shapes) or "no weight"
