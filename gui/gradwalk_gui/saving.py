"""Writing a picture or a table to a file: whole or not at all, and one sentence where it cannot be done."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from PySide6.QtWidgets import QApplication

from .theme import load_fonts

_kept: list[QApplication] = []


class ExportError(OSError):
    """Something could not be exported; ``str()`` is one sentence, ``strerror`` the reason alone."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(0, reason, str(path))
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} cannot be written: {self.strerror}"


def check_ending(path: Path, known: Collection[str]) -> str:
    """The ending of a file in lower case. Raises ExportError, naming the known ones, for any other."""
    ending = path.suffix.lower()
    if ending not in known:
        raise ExportError(path, f"{ending or 'no ending'} is not one that is known here; known are {', '.join(known)}")
    return ending


def write_aside(path: Path, data: bytes) -> None:
    """Write a file beside its place and then rename it, so that it is whole or as it was. Raises ExportError."""
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise ExportError(path, error.strerror or str(error)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(aside)
        raise ExportError(path, error.strerror or str(error)) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def ensure_application() -> None:
    """A QApplication with the bundled fonts, made here where there is none yet."""
    if QApplication.instance() is None:
        _kept.append(QApplication([]))
    load_fonts()
