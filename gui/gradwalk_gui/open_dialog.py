"""File dialogs that do not block, and what a chosen path is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QFileDialog, QToolButton, QWidget

from .icons import icon

RECORDINGS = "Recordings and run folders (*.mcap run.json)"
SCRIPTS = "Python scripts (*.py)"
_ARROWS = {"backButton": "previous", "forwardButton": "next", "toParentButton": "chevron-up"}
"""The buttons of Qt's own dialog whose icons are black in any theme, and ours for them."""


def kind_of(path: Path) -> Literal["script", "recording"]:
    """What a dropped or chosen path is to be opened as; ``run.json`` stands for its folder."""
    return "script" if path.suffix.lower() in (".py", ".pyw") else "recording"


def recording_path(path: Path) -> Path:
    """The recording that a chosen file means."""
    return path.parent if path.name == "run.json" else path


class RecordingDialog(QFileDialog):
    """Takes a file, or a run folder: opening a folder that holds a recording chooses it."""

    def accept(self) -> None:
        """Choose a run folder instead of going into it."""
        chosen = [Path(name) for name in self.selectedFiles()]
        if len(chosen) == 1 and (chosen[0] / "run.json").is_file():
            self.fileSelected.emit(str(chosen[0]))
            self.done(QFileDialog.DialogCode.Accepted)
        else:
            super().accept()


def open_dialog(parent: QWidget, folder: Path, chosen: Callable[[str], object]) -> QFileDialog:
    """Ask for a recording (or a script)."""
    dialog = RecordingDialog(parent, "Open recording", str(folder))
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setNameFilters([RECORDINGS, SCRIPTS, "All files (*)"])
    return _show(dialog, chosen)


def open_folder_dialog(parent: QWidget, folder: Path, chosen: Callable[[str], object]) -> QFileDialog:
    """Ask for a run folder."""
    dialog = QFileDialog(parent, "Open run folder", str(folder))
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    return _show(dialog, chosen)


def open_script_dialog(parent: QWidget, folder: Path, chosen: Callable[[str], object]) -> QFileDialog:
    """Ask for a training script."""
    dialog = QFileDialog(parent, "Open training script", str(folder))
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setNameFilter(SCRIPTS)
    return _show(dialog, chosen)


def save_dialog(parent: QWidget, title: str, file: Path, filters: str, chosen: Callable[[str], object]) -> QFileDialog:
    """Ask for a file to write."""
    dialog = QFileDialog(parent, title, str(file))
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilter(filters)
    return _show(dialog, chosen)


def name_dialog(parent: QWidget, title: str, path: Path, chosen: Callable[[str], object]) -> QFileDialog:
    """Ask for the name of a file or folder that is not there yet."""
    dialog = QFileDialog(parent, title, str(path))
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    return _show(dialog, chosen)


def _show(dialog: QFileDialog, chosen: Callable[[str], object]) -> QFileDialog:
    _ink_arrows(dialog)
    dialog.fileSelected.connect(chosen)
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
    return dialog


def _ink_arrows(dialog: QFileDialog) -> None:
    """Give the arrows of Qt's own dialog the colour of the text; a native dialog has none of them."""
    groups = QPalette.ColorGroup.Active, QPalette.ColorGroup.Disabled
    ink, faint = (dialog.palette().color(group, QPalette.ColorRole.ButtonText).name() for group in groups)
    for name, ours in _ARROWS.items():
        button = dialog.findChild(QToolButton, name)
        if button is not None:
            button.setIcon(icon(ours, ink, faint))
