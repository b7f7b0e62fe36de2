"""Beats the time while the session plays."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from gradwalk.recording.format import RecordingError

from .session import Session
from .state import Play, State

BEAT_MS = 300
"""Per event at speed 1."""


class Player(QObject):
    """Ticks the session; a step that cannot be read stops the play, and ``failed`` says so."""

    failed = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.timer = QTimer(self, timerType=Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self._beat)
        session.changed.connect(self._on_changed)

    def _on_changed(self, old: State, new: State) -> None:
        if new.play is not Play.PLAYING:
            self.timer.stop()
            return
        interval = round(BEAT_MS / new.speed)
        if not self.timer.isActive() or self.timer.interval() != interval:
            self.timer.start(interval)

    def _beat(self) -> None:
        try:
            self._session.tick()
        except RecordingError as error:
            self._session.play_pause()
            self.failed.emit(str(error))
