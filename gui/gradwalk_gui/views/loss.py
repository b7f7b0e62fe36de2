"""The plots: the loss of every step, live; the probes; the heat map of gradients. A click goes to a step.

The plotting library is loaded when the panel is first painted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QPaintEvent
from PySide6.QtWidgets import QLabel, QStackedLayout, QVBoxLayout, QWidget

from .. import pinning
from ..dragging import selection_in
from ..icons import themed
from ..inspection.losses import BadLosses, step_numbers
from ..numbers import number
from ..panel import GRID, Panel
from ..plots.gather import Gatherer
from ..plots.head import PlotsHead
from ..session import Session
from ..state import Play, State, Steps
from ..theme import Theme

if TYPE_CHECKING:
    from ..plots.error_pane import ErrorPane
    from ..plots.heat_pane import HeatPane
    from ..plots.probes_pane import ProbesPane
    from ..widgets.loss_plot import LossPlot

Page: TypeAlias = Literal["loss", "probes", "heat", "error"]
PAGES: Mapping[str, str] = {"loss": "Loss", "probes": "Probes", "heat": "Heat", "error": "Error"}


class LossView(Panel):
    """A line of what the playhead's step lost, the switches, and one of the pages."""

    title = "Loss"
    chain_wanted = Signal()
    """The step that is shown is to be computed again in float64."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.page: Page = "loss"
        self._plot: LossPlot | None = None
        self._panes: dict[Page, ProbesPane | HeatPane | ErrorPane] = {}
        self._asked = False
        self._bad = BadLosses()
        self.gatherer = Gatherer(self)
        self.gatherer.grew.connect(self._on_grown)
        self.head = PlotsHead(PAGES, self)
        self.chooser, self.reading, self.scales, self.fit = self.head.chooser, self.head.reading, self.head.scales, self.head.fit
        self.chooser[self.page].setChecked(True)
        self.head.page.connect(self.show_page)
        self.head.scale.connect(self._set_log)
        self.fit.clicked.connect(self._show_all)
        self.message = QLabel(self)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.message.setMargin(GRID)
        self.setAcceptDrops(True)
        self._arrange()
        self.begin()

    def _arrange(self) -> None:
        page = QWidget(self)
        self._pages = QStackedLayout(page)
        self._pages.addWidget(self.message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, GRID // 2)
        layout.setSpacing(GRID // 2)
        layout.addWidget(self.head)
        layout.addWidget(page, 1)

    # Pages

    def plot(self) -> LossPlot:
        """The plot; made when it is first asked for, because the library behind it takes a third of a second to load."""
        if self._plot is None:
            from ..widgets.loss_plot import LossPlot

            self._plot = LossPlot(self.theme)
            self._pages.addWidget(self._plot)
            self._plot.chosen.connect(self._on_chosen)
            self._show_losses(self.session.state)
        return self._plot

    def probes(self) -> ProbesPane:
        """The page of the probes, made when it is first asked for."""
        pane = self._panes.get("probes")
        if pane is None:
            from ..plots.probes_pane import ProbesPane

            pane = self._panes["probes"] = ProbesPane(self.session, self.theme)
            self._pages.addWidget(pane)
        return pane  # type: ignore[return-value]

    def heat(self) -> HeatPane:
        """The page of the heat map, made when it is first asked for."""
        pane = self._panes.get("heat")
        if pane is None:
            from ..plots.heat_pane import HeatPane

            pane = self._panes["heat"] = HeatPane(self.session, self.theme)
            self._pages.addWidget(pane)
        return pane  # type: ignore[return-value]

    def error(self) -> ErrorPane:
        """The page of the accumulated errors, made when it is first asked for."""
        pane = self._panes.get("error")
        if pane is None:
            from ..plots.error_pane import ErrorPane

            pane = self._panes["error"] = ErrorPane(self.session, self.theme)
            pane.wanted.connect(self.chain_wanted)
            self._pages.addWidget(pane)
        return pane  # type: ignore[return-value]

    def show_page(self, page: Page) -> None:
        """Bring a page to the front."""
        self.page = page
        self.chooser[page].setChecked(True)
        if page == "loss":
            self._show_losses(self.session.state)
        else:
            self._show_pane(self.session.state)
        self._check_scale(self.session.state)

    def _pane(self) -> ProbesPane | HeatPane | ErrorPane | None:
        return {"loss": lambda: None, "probes": self.probes, "heat": self.heat, "error": self.error}[self.page]()

    def _show_pane(self, state: State) -> None:
        """Show what has been read for the page in front, and have the rest read."""
        pane = self._pane()
        if pane is not None:
            self.gatherer.follow(state.recording, state.length, pane.tracks(state))
            pane.refresh()
            self._say(state)
            self._read(state)

    def _on_grown(self) -> None:
        pane = self._pane()
        if pane is not None:
            pane.refresh()
            self._say(self.session.state)

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
        for pane in self._panes.values():
            pane.set_theme(self.theme)

    # What it shows

    def _on_changed(self, old: State, new: State) -> None:
        if old.recording is not new.recording:
            self.gatherer.follow(None, 0, ())  # also while nobody sees the panel: what is closed is read no more
        super()._on_changed(old, new)

    def show_state(self, old: State, new: State) -> None:
        """Show what differs: new steps, the scale, the probes, the playhead's step."""
        if len(new.probes) > len(old.probes):
            self.show_page("probes")
        self._check_scale(new)
        grown = (old.recording, old.length) != (new.recording, new.length) or _unfinished(old, new)
        pane = self._pane()
        if pane is not None:
            shown = (old.recording, old.probes, old.log_loss, old.view.measure, old.view.folded)
            if shown != (new.recording, new.probes, new.log_loss, new.view.measure, new.view.folded):
                self._show_pane(new)
            elif grown and new.recording is not None:
                self.gatherer.follow(new.recording, new.length, pane.tracks(new))
            if not (grown and new.play is Play.FOLLOWING):  # else it is shown with what has come
                pane.show_playhead(new)
        elif self._plot is None:
            self._say(new)
        elif grown or old.log_loss != new.log_loss or old.ghost is not new.ghost:
            if old.recording is not new.recording:
                self._plot.show_all()
            self._show_losses(new)
        else:
            self._plot.show_marker(new.step if new.trace is not None else -1)
        self._read(new)

    def _check_scale(self, state: State) -> None:
        log = self.probes().log if self.page == "probes" else state.log_loss
        for of, button in self.scales.items():
            button.setChecked(log is of)
            button.setVisible(self.page not in ("heat", "error"))

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
        """Why there is nothing to see, in place of the page."""
        self.message.setText(self._why_empty(state))
        pane = self._pane()
        page = self._plot if pane is None else pane
        self._pages.setCurrentWidget(page if page is not None and not self.message.text() else self.message)

    def _why_empty(self, state: State) -> str:
        losses = state.recording.losses() if state.recording is not None else np.zeros(0)
        pane = self._pane()
        if state.recording is None:
            return f"Open a recording to see its {'gradients' if self.page == 'heat' else self.page}."
        if pane is not None:
            return pane.message()
        if not len(losses) or np.isnan(losses).all():
            return "No loss yet."
        if state.log_loss and not (losses > 0).any() and np.isfinite(losses).any():
            return "No loss is above 0, so none can be shown on a log scale. Choose linear."
        return ""

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

    # What is done with it

    def _set_log(self, log: bool) -> None:
        if self.page == "probes":
            self.probes().set_log(log)
            self._say(self.session.state)
        else:
            self.session.set(log_loss=log)

    def _show_all(self) -> None:
        pane = self._pane()
        (self.plot() if pane is None else pane).show_all()

    def _on_chosen(self, index: int) -> None:
        self.session.go_to(index, self.session.state.position)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """What is dragged out of the graph or of Events can be pinned."""
        if selection_in(event.mimeData()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Pin it."""
        selection = selection_in(event.mimeData())
        if selection is not None:
            event.acceptProposedAction()
            pinning.pin(self.session, selection, toggle=False)


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
