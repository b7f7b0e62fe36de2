"""Asks how to export the graph: format, what of it, scale and file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtWidgets import (
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

FORMATS = (
    (".svg", "SVG, sharp at every size, text stays text"),
    (".png", "PNG, pixels"),
    (".pdf", "PDF, one page"),
    (".dot", "DOT, for Graphviz"),
)
SCALES = (1.0, 2.0, 3.0, 4.0)


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be written."""

    path: Path
    whole: bool
    scale: float


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
        self.problem = QLabel()
        self.problem.setObjectName("danger")
        self.problem.setWordWrap(True)
        self.problem.hide()
        for ending, title in FORMATS:
            self.format.addItem(title, ending)
        for scale in SCALES:
            self.scale.addItem(f"{scale:g}x", scale)
        self.scale.setCurrentIndex(1)
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
        return Export(Path(self.file.text()).expanduser(), self.whole.isChecked(), float(self.scale.currentData()))

    def _form(self) -> QFormLayout:
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        what, where = QHBoxLayout(), QHBoxLayout()
        what.setSpacing(24)
        what.addWidget(self.shown)
        what.addWidget(self.whole)
        what.addStretch(1)
        browse = QPushButton("Choose...")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        where.addWidget(self.file, 1)
        where.addWidget(browse)
        form.addRow("Format", self.format)
        form.addRow("Export", what)
        form.addRow("Scale", self.scale)
        form.addRow("File", where)
        return form

    def _format_changed(self) -> None:
        ending = self.format.currentData()
        self.scale.setEnabled(ending == ".png")
        self.shown.setEnabled(ending != ".dot")
        if ending == ".dot":
            self.whole.setChecked(True)
        self.file.setText(str(Path(self.file.text()).with_suffix(ending)))

    def _file_edited(self, text: str) -> None:
        place = self.format.findData(Path(text).suffix.lower())
        if place >= 0 and place != self.format.currentIndex():
            self.format.blockSignals(True)
            self.format.setCurrentIndex(place)
            self.format.blockSignals(False)
            self.scale.setEnabled(self.format.currentData() == ".png")
            self.shown.setEnabled(self.format.currentData() != ".dot")
            self.whole.setChecked(self.whole.isChecked() or self.format.currentData() == ".dot")

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
