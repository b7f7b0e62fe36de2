"""The watches with a tick for each, and a line for the limit of those that have one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QLineEdit, QWidget

from gradwalk.watches import KINDS, WATCHES

from ..watch_limits import LIMITS, Limit, limits_of, number_of, texts_of

FIELD_WIDTH = 84


class WatchChoices(QWidget):
    """``changed`` is called with the kinds that are on and the limits, as the settings keep both."""

    def __init__(self, changed: Callable[[tuple[str, ...], tuple[str, ...]], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._changed = changed
        self._limits = limits_of(())
        self.boxes: dict[str, QCheckBox] = {}
        self.fields: dict[str, QLineEdit] = {}
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
                field = self._field(watch.kind, watch.title, limit)
                grid.addWidget(QLabel(limit.words), row, 1)
                grid.addWidget(field, row, 2)

    def show_choice(self, kinds: tuple[str, ...], limits: tuple[str, ...]) -> None:
        """Show what is on."""
        self._limits = limits_of(limits)
        for kind, box in self.boxes.items():
            box.setChecked(kind in kinds)
        for kind, field in self.fields.items():
            field.setText(f"{getattr(self._limits, LIMITS[kind].field):g}")

    def _field(self, kind: str, title: str, limit: Limit) -> QLineEdit:
        field = self.fields[kind] = QLineEdit()
        field.setFixedWidth(FIELD_WIDTH)
        field.setAccessibleName(f"{title}: {limit.words}")
        field.editingFinished.connect(partial(self._take, kind))
        return field

    def _take(self, kind: str) -> None:
        """A number that makes sense acts at once; any other text goes back to what it was."""
        limit, field = LIMITS[kind], self.fields[kind]
        number = number_of(field.text().strip(), limit.most)
        if number is not None and number != getattr(self._limits, limit.field):
            self._limits = replace(self._limits, **{limit.field: number})  # type: ignore[arg-type]
            self._tell()
        field.setText(f"{getattr(self._limits, limit.field):g}")

    def _tell(self) -> None:
        self._changed(tuple(kind for kind in KINDS if self.boxes[kind].isChecked()), texts_of(self._limits))
