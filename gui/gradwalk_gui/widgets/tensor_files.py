"""A tensor to the clipboard as NumPy code, and to a ``.npy`` file; what happened is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from gradwalk.trace import Kept

from ..inspection.copying import file_name, npy_bytes, numpy_code, said_of_saved
from ..numbers import count
from ..open_dialog import save_dialog
from ..saving import ExportError, check_ending, write_aside


def copy_code(kept: Kept, label: str) -> tuple[str, bool]:
    """Put a tensor on the clipboard as NumPy code; gives the sentence about it, and whether it could not be done."""
    try:
        text = numpy_code(kept, label)
    except ValueError as error:
        return str(error), True
    QGuiApplication.clipboard().setText(text)
    return f"Copied {count(kept.data.size, 'element')} of {label or 'the tensor'} as NumPy code.", False


def save_npy(parent: QWidget, kept: Kept, label: str, step: int, said: Callable[[str, bool], object]) -> QFileDialog:
    """Ask for a file and write the tensor into it."""
    suggested = Path.cwd() / file_name(label, step)
    return save_dialog(parent, "Save tensor", suggested, "NumPy arrays (*.npy)", lambda path: said(*write_npy(kept, Path(path))))


def write_npy(kept: Kept, path: Path) -> tuple[str, bool]:
    """Write a tensor to a ``.npy`` file, whole or not at all; gives the sentence about it, and whether it could not be done."""
    path = path if path.suffix else path.with_suffix(".npy")
    try:
        check_ending(path, (".npy",))
        write_aside(path, npy_bytes(kept))
    except (ExportError, ValueError) as error:
        return str(error), True
    return said_of_saved(kept, str(path)), False
