"""What every panel is: a widget that listens to the session and draws the difference between two States."""

from __future__ import annotations

import weakref
from functools import lru_cache, partial
from typing import Any, ClassVar

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QPalette, QShowEvent
from PySide6.QtWidgets import QDockWidget, QWidget
from shiboken6 import isValid

from .session import Session
from .state import Play, State
from .theme import Theme, load_fonts
from .turns import turns

GRID = 8
"""Every gap is a multiple of this, or half of it; logical pixels."""
LEAST = 32
"""Height that a list or a plot can be pressed to, so that all panels fit into the smallest window."""


class Panel(QWidget):
    """The base of the views.

    A view fills itself in ``__init__`` and calls :meth:`begin` at its end. It overrides :meth:`show_state` and
    :meth:`apply_theme`. A panel that nobody can see, such as a tab behind another, draws nothing until it is in front.
    """

    title: ClassVar[str] = ""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        load_fonts()
        self.session = session
        self.theme = theme
        self.drawn = State()
        """The State that the panel shows now."""
        self._was_shown = self._missed = False
        self.setAccessibleName(self.title)
        self.setAutoFillBackground(True)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)  # a style sheet of the window may set the ground too
        session.changed.connect(self._on_changed)
        self.destroyed.connect(partial(_stop_listening, session, weakref.WeakMethod(self._on_changed)))

    def begin(self) -> None:
        """Take the theme and show the present State; the last call of a view's ``__init__``."""
        self.set_theme(self.theme)
        self._draw(self.session.state)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.setPalette(palette(theme))
        self.apply_theme()

    def apply_theme(self) -> None:
        """Recolour what does not follow the palette."""

    def show_state(self, old: State, new: State) -> None:
        """Draw what differs between two States."""

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what happened while hidden."""
        self._was_shown = True
        super().showEvent(event)
        self._catch_up()

    def event(self, event: QEvent) -> bool:
        """Catch up before anything is painted that was out of sight."""
        if event.type() == QEvent.Type.Paint:
            self.wake()
        return super().event(event)

    def wake(self) -> None:
        """It has come into sight: catch up with what was missed."""
        if self._missed:
            self._catch_up()

    def _in_sight(self) -> bool:
        """Whether somebody may see it. Qt calls a tab behind another visible, and has moved its dock out of the window."""
        if not self.isVisible():
            return not self._was_shown and not self.window().isVisible()
        above: QObject | None = self
        while above is not None and not isinstance(above, QDockWidget):
            above = above.parent()
        return above is None or not above.visibleRegion().isEmpty()

    def _on_changed(self, old: State, new: State) -> None:
        if not self._in_sight():
            self._missed = True
            return
        if old.play is new.play is Play.FOLLOWING and old.recording is new.recording:
            turns().ask(self._catch_up)
        else:
            self._catch_up()

    def _catch_up(self) -> None:
        if isValid(self):  # its turn may come when Qt has let go of it
            self._missed = False
            self._draw(self.session.state)

    def _draw(self, new: State) -> None:
        old, self.drawn = self.drawn, new
        if old != new or new.trace is None:
            self.show_state(old, new)


def _stop_listening(session: Session, method: weakref.WeakMethod[Any], _gone: QObject | None = None) -> None:
    listener = method()
    if listener is not None:
        session.changed.disconnect(listener, missing_ok=True)


def palette(theme: Theme) -> QPalette:
    """The Qt palette of a theme."""
    made = QPalette()
    roles = {
        QPalette.ColorRole.Window: theme.panel,
        QPalette.ColorRole.Base: theme.panel,
        QPalette.ColorRole.AlternateBase: theme.window,
        QPalette.ColorRole.Button: theme.raised,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.faint,
        QPalette.ColorRole.Highlight: theme.accent,
        QPalette.ColorRole.HighlightedText: theme.accent_text,
        QPalette.ColorRole.Link: theme.accent,
        QPalette.ColorRole.LinkVisited: theme.accent,
        QPalette.ColorRole.ToolTipBase: theme.raised,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.Light: theme.hover,
        QPalette.ColorRole.Midlight: theme.hover,
        QPalette.ColorRole.Mid: theme.border,
        QPalette.ColorRole.Dark: theme.border,
        QPalette.ColorRole.Shadow: theme.border,
    }
    for role, colour in roles.items():
        made.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.faint))
    return made


@lru_cache(maxsize=256)
def mix(colour: str, ground: str, share: float) -> QColor:
    """``share`` of a colour laid over a ground, as an opaque colour."""
    top, below = QColor(colour), QColor(ground)
    parts = ((a * share + b * (1 - share)) for a, b in zip(top.getRgb()[:3], below.getRgb()[:3], strict=True))  # type: ignore[index]
    red, green, blue = (round(part) for part in parts)
    return QColor(red, green, blue)


def phase_colour(phase: str, theme: Theme) -> str:
    """The colour of a phase."""
    return {"forward": theme.forward, "loss": theme.loss, "backward": theme.backward}.get(phase, theme.update)


PHASE_MARKS = {"forward": "→", "loss": "L", "backward": "←", "update": "↻"}
"""The second cue beside the colour."""
