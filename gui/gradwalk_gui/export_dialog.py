"""Asks how to export the graph: format, what of it or what is played, and the file. Only what a format has is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from .film.plan import FilmPhase, Wishes
from .session import SPEEDS

FORMATS = (
    (".svg", "SVG, sharp at every size, text stays text"),
    (".png", "PNG, pixels"),
    (".pdf", "PDF, one page"),
    (".dot", "DOT, for Graphviz"),
    (".gif", "GIF, animated"),
    (".webp", "WebP, animated"),
    (".apng", "APNG, animated"),
    (".mp4", "MP4, video"),
)
SCALES = (1.0, 2.0, 3.0, 4.0)
FILMS = (".gif", ".webp", ".apng", ".mp4")
PHASES: tuple[tuple[FilmPhase, str], ...] = (
    ("backward", "The backward pass"),
    ("forward", "The forward pass"),
    ("step", "The whole step"),
)
SIZES = ((960, 600), (1280, 800), (1920, 1200))


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be written."""

    path: Path
    whole: bool
    scale: float
    outlines: bool = False
    film: Wishes | None = None
    """How it is to be played; None for a picture that stands still."""


class ExportDialog(QDialog):
    """``write`` does the writing and gives a sentence where it could not."""

    def __init__(self, suggested: Path, write: Callable[[Export], str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export image")
        self.setMinimumWidth(520)
        self._write = write
        heading = QLabel("Export image")
        heading.setObjectName("heading")
        self.format, self.scale, self.file = QComboBox(), QComboBox(), QLineEdit(str(suggested.with_suffix(".svg")))
        self.shown, self.whole = QRadioButton("What is shown"), QRadioButton("The whole graph")
        self.outlines = QCheckBox("As shapes: the same everywhere, not searchable")
        self.phase, self.speed, self.size_ = QComboBox(), QComboBox(), QComboBox()
        self.problem = QLabel()
        self.problem.setObjectName("danger")
        self.problem.setWordWrap(True)
        self.problem.hide()
        for ending, title in FORMATS:
            self.format.addItem(title, ending)
        for scale in SCALES:
            self.scale.addItem(f"{scale:g}x", scale)
        self.scale.setCurrentIndex(1)
        for phase, title in PHASES:
            self.phase.addItem(title, phase)
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g}x", speed)
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        for width, height in SIZES:
            self.size_.addItem(f"up to {width} × {height}", (width, height))
        self.size_.setCurrentIndex(1)
        self.shown.setChecked(True)
        self.format.currentIndexChanged.connect(self._format_changed)
        self.file.textEdited.connect(self._file_edited)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.go = buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.go.setDefault(True)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 20)
        column.setSpacing(12)
        column.addWidget(heading)
        column.addLayout(self._form())
        column.addWidget(self.problem)
        column.addSpacing(4)
        column.addWidget(buttons)
        self._format_changed()

    def export(self) -> Export:
        """What the fields say."""
        path, ending = Path(self.file.text()).expanduser(), self.format.currentData()
        if ending in FILMS:
            wishes = Wishes(self.phase.currentData(), self.speed.currentData(), size=self.size_.currentData())
            return Export(path, True, 1.0, film=wishes)
        outlines = ending == ".svg" and self.outlines.isChecked()
        return Export(path, self.whole.isChecked() or ending == ".dot", float(self.scale.currentData()), outlines)

    def _form(self) -> QFormLayout:
        form = self._rows = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        what, where = QHBoxLayout(), QHBoxLayout()
        what.setSpacing(24)
        where.setSpacing(8)
        what.addWidget(self.shown)
        what.addWidget(self.whole)
        what.addStretch(1)
        browse = QPushButton("Choose...")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        where.addWidget(self.file, 1)
        where.addWidget(browse)
        self._what = what
        form.addRow("Format", self.format)
        form.addRow("Export", what)
        form.addRow("Scale", self.scale)
        form.addRow("Letters", self.outlines)
        form.addRow("Play", self.phase)
        form.addRow("Speed", self.speed)
        form.addRow("Size", self.size_)
        form.addRow("File", where)
        return form

    def _format_changed(self) -> None:
        self._show_rows()
        self.file.setText(str(Path(self.file.text()).with_suffix(self.format.currentData())))

    def _show_rows(self) -> None:
        """Only what the format has."""
        ending = self.format.currentData()
        self._rows.setRowVisible(self._what, ending in (".svg", ".png", ".pdf"))
        rows: tuple[tuple[QWidget, tuple[str, ...]], ...] = (
            (self.scale, (".png",)),
            (self.outlines, (".svg",)),
            (self.phase, FILMS),
            (self.speed, FILMS),
            (self.size_, FILMS),
        )
        for row, endings in rows:
            self._rows.setRowVisible(row, ending in endings)
        self.adjustSize()

    def _file_edited(self, text: str) -> None:
        place = self.format.findData(Path(text).suffix.lower())
        if place >= 0 and place != self.format.currentIndex():
            self.format.blockSignals(True)
            self.format.setCurrentIndex(place)
            self.format.blockSignals(False)
            self._show_rows()

    def _browse(self) -> None:
        dialog = QFileDialog(self, "Export image", self.file.text())
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(f"*{self.format.currentData()}")
        dialog.fileSelected.connect(self._chosen)
        dialog.open()

    def _chosen(self, path: str) -> None:
        self.file.setText(path)
        self._file_edited(path)

    def _accept(self) -> None:
        problem = self._write(self.export()) if self.file.text().strip() else "Which file?"
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        if not problem:
            self.accept()
