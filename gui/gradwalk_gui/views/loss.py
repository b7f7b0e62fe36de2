"""The loss of every step, live; a click goes to a step. The plotting library is loaded when the panel is first painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QStackedLayout, QToolButton, QVBoxLayout, QWidget

from ..icons import themed
from ..inspection.losses import BadLosses, step_numbers
from ..numbers import number
from ..panel import GRID, Panel
from ..session import Session
from ..state import State, Steps
from ..theme import Theme, font
from ..widgets.text import ElidedLabel

if TYPE_CHECKING:
    from ..widgets.loss_plot import LossPlot


class LossView(Panel):
    """A line of what the playhead's step lost, the log and linear switch, and the plot."""

    title = "Loss"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self._plot: LossPlot | None = None
        self._asked = False
        self._bad = BadLosses()
        self.reading = ElidedLabel(Qt.TextElideMode.ElideRight, self)
        self.reading.setFont(font(11, numbers=True))
        self.scales = {True: self._scale_button("log"), False: self._scale_button("linear")}
        self.fit = QToolButton(self)
        self.fit.setToolTip("Show every step (double click)")
        self.fit.setAccessibleName("Show every step")
        self.fit.clicked.connect(lambda: self.plot().show_all())
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(GRID)
        self._arrange()
        self.begin()

    def _scale_button(self, name: str) -> QToolButton:
        button = QToolButton(self)
        button.setText(name)
        button.setCheckable(True)
        button.setAccessibleName(f"{name} scale of the loss")
        button.setToolTip(f"{name} scale")
        button.clicked.connect(lambda: self.session.set(log_loss=name == "log"))
        return button

    def _arrange(self) -> None:
        group = QButtonGroup(self)
        head = QHBoxLayout()
        head.setContentsMargins(GRID, GRID // 2, GRID, 0)
        head.setSpacing(GRID // 2)
        head.addWidget(self.reading, 1)
        for button in self.scales.values():
            group.addButton(button)
            head.addWidget(button)
        head.addWidget(self.fit)
        page = QWidget(self)
        self._pages = QStackedLayout(page)
        self._pages.addWidget(self.message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, GRID // 2)
        layout.setSpacing(GRID // 2)
        layout.addLayout(head)
        layout.addWidget(page, 1)

    def plot(self) -> LossPlot:
        """The plot; made when it is first asked for, because the library behind it takes a third of a second to load."""
        if self._plot is None:
            from ..widgets.loss_plot import LossPlot

            self._plot = LossPlot(self.theme)
            self._pages.addWidget(self._plot)
            self._plot.chosen.connect(self._on_chosen)
            self._show_losses(self.session.state)
        return self._plot

    def paintEvent(self, event: QPaintEvent) -> None:
        """The first time the panel is on the screen, ask for the plot once the window has been drawn."""
        super().paintEvent(event)
        if self._plot is None and not self._asked:
            self._asked = True
            QTimer.singleShot(0, self, self.plot)

    def apply_theme(self) -> None:
        """Recolour."""
        self.message.setStyleSheet(f"color: {self.theme.subtle};")
        self.fit.setIcon(themed("fit", self.theme))
        if self._plot is not None:
            self._plot.set_theme(self.theme)

    def show_state(self, old: State, new: State) -> None:
        """Show what differs: new steps, the scale, the playhead's step."""
        for log, button in self.scales.items():
            button.setChecked(new.log_loss is log)
        if self._plot is None:
            self._say(new)
        elif _differs(old, new) or _unfinished(old, new):
            if old.recording is not new.recording:
                self._plot.show_all()
            self._show_losses(new)
        else:
            self._plot.show_marker(new.step if new.trace is not None else -1)
        self._read(new)

    def _show_losses(self, state: State) -> None:
        plot = self._plot
        if plot is None:
            return
        if state.recording is None:
            plot.show_losses(np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool), log=state.log_loss)
        else:
            losses = np.asarray(state.recording.losses(), dtype=np.float64)
            steps, bad = step_numbers(state.recording, len(losses)), self._bad.of(state.recording, losses)
            plot.show_losses(steps, losses, bad, log=state.log_loss)
        plot.show_ghost(*losses_of(state.ghost))
        plot.show_marker(state.step if state.trace is not None else -1)
        self._say(state)
        self._read(state)

    def _say(self, state: State) -> None:
        losses = state.recording.losses() if state.recording is not None else np.zeros(0)
        if state.recording is None:
            self.message.setText("Open a recording to see its loss.")
        elif not len(losses) or np.isnan(losses).all():
            self.message.setText("No loss yet.")
        elif state.log_loss and not (losses > 0).any() and np.isfinite(losses).any():
            self.message.setText("No loss is above 0, so none can be shown on a log scale. Choose linear.")
        else:
            self.message.setText("")
        shown = self._plot if self._plot is not None and not self.message.text() else self.message
        self._pages.setCurrentWidget(shown)

    def _read(self, state: State) -> None:
        if state.trace is None:
            self.reading.set_full_text("")
            return
        loss = "no loss" if state.trace.loss is None else f"loss {number(state.trace.loss, 5)}"
        self.reading.set_full_text(f"step {state.trace.step:,}  {loss}{self._before(state.ghost, state.trace.step)}")

    def _before(self, ghost: Steps | None, step: int) -> str:
        """The loss of the run before at a step, or nothing."""
        steps, losses = losses_of(ghost)
        place = np.flatnonzero(steps == step)
        return f"  before (grey) {number(float(losses[place[0]]), 5)}" if len(place) else ""

    def _on_chosen(self, index: int) -> None:
        self.session.go_to(index, self.session.state.position)


def _differs(old: State, new: State) -> bool:
    """Whether the curve or the ghost under it is another one."""
    return (old.recording, old.length, old.log_loss, old.ghost) != (new.recording, new.length, new.log_loss, new.ghost)


def losses_of(ghost: Steps | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Step numbers and losses of the run before, float64 ``[n]`` each; empty where there is none."""
    if ghost is None:
        return np.zeros(0), np.zeros(0)
    losses = np.asarray(ghost.losses(), dtype=np.float64)
    return step_numbers(ghost, len(losses)), losses


def _unfinished(old: State, new: State) -> bool:
    """Whether the step looked at was still running, so that its loss may have come since."""
    return old.trace is not new.trace and old.step == new.step


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(LossView, height=300))
