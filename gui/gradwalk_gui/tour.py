"""A tour of five stops over the real window: it dims all but the thing it speaks of, which can be used meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QWidget

from .again import Again, again_of
from .session import Session
from .state import State
from .tour_parts import Bubble, Veil, beside
from .tour_stops import STOPS
from .window import Window

FOLLOW_MS = 120
"""How often the place of the thing is looked up: cards move."""
CALM_MS = 700
"""From the first step on the screen to the start of the tour, and again while a dialog is open."""


class Tour(QObject):
    """Starts by itself once, when it is armed and an example is shown; ``seen`` is called then."""

    def __init__(self, window: Window, session: Session, seen: Callable[[], None]) -> None:
        super().__init__(window)
        self._window, self._session, self._seen = window, session, seen
        self._armed = False
        self._place = 0
        self.veil: Veil | None = None
        self.bubble: Bubble | None = None
        self._follower = QTimer(self, interval=FOLLOW_MS)
        self._follower.timeout.connect(self._follow)
        self._waiter = QTimer(self, interval=CALM_MS)
        self._waiter.timeout.connect(self._begin_if_calm)
        session.changed.connect(self._on_changed)

    @property
    def shown(self) -> bool:
        """Whether the tour is on."""
        return self.bubble is not None

    def arm(self) -> None:
        """Start the first time that a step of an example is shown."""
        self._armed = True
        self._on_changed(self._session.state, self._session.state)

    def start(self) -> None:
        """Start at the first stop; without a step to point at, say what is needed."""
        if self._session.state.trace is None:
            self._window.notice.say("Start an example or open a recording first; the tour points at its graph.")
            return
        self._armed = False
        self._waiter.stop()
        if self.bubble is None:
            self._build()
        self._go(0)

    def end(self) -> None:
        """Take it away; the focus goes to the graph if the tour had it."""
        bubble, veil, self.bubble, self.veil = self.bubble, self.veil, None, None
        if bubble is None or veil is None:
            return
        self._follower.stop()
        QApplication.instance().removeEventFilter(self)  # type: ignore[union-attr]
        had_focus = bubble.hasFocus() or bubble.isAncestorOf(QApplication.focusWidget() or self._window)
        for widget in (bubble, veil):
            widget.hide()
            widget.deleteLater()
        if had_focus:
            self._window.graph.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Esc ends the tour wherever the focus is in the window; not in a dialog or a menu."""
        escape = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if not escape or event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride) or not _calm():
            return False
        if not isinstance(watched, QWidget) or watched.window() is not self._window:
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress:
            self.end()
        return True

    def _build(self) -> None:
        self.veil, self.bubble = Veil(self._window), Bubble(self._window)
        self.bubble.skipped.connect(self.end)
        self.bubble.went.connect(lambda by: self._go(self._place + by))
        self.bubble.played.connect(self._window.actions_["play"].trigger)
        QApplication.instance().installEventFilter(self)  # type: ignore[union-attr]
        for widget in (self.veil, self.bubble):
            widget.show()
            widget.raise_()
        self._follower.start()

    def _go(self, place: int) -> None:
        if self.bubble is None or place < 0:
            return
        if place >= len(STOPS):
            self.end()
            return
        self._place = place
        if STOPS[place].dock and not self._window.desk.docks[STOPS[place].dock].isVisible():
            self._window.desk.show_dock(STOPS[place].dock)
        self.bubble.say(place)
        self._follow()
        if _calm():
            self.bubble.setFocus()

    def _follow(self) -> None:
        """Veil and bubble to where the thing is now; the tour ends where there is no step any more."""
        if self.bubble is None or self.veil is None:
            return
        if self._session.state.trace is None or self._window.pages.currentWidget() is not self._window.desk:
            self.end()
            return
        place = STOPS[self._place].place(self._window)
        hole = None if place is None else place.adjusted(-4, -4, 4, 4).intersected(self._window.rect())
        if self.veil.geometry() != self._window.rect() or self.veil.hole != hole:
            self.veil.setGeometry(self._window.rect())
            self.veil.hole = hole
            self.veil.update()
            self.bubble.move(beside(hole, self.bubble.rect(), self._window.rect()).topLeft())

    def _on_changed(self, old: State, new: State) -> None:
        if self._armed and new.trace is not None and isinstance(again_of(getattr(new.recording, "info", None)), Again):
            self._armed = False
            self._waiter.start()

    def _begin_if_calm(self) -> None:
        """Start, unless a dialog or a menu is open: then later."""
        on_desk = self._window.isVisible() and self._window.pages.currentWidget() is self._window.desk
        if on_desk and _calm() and self._session.state.trace is not None:
            self._seen()
            self.start()


def _calm() -> bool:
    """Whether no dialog and no menu is open."""
    return QApplication.activeModalWidget() is None and QApplication.activePopupWidget() is None
