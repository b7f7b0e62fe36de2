"""Remembers the probes of each recording, and pins them again when it is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject

from .live import Follower
from .pinning import remember, remembered
from .session import Session
from .state import State


class Pins(QObject):
    """``texts`` are for the settings. ``show`` brings the plots to the front when something was pinned."""

    def __init__(self, session: Session, follower: Follower, texts: tuple[str, ...], show: Callable[[], object]) -> None:
        super().__init__(follower)
        self.texts = texts
        self._session, self._follower, self._show = session, follower, show
        self._restores = False
        follower.opened.connect(self._on_opened)
        session.changed.connect(self._on_changed)

    def _on_opened(self, path: str) -> None:
        self._restores = True
        self._session.set(probes=remembered(self.texts, str(Path(path).absolute())))
        self._restores = False

    def _on_changed(self, old: State, new: State) -> None:
        if self._restores or old.probes == new.probes or old.recording is not new.recording:
            return
        if len(new.probes) > len(old.probes):
            self._show()
        if self._follower.path:
            self.texts = remember(self.texts, str(Path(self._follower.path).absolute()), new.probes)
