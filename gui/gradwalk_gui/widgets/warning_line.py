"""One line that warns of something in the step, with a button that goes there; of several things one after the other."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QWidget

from gradwalk.tape import event_at
from gradwalk.watches import Alert

from ..icons import picture
from ..inspection.subject import selection_of
from ..panel import GRID
from ..session import Session
from ..theme import Theme, font
from .text import ElidedLabel


class WarningLine(QFrame):
    """Hidden while there is nothing to warn of."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._alerts: tuple[Alert, ...] = ()
        self._place = 0
        self._icon = QLabel(self)
        self.text = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.text.setFont(font(12))
        self.go = QToolButton(self)
        self.go.setText("Go")
        self.go.clicked.connect(self._go)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, 0, GRID, 0)
        row.setSpacing(GRID)
        row.addWidget(self._icon)
        row.addWidget(self.text, 1)
        row.addWidget(self.go)
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._icon.setPixmap(picture("error", theme.danger, 14, self.devicePixelRatioF()))

    def show_alerts(self, alerts: tuple[Alert, ...]) -> None:
        """Warn of these."""
        if alerts is not self._alerts:
            self._alerts, self._place = alerts, 0
            self._say()

    def _say(self) -> None:
        self.setVisible(bool(self._alerts))
        if self._alerts:
            several = f"{self._place + 1} of {len(self._alerts)}: " if len(self._alerts) > 1 else ""
            sentence = self._alerts[self._place].sentence
            self.text.set_full_text(f"{several}{sentence}")
            self.text.setToolTip(sentence)
            self.go.setAccessibleName(f"Go to: {sentence}")

    def _go(self) -> None:
        """To the event of what is told; then tell of the next."""
        session, alert = self._session, self._alerts[self._place]
        trace = session.state.trace
        if trace is not None and 0 <= alert.event < len(trace.tape):
            session.go_to(session.state.step, alert.event + 1)
            session.select(selection_of(event_at(trace, alert.event)))
        self._place = (self._place + 1) % len(self._alerts)
        self._say()
