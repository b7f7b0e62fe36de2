"""The bar at the top of the window that says one sentence: what went wrong, or what was done. It never takes the focus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from .icons import icon, themed
from .theme import Theme

INFO_MS = 6000
"""How long something that is not an error stays."""


class Notice(QFrame):
    """Hidden until :meth:`say`."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self._kind: Literal["error", "info"] = "info"
        self._icon, self._text, self._close = QLabel(), QLabel(), QToolButton()
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._more = QPushButton()
        self._more.setObjectName("link")
        self._then: Callable[[], object] | None = None
        self._more.clicked.connect(self._do_more)
        self._close.setAccessibleName("Close message")
        self._close.setToolTip("Close")
        self._close.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(8)
        for widget in (self._icon, self._text, self._more, self._close):
            row.addWidget(widget)
        self._timer = QTimer(self, singleShot=True, interval=INFO_MS)
        self._timer.timeout.connect(self.hide)
        self.set_theme(theme)
        self.hide()

    @property
    def kind(self) -> Literal["error", "info"]:
        """What it said last."""
        return self._kind

    @property
    def text(self) -> str:
        """What the bar says, or an empty string while it is hidden."""
        return "" if self.isHidden() else self._text.text()

    def say(
        self,
        text: str,
        kind: Literal["error", "info"] = "info",
        more: tuple[str, Callable[[], object]] | None = None,
    ) -> None:
        """Show a sentence, and perhaps a button ``(title, what it does)``. An error stays until it is closed."""
        self._kind = kind
        self._text.setText(text)
        self._then = more[1] if more else None
        self._more.setText(more[0] if more else "")
        self._more.setVisible(more is not None)
        self.setAccessibleName(text)
        self.set_theme(self._theme)
        self.show()
        if kind == "info" and more is None:
            self._timer.start()
        else:
            self._timer.stop()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        colour = theme.danger if self._kind == "error" else theme.accent
        self._icon.setPixmap(icon(self._kind, colour).pixmap(18, 18))
        self._close.setIcon(themed("close", theme))
        self.setStyleSheet(f"#notice {{ border-left: 4px solid {colour}; }}")

    def _do_more(self) -> None:
        self.hide()
        if self._then is not None:
            self._then()
