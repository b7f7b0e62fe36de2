"""What this program is and which versions it runs on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from .icons import picture

SHOWN = ("gradwalk", "PySide6-Essentials", "numpy", "torch")


class About(QDialog):
    """Name, sentence, versions, licence. The versions can be selected and copied."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About Gradwalk")
        logo, heading = QLabel(), QLabel("Gradwalk")
        logo.setPixmap(picture("gradwalk", "#000000", 64, self.devicePixelRatioF()))
        heading.setObjectName("heading")
        about = QLabel("A desktop debugger and visualizer of backprop for PyTorch and NumPy.")
        self.versions = QLabel(versions())
        self.versions.setObjectName("hint")
        self.versions.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        licence = QLabel("BSD-3-Clause. Fonts: Inter and JetBrains Mono (SIL Open Font License). No telemetry, no network.")
        licence.setObjectName("small")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(32, 24, 32, 20)
        column.setSpacing(8)
        for widget in (logo, heading, about, self.versions, licence, buttons):
            column.addWidget(widget)


def versions() -> str:
    """One line per package that matters; torch is looked up, never imported."""
    return "\n".join([*(f"{name} {_version(name)}" for name in SHOWN), f"Python {platform.python_version()}"])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
