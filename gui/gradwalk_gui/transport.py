"""The tool bar: transport, speed, phase, step and measure, all at the playhead."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolBar, QToolButton, QVBoxLayout, QWidget

from gradwalk.same import Same
from gradwalk.tape import event_at, name_of, phases

from .actions import Actions, tip
from .commands import BY_ID, MEASURES
from .icons import icon, themed
from .panel import phase_colour
from .session import SPEEDS, Session
from .state import Play, State, Steps
from .theme import Theme

TRANSPORT = ("first-event", "previous-phase", "previous-event", "play", "next-event", "next-phase", "last-event")
PLACE_DIGITS = 23
"""Room for the phase and for the step, so that the bar does not jump while playing; widths of a digit."""


class ActionButton(QToolButton):
    """A flat button for a command, reachable with Tab; its keys stay with the panels that they belong to."""

    def __init__(self, action: QAction, size: int = 20, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._action = action
        self.setIconSize(QSize(size, size))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCheckable(action.isCheckable())
        command = BY_ID[action.objectName()]
        self.setToolTip(tip(command))
        self.setAccessibleName(command.title)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._take_state)
        self._take_state()

    def _take_state(self) -> None:
        self.setEnabled(self._action.isEnabled())
        self.setChecked(self._action.isChecked())


class Place(QWidget):
    """Two short lines: what (a phase) and where (a count)."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.what, self.where = QLabel(), QLabel()
        self.what.setObjectName("section")
        self.where.setObjectName("strong")
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 0, 8, 0)
        column.setSpacing(0)
        column.addWidget(self.what)
        column.addWidget(self.where)
        self.setAccessibleName(name)
        self.fit()

    def fit(self) -> None:
        """Take the size that suits the font. Of a widget whose size is fixed the window need not ask again at another text."""
        self.ensurePolished()
        self.setFixedSize(self.where.fontMetrics().horizontalAdvance("0") * PLACE_DIGITS, self.sizeHint().height())

    def say(self, what: str, where: str, colour: str = "") -> None:
        """Show the two lines, the first in a colour."""
        self.what.setText(what)
        sheet = f"color: {colour};" if colour else ""
        if sheet != self.what.styleSheet():
            self.what.setStyleSheet(sheet)
        room = self.width() - 18
        self.where.setText(self.where.fontMetrics().elidedText(where, Qt.TextElideMode.ElideRight, room))
        self.where.setToolTip(where)
        self.setAccessibleDescription(f"{what} {where}")


class Transport(QToolBar):
    """The tool bar of the window."""

    def __init__(self, session: Session, actions: Actions, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("Transport", parent)
        self.setObjectName("transport")
        self.setMovable(False)
        self._session, self._actions, self._theme = session, actions, theme
        self._buttons: dict[str, ActionButton] = {}
        for name in TRANSPORT:
            self._add_button(name)
        self._buttons["play"].setObjectName("play")
        self._add_button("loop")
        self._stop = self._add_button("stop")
        actions["stop"].changed.connect(self._show_stop)
        self._line()
        self._add_button("slower")
        self._speed = QComboBox()
        self._speed.setAccessibleName("Speed")
        self._speed.setToolTip("Speed: 1x is 300 ms per event")
        self._speed.addItems([f"{speed:g}x" for speed in SPEEDS])
        self._speed.activated.connect(lambda i: session.set(speed=SPEEDS[i]))
        self.addWidget(self._speed)
        self._add_button("faster")
        self._line()
        self._phase, self._step = Place("Phase"), Place("Training step")
        self.addWidget(self._phase)
        self.addWidget(self._step)
        space = QWidget()
        space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(space)
        self._measure = QComboBox()
        self._measure.setAccessibleName("Colour by")
        self._measure.setToolTip("What colours and widths of gradients mean")
        for value, title in MEASURES:
            self._measure.addItem(title, value)
        self._measure.activated.connect(lambda i: session.set_view(measure=MEASURES[i][0]))
        self.addWidget(self._measure)
        for name in ("fit-all", "export-image", "theme"):
            self._add_button(name)
        session.changed.connect(self._on_changed)
        self._show_stop()
        self.set_theme(theme)
        self._show(session.state)

    def set_theme(self, theme: Theme) -> None:
        """Colour the icons."""
        self._theme = theme
        for place in (self._phase, self._step):
            place.fit()
        for name, button in self._buttons.items():
            button.setIcon(themed(BY_ID[name].icon, theme) if name != "stop" else icon("stop", theme.danger))
        self._show(self._session.state)

    def _show_stop(self) -> None:
        self._stop.setVisible(self._actions["stop"].isEnabled())

    def _add_button(self, name: str) -> QAction:
        button = ActionButton(self._actions[name], 20)
        button.setObjectName(f"button-{name}")
        self._buttons[name] = button
        return self.addWidget(button)

    def _line(self) -> None:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(8, 4, 8, 4)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.VLine)
        line.setFixedWidth(1)
        line.setObjectName("rule")
        row.addWidget(line)
        self.addWidget(holder)

    def _on_changed(self, old: State, new: State) -> None:
        self._show(new)

    def _show(self, state: State) -> None:
        theme = self._theme
        playing = state.play is Play.PLAYING
        self._buttons["play"].setIcon(icon("pause" if playing else "play", theme.accent_text, theme.faint))
        self._buttons["play"].setAccessibleName("Pause" if playing else "Play")
        self._speed.setCurrentIndex(min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - state.speed)))
        self._measure.setCurrentIndex([value for value, _ in MEASURES].index(state.view.measure))
        phase, where = phase_text(state)
        self._phase.say(phase.upper() or "NO STEP", where, phase_colour(phase, theme) if phase else "")
        self._step.say("STEP", step_text(state))


def phase_text(state: State) -> tuple[str, str]:
    """The phase at the playhead and how far it is, such as ``("backward", "4/8  MmBackward0")``."""
    trace = state.trace
    if trace is None:
        return "", ""
    if not state.events:
        return "empty", ""
    position = min(state.position, state.events - 1)
    phase, start, end = next(run for run in phases(trace) if run[1] <= position < run[2])
    end_word = "raised" if trace.error is not None else "done"
    name = name_of(trace.graph, event_at(trace, position)) if state.position < state.events else end_word
    return phase, f"{state.position - start}/{end - start}  {name}"


def step_text(state: State) -> str:
    """The training step at the playhead and the newest one, such as ``1,240 / 1,302``, or ``/ live 1,302`` while it grows."""
    if state.trace is None or state.recording is None:
        return "-"
    live = "live " if getattr(state.recording, "closed", True) is False else ""
    newest = _newest(Same(state.recording), state.length)
    label = f"  {state.trace.label}" if state.trace.label else ""
    return f"{state.trace.step:,} / {live}{newest:,}{label}"


@lru_cache(maxsize=1)
def _newest(recording: Same[Steps], length: int) -> int:
    """The number of the last step; recordings that leave steps out know their numbers."""
    numbers = getattr(recording.thing, "step_numbers", None)
    return int(numbers()[length - 1]) if numbers is not None else length - 1
