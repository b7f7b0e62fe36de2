"""A titled part of the inspector that can be closed by its heading and hides itself while it has nothing to show."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ..panel import GRID
from ..theme import Theme, font


class Section(QWidget):
    """A heading and what stands under it."""

    opened = Signal(str, bool)
    """The person opened or closed the section of this title."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.heading = QToolButton(self)
        self.heading.setText(title)
        self.heading.setCheckable(True)
        self.heading.setChecked(True)
        self.heading.setArrowType(Qt.ArrowType.DownArrow)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setFont(font(11, QFont.Weight.DemiBold))
        self.heading.setAccessibleName(f"{title}, section")
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.heading.toggled.connect(self._toggle)
        self.heading.clicked.connect(lambda opened: self.opened.emit(title, opened))
        self.body = QWidget(self)
        self.inner = QVBoxLayout(self.body)
        self.inner.setContentsMargins(0, 0, 0, GRID)
        self.inner.setSpacing(GRID)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GRID // 2)
        outer.addWidget(self.heading)
        outer.addWidget(self.body)

    def add(self, widget: QWidget) -> None:
        """Put a widget at the end."""
        self.inner.addWidget(widget)

    @property
    def title(self) -> str:
        """What the heading says."""
        return self.heading.text()

    @property
    def is_open(self) -> bool:
        """Whether what stands under the heading is shown."""
        return self.heading.isChecked()

    def set_open(self, opened: bool) -> None:
        """Open or close the section."""
        self.heading.setChecked(opened)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours of the heading."""
        self.heading.setStyleSheet(
            f"QToolButton {{ border: none; border-top: 1px solid {theme.border}; background: transparent; color: {theme.subtle};"
            f" padding: 8px 0 2px 0; text-align: left; border-radius: 0; }}"
            f"QToolButton:hover {{ color: {theme.text}; }} QToolButton:focus {{ color: {theme.accent}; }}"
        )

    def _toggle(self, opened: bool) -> None:
        self.heading.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self.body.setVisible(opened)
