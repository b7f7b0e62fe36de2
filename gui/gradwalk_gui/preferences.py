"""Preferences: each acts at once; one button brings the defaults back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSize
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from gradwalk.watches import WATCHES

from .editors import EDITORS
from .session import SPEEDS
from .settings import FONT_SCALES, Settings, runs_folder
from .widgets.watch_choices import WatchChoices

LEAST, ABOVE, BESIDE = 120, 180, 72
"""Logical pixels: the height of the preferences at least, and what is above and below, and beside them."""
THEMES = (("system", "As the system"), ("light", "Light"), ("dark", "Dark"))


class Preferences(QDialog):
    """Shows Settings and hands every change on. The line at the top finds a preference by a word of its name."""

    def __init__(self, settings: Settings, changed: Callable[[Settings], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Preferences")
        self.setMinimumWidth(480)
        self._settings, self._changed = settings, changed
        heading = QLabel("Preferences")
        heading.setObjectName("heading")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search preferences")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._find)
        self.page = QScrollArea()
        self.page.setFrameShape(QScrollArea.Shape.NoFrame)
        self.page.setWidgetResizable(True)
        inside = QWidget()
        inside.setObjectName("sheet")
        self.page.setWidget(inside)
        self.form = QFormLayout(inside)
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setHorizontalSpacing(16)
        self.form.setVerticalSpacing(10)
        self.theme, self.scale, self.speed = QComboBox(), QComboBox(), QComboBox()
        self.motion, self.log_loss = QCheckBox("Switch states without pulses"), QCheckBox("Logarithmic loss axis")
        self.runs = QLineEdit()
        self.editor = QComboBox()
        self.watches = WatchChoices(lambda kinds, limits: self._set(replace(self._settings, watches=kinds, limits=limits)))
        self._rows: list[str] = []
        self._build()
        self._show()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.RestoreDefaults | QDialogButtonBox.StandardButton.Close)
        defaults = buttons.button(QDialogButtonBox.StandardButton.RestoreDefaults)
        defaults.setAutoDefault(False)
        defaults.clicked.connect(self.restore)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 20)
        column.setSpacing(12)
        column.addWidget(heading)
        column.addWidget(self.search)
        column.addWidget(self.page, 1)
        column.addWidget(buttons)
        self.page.setMinimumHeight(LEAST)
        wanted, room = inside.sizeHint() + QSize(BESIDE, ABOVE), self.screen().availableGeometry().size()
        self.resize(wanted.boundedTo(room))

    def restore(self) -> None:
        """Every preference back to its default; recent recordings and the window's arrangement stay."""
        kept = self._settings
        stay = {name: getattr(kept, name) for name in ("recent", "probes", "breakpoints", "geometry", "docks", "toured")}
        self._set(replace(Settings(), **stay))
        self._show()

    def _build(self) -> None:
        for value, title in THEMES:
            self.theme.addItem(title, value)
        for scale in FONT_SCALES:
            self.scale.addItem(f"{scale * 100:.0f} %", scale)
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g}x", speed)
        for name, title in EDITORS:
            self.editor.addItem(title, name)
        self.editor.activated.connect(lambda _: self._set(replace(self._settings, editor=self.editor.currentData())))
        self.theme.activated.connect(lambda _: self._set(replace(self._settings, theme=self.theme.currentData())))
        self.scale.activated.connect(lambda _: self._set(replace(self._settings, font_scale=self.scale.currentData())))
        self.speed.activated.connect(lambda _: self._set(replace(self._settings, speed=self.speed.currentData())))
        self.motion.clicked.connect(lambda on: self._set(replace(self._settings, reduced_motion=on)))
        self.log_loss.clicked.connect(lambda on: self._set(replace(self._settings, log_loss=on)))
        self.runs.editingFinished.connect(self._runs_changed)
        rows: tuple[tuple[str, QWidget], ...] = (
            ("Theme", self.theme),
            ("Size of text", self.scale),
            ("Playing speed", self.speed),
            ("Reduced motion", self.motion),
            ("Loss", self.log_loss),
            ("Record into", self.runs),
            ("Open source in", self.editor),
            ("Watches", self.watches),
        )
        for title, widget in rows:
            widget.setAccessibleName(title)
            self.form.addRow(title, widget)
            self._rows.append(title)
        self._rows[-1] = " ".join((self._rows[-1], *(watch.title for watch in WATCHES)))

    def _show(self) -> None:
        settings = self._settings
        self.theme.setCurrentIndex(self.theme.findData(settings.theme))
        self.scale.setCurrentIndex(min(range(len(FONT_SCALES)), key=lambda i: abs(FONT_SCALES[i] - settings.font_scale)))
        self.speed.setCurrentIndex(min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - settings.speed)))
        self.motion.setChecked(settings.reduced_motion)
        self.log_loss.setChecked(settings.log_loss)
        self.editor.setCurrentIndex(max(self.editor.findData(settings.editor), 0))
        self.watches.show_choice(settings.watches, settings.limits)
        self.runs.setText(settings.runs_folder)
        self.runs.setPlaceholderText(str(runs_folder(replace(settings, runs_folder=""))))

    def _runs_changed(self) -> None:
        text = self.runs.text().strip()
        self._set(replace(self._settings, runs_folder=str(Path(text).expanduser().absolute()) if text else ""))

    def _set(self, settings: Settings) -> None:
        if settings != self._settings:
            self._settings = settings
            self._changed(settings)

    def _find(self, text: str) -> None:
        for row, title in enumerate(self._rows):
            self.form.setRowVisible(row, text.lower() in title.lower())
