"""The line above the plots: which page, what the playhead's step lost, which scale, and a button that shows every step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QToolButton, QWidget

from ..panel import GRID
from ..theme import font
from ..widgets.text import ElidedLabel


class PlotsHead(QWidget):
    """``page`` carries the name of a page, ``scale`` whether it is the logarithmic one."""

    page = Signal(str)
    scale = Signal(bool)

    def __init__(self, pages: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.chooser = {page: self._switch(title, f"Show {title}") for page, title in pages.items()}
        for page, button in self.chooser.items():
            button.clicked.connect(partial(self.page.emit, page))
        self.reading = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.reading.setFont(font(11, numbers=True))
        names = {True: ("log", "logarithmic"), False: ("lin", "linear")}
        self.scales = {log: self._switch(short, f"{name} scale of the plot") for log, (short, name) in names.items()}
        for log, button in self.scales.items():
            button.setToolTip(f"{names[log][1]} scale")
            button.clicked.connect(partial(self.scale.emit, log))
        self.fit = QToolButton(self)
        self.fit.setToolTip("Show every step (double click)")
        self.fit.setAccessibleName("Show every step")
        self._arrange()

    def _switch(self, text: str, name: str) -> QToolButton:
        button = QToolButton(self)
        button.setText(text)
        button.setFont(font(11))
        button.setStyleSheet("padding: 4px 3px;")
        button.setCheckable(True)
        button.setAccessibleName(name)
        return button

    def _arrange(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID // 2, GRID // 2, GRID // 2, 0)
        row.setSpacing(2)
        self._add_group(row, self.chooser.values())
        row.addSpacing(2)
        row.addWidget(self.reading, 1)
        self._add_group(row, self.scales.values())
        row.addWidget(self.fit)

    def _add_group(self, row: QHBoxLayout, buttons: Iterable[QToolButton]) -> None:
        group = QButtonGroup(self)
        for button in buttons:
            group.addButton(button)
            row.addWidget(button)
