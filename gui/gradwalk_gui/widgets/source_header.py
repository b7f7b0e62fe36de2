"""Above the source: which file, a chooser of the step's files, where its text is from, and a button for the editor."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ..icons import themed
from ..inspection.source_marks import short_names
from ..panel import GRID
from ..theme import Theme, font
from .text import ElidedLabel

LEAST, MOST = 110, 200
"""Width of the chooser of files, logical pixels."""
FRAME = 54
"""What of it is not text."""


class FileBox(QComboBox):
    """The chooser of files: as wide as the longest name that it has shown so far.

    A QComboBox that follows its contents has the layouts of the whole window worked out again for other files.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._width = LEAST
        self.setAccessibleName("Source file")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)

    def show_names(self, names: Sequence[str]) -> None:
        """Offer these."""
        self.clear()
        self.addItems(list(names))
        longest = max((self.fontMetrics().horizontalAdvance(name) for name in names), default=0)
        if min(longest + FRAME, MOST) > self._width:
            self._width = min(longest + FRAME, MOST)
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """The size to start from."""
        return QSize(self._width, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """The least that can be used."""
        return QSize(LEAST, super().minimumSizeHint().height())


class SourceHeader(QWidget):
    """Shows a place in a file."""

    chosen = Signal(str, int)
    """A file was chosen, and the line to look at."""
    edit = Signal()
    """The place that is shown is to be opened in an editor."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._files: tuple[tuple[str, int], ...] = ()
        self.files = FileBox(self)
        self.files.activated.connect(self._on_file)
        self.editor = QToolButton(self)
        self.editor.setToolTip("Open in editor")
        self.editor.setAccessibleName("Open in editor")
        self.editor.clicked.connect(self.edit)
        self.place = ElidedLabel(Qt.TextElideMode.ElideLeft, self)
        self.note = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        for label in (self.place, self.note):
            label.setFont(font(11))
        row = QHBoxLayout()
        row.setSpacing(GRID // 2)
        row.addWidget(self.files)
        row.addWidget(self.place, 1)
        row.addWidget(self.editor)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, 0, GRID, 0)
        column.setSpacing(GRID // 2)
        column.addLayout(row)
        column.addWidget(self.note)
        self.note.hide()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.editor.setIcon(themed("editor", theme))
        self.place.setStyleSheet(f"color: {theme.subtle};")
        self.note.setStyleSheet(f"color: {theme.backward};")

    def show_files(self, files: tuple[tuple[str, int], ...], shown: str) -> None:
        """The files to choose from, each with a line; and which is shown."""
        if files != self._files:
            self._files = files
            self.files.show_names(short_names(tuple(file for file, _ in files)))
            for place, (file, _) in enumerate(files):
                self.files.setItemData(place, file, Qt.ItemDataRole.ToolTipRole)
        self.files.setCurrentIndex(next((place for place, (file, _) in enumerate(files) if file == shown), -1))
        self.files.setVisible(len(files) > 0)
        self.editor.setVisible(bool(shown))

    def show_place(self, text: str, note: str = "") -> None:
        """The file and the function; and where the text is from, where that is not the recording."""
        self.place.set_full_text(text)
        self.note.set_full_text(note)
        self.note.setVisible(bool(note))

    def _on_file(self, place: int) -> None:
        if 0 <= place < len(self._files):
            self.chosen.emit(*self._files[place])
