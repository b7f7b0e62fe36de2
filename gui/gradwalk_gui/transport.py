"""The tool bar: transport, speed, phase, step and measure, all at the playhead."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import cast

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QSizePolicy,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gradwalk.same import Same
from gradwalk.tape import event_at, name_of, phases

from .actions import Actions, tip
from .commands import BY_ID, MEASURES
from .icons import icon, themed
from .overflow import RESERVE, More, gone_of
from .panel import phase_colour
from .session import SPEEDS, Session
from .state import Play, State, Steps
from .theme import Theme

TRANSPORT = ("first-event", "previous-phase", "previous-event", "play", "next-event", "next-phase", "last-event")
PLACE_DIGITS, LEAST_DIGITS = 23, 13
"""Room for the phase and for the step, so that the bar does not jump while playing; widths of a digit. In a narrow bar less."""
GOING = ("theme", "export-image", "fit-all", "loop", "faster", "slower")
"""What goes into the menu of the bar's end where there is no room for it, in this order; after that what colours mean."""


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
        self._said = "", "", ""
        self.what.setObjectName("section")
        self.where.setObjectName("strong")
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 0, 8, 0)
        column.setSpacing(0)
        column.addWidget(self.what)
        column.addWidget(self.where)
        self.setAccessibleName(name)
        self.fit()

    @property
    def digit(self) -> int:
        """The width of a digit."""
        self.ensurePolished()
        return self.where.fontMetrics().horizontalAdvance("0")

    def fit(self, width: int = 0) -> None:
        """Take the size that suits the font, or a width. A window need not ask a widget of a fixed size at another text."""
        wide = self.digit * PLACE_DIGITS
        self.setFixedSize(min(width, wide) if width else wide, self.sizeHint().height())

    def say(self, what: str, where: str, colour: str = "") -> None:
        """Show the two lines, the first in a colour."""
        self._said = what, where, colour
        self.what.setText(what)
        sheet = f"color: {colour};" if colour else ""
        if sheet != self.what.styleSheet():
            self.what.setStyleSheet(sheet)
        room = self.width() - 18
        self.where.setText(self.where.fontMetrics().elidedText(where, Qt.TextElideMode.ElideRight, room))
        self.where.setToolTip(where)
        self.setAccessibleDescription(f"{what} {where}")

    def say_again(self) -> None:
        """Show the lines in another width."""
        self.say(*self._said)


class Transport(QToolBar):
    """The tool bar of the window. In a narrow one the two places give way first, then buttons go into the menu at its end."""

    def __init__(self, session: Session, actions: Actions, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__("Transport", parent)
        self.setObjectName("transport")
        self.setMovable(False)
        self._session, self._actions, self._theme = session, actions, theme
        self._buttons: dict[str, ActionButton] = {}
        self._parts: dict[str, QAction] = {}
        """What of the bar may go into the menu."""
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
        self._parts["measure"] = self.addWidget(self._measure)
        for name in ("fit-all", "export-image", "theme"):
            self._add_button(name)
        self.more = More(self)
        self._more = self.addWidget(self.more)
        session.changed.connect(self._on_changed)
        self.set_theme(theme)
        self._show_stop()
        self._show(session.state)

    def set_theme(self, theme: Theme) -> None:
        """Colour the icons."""
        self._theme = theme
        for name, button in self._buttons.items():
            button.setIcon(themed(BY_ID[name].icon, theme) if name != "stop" else icon("stop", theme.danger))
        self.more.setIcon(themed("more", theme))
        self._show(self._session.state)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the places what room there is, and leave out what there is none for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """The places take what the others leave; where that is too little, parts go into the menu."""
        places, layout = (self._phase, self._step), cast("QLayout", self.layout())
        gap, margins = layout.spacing(), layout.contentsMargins()
        names = (*GOING, "measure")
        going = [self._parts[name] for name in names]
        fixed = [action for action in self.actions() if action not in (*going, self._more) and self._is_there(action)]
        taken = sum(self._width(action) + gap for action in fixed if self.widgetForAction(action) not in places)
        room = self.width() - margins.left() - margins.right() - RESERVE - taken - 2 * gap
        widths = [self._width(action) + gap for action in going]
        least = LEAST_DIGITS * self._step.digit
        more = self.more.sizeHint().width() + gap
        gone = gone_of(widths, room - 2 * least, more)
        left = room - sum(width for number, width in enumerate(widths) if number not in gone) - (more if gone else 0)
        for number, action in enumerate(going):
            action.setVisible(number not in gone)
        self._more.setVisible(bool(gone))
        self.more.hold([("Colour by", partial(self._entries, names[number])) for number in gone])
        for place in places:
            place.fit(max(left // 2, least))
            place.say_again()

    def _is_there(self, action: QAction) -> bool:
        return action is not self._stop or self._actions["stop"].isEnabled()

    def _width(self, action: QAction) -> int:
        widget = self.widgetForAction(action)
        widget.ensurePolished()
        return widget.sizeHint().width()

    def _entries(self, name: str) -> list[QAction]:
        """What stands in the menu for a part of the bar."""
        return [self._actions[f"measure-{value}"] for value, _ in MEASURES] if name == "measure" else [self._actions[name]]

    def _show_stop(self) -> None:
        self._stop.setVisible(self._actions["stop"].isEnabled())
        self._fit()

    def _add_button(self, name: str) -> QAction:
        button = ActionButton(self._actions[name], 20)
        button.setObjectName(f"button-{name}")
        self._buttons[name] = button
        self._parts[name] = self.addWidget(button)
        return self._parts[name]

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
