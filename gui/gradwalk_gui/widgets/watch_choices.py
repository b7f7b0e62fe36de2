"""The watches with a tick for each, and a line for the limit of those that have one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QLineEdit, QWidget

from gradwalk.watches import KINDS, WATCHES, Watch

from ..watch_limits import LIMITS, Limit, limits_of, number_of, texts_of, why_not

FIELD_WIDTH = 84


class LimitField(QLineEdit):
    """A line for a limit. Enter takes it and goes no further: it would close the dialog around it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keep Enter."""
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()


class WatchChoices(QWidget):
    """``changed`` is called with the kinds that are on and the limits, as the settings keep both."""

    def __init__(self, changed: Callable[[tuple[str, ...], tuple[str, ...]], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._changed = changed
        self._limits = limits_of(())
        self.boxes: dict[str, QCheckBox] = {}
        self.fields: dict[str, QLineEdit] = {}
        self.problems: dict[str, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(2, 1)
        for watch in WATCHES:
            row, limit = grid.rowCount(), LIMITS.get(watch.kind)
            box = self.boxes[watch.kind] = QCheckBox(watch.title[0].upper() + watch.title[1:])
            box.clicked.connect(self._tell)
            grid.addWidget(box, row, 0, 1, 1 if limit is not None else 3)
            if limit is not None:
                grid.addWidget(QLabel(limit.words), row, 1)
                grid.addWidget(self._field(watch, limit), row, 2)
                grid.addWidget(self._problem(watch.kind), row + 1, 0, 1, 3)

    def show_choice(self, kinds: tuple[str, ...], limits: tuple[str, ...]) -> None:
        """Show what is on."""
        self._limits = limits_of(limits)
        for kind, box in self.boxes.items():
            box.setChecked(kind in kinds)
        for kind, field in self.fields.items():
            self.problems[kind].hide()
            field.setText(f"{getattr(self._limits, LIMITS[kind].field):g}")

    def _field(self, watch: Watch, limit: Limit) -> QLineEdit:
        field = self.fields[watch.kind] = LimitField()
        field.setFixedWidth(FIELD_WIDTH)
        field.setAccessibleName(f"{watch.title}: {limit.words}")
        field.textEdited.connect(lambda _: self.problems[watch.kind].hide())
        field.editingFinished.connect(partial(self._take, watch))
        return field

    def _problem(self, kind: str) -> QLabel:
        label = self.problems[kind] = QLabel(self)
        label.setObjectName("danger")
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        label.hide()
        return label

    def _take(self, watch: Watch) -> None:
        """A number that makes sense acts at once; any other text goes back to what it was, and a sentence says why."""
        limit, field = LIMITS[watch.kind], self.fields[watch.kind]
        text = field.text().strip()
        number = number_of(text, limit.most)
        if number is None:
            self.problems[watch.kind].setText(why_not(text, watch, self._limits))
            self.problems[watch.kind].show()
        elif number != getattr(self._limits, limit.field):
            self._limits = replace(self._limits, **{limit.field: number})  # type: ignore[arg-type]
            self._tell()
        field.setText(f"{getattr(self._limits, limit.field):g}")

    def _tell(self) -> None:
        self._changed(tuple(kind for kind in KINDS if self.boxes[kind].isChecked()), texts_of(self._limits))
