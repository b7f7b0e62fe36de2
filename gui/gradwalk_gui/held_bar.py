"""The red bar under the menus: "training is waiting", with what lets it go on. It never takes the focus by itself."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from .actions import Actions
from .state import State
from .theme import Theme
from .widgets.text import ElidedLabel

BUTTONS = (
    ("live-event", "Next event"),
    ("live-step", "Next step"),
    ("continue", "Resume"),
    ("detach", "Detach"),
)


class HeldBar(QFrame):
    """Hidden while no training is held here."""

    def __init__(self, actions: Actions, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("held")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.sentence = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.sentence.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.buttons = {name: QPushButton(title, self) for name, title in BUTTONS}
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 6, 12, 6)
        row.setSpacing(8)
        self.risk = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.risk.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(self.sentence)
        texts.addWidget(self.risk)
        row.addLayout(texts, 1)
        for name, button in self.buttons.items():
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setToolTip(actions[name].toolTip())
            button.setAccessibleName(actions[name].text().replace("&", ""))
            button.clicked.connect(actions[name].trigger)
            row.addWidget(button)
        self.set_theme(theme)
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        ink, ground = theme.panel, theme.danger
        self.setStyleSheet(
            f"#held {{ background: {ground}; }} #held QLabel {{ color: {ink}; font-weight: 600; background: transparent; }}"
            f"#held QPushButton {{ color: {ink}; background: transparent; border: 1px solid {ink}; border-radius: 5px;"
            f" padding: 3px 10px; }} #held QPushButton:hover, #held QPushButton:focus {{ background: {ink}; color: {ground}; }}"
        )

    def show_state(self, state: State) -> None:
        """Say where the training waits, or hide. Of several ranks the one that is shown, else another that waits."""
        held = state.held or next(iter(state.held_besides), None)
        self.setVisible(held is not None)
        if held is not None:
            self.sentence.set_full_text(held.sentence())
            self.risk.set_full_text(held.risk())
            self.risk.setVisible(bool(held.risk()))
            self.setAccessibleName(" ".join(filter(None, (held.sentence(), held.risk()))))
