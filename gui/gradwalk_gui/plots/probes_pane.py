"""The page of the probes: their plot, and beside it the legend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from .. import pinning
from ..inspection.losses import step_numbers
from ..numbers import number
from ..probes import Figure, Probe
from ..session import Session
from ..state import State, Steps
from ..theme import Theme
from .probe_legend import ProbeLegend
from .probe_plot import ProbePlot
from .series import Series

LEGEND_SHARE, NARROWEST, WIDEST = 0.36, 150, 320
"""The legend's part of the width, and what it is at least and at most."""


class ProbesPane(QWidget):
    """Shows the probes of a State. What was read for a probe is kept while it is pinned."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.log = True
        self.plot = ProbePlot(theme, self)
        self.legend = ProbeLegend(theme, self)
        self._recording: Steps | None = None
        self._series: dict[tuple[object, Figure], Series] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.plot, 1)
        row.addWidget(self.legend)
        self.plot.chosen.connect(lambda index: session.go_to(index, session.state.position))
        self.plot.picked.connect(self._on_picked)
        self.legend.clicked.connect(self._select)
        self.legend.removed.connect(lambda probe: pinning.unpin(session, probe))
        self.legend.all_removed.connect(lambda: session.set(probes=()))
        self.legend.changed.connect(lambda probe, figure: pinning.change(session, probe, figure=figure))
        self.legend.loss.toggled.connect(lambda _: self.refresh())

    def tracks(self, state: State) -> Sequence[Series]:
        """What has to be read for the probes of a State."""
        if state.recording is not self._recording:
            self._recording, self._series = state.recording, {}
            self.plot.show_all()
        kept = self._series
        self._series = {}
        for probe in state.probes:
            one = kept.get((probe.thing, probe.figure)) or Series(probe)
            one.probe = probe
            self._series[probe.thing, probe.figure] = one
        return tuple(self._series.values())

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.plot.set_theme(theme)
        self.legend.show_probes(self.session.state.probes, theme)
        self.show_playhead(self.session.state)

    def set_log(self, log: bool) -> None:
        """A logarithmic axis or a linear one."""
        self.log = log
        self.refresh()

    def refresh(self) -> None:
        """Show what has been read up to now."""
        state = self.session.state
        series = self.tracks(state)
        if state.recording is None:
            return
        losses = np.asarray(state.recording.losses(), dtype=np.float64)
        self.legend.show_probes(state.probes, self.plot.theme)
        self.plot.show_series(
            step_numbers(state.recording, len(losses)),
            series,
            log=self.log,
            losses=losses if self.legend.loss.isChecked() else None,
            log_loss=state.log_loss,
        )
        self.show_playhead(state)

    def show_playhead(self, state: State) -> None:
        """Mark the step of the playhead, and say the numbers there."""
        self.plot.show_marker(state.step if state.trace is not None else -1)
        if len(self.legend.rows) != len(self._series):
            return
        numbers = [self.plot.number_at(one, state.step) for one in self._series.values()]
        chosen = [self._selected(state, one.probe) for one in self._series.values()]
        self.legend.show_numbers(["none" if one is None else number(one, 3) for one in numbers], chosen)

    def show_all(self) -> None:
        """Show every step."""
        self.plot.show_all()

    def message(self) -> str:
        """Why there is nothing to see, or nothing."""
        if self._series:
            numbers = [one.numbers[np.isfinite(one.numbers)] for one in self._series.values()]
            low = self.log and any(map(len, numbers)) and not any((of > 0).any() for of in numbers)
            return "No number is above 0, so none can be shown on a log scale. Choose linear." if low else ""
        return "No probe yet. Select an op, a tensor or a gradient and press P, or drag it here."

    def _selected(self, state: State, probe: Probe) -> bool:
        if state.selection is None or state.trace is None:
            return False
        return state.selection == pinning.selection_in(state.trace.graph, probe)

    def _on_picked(self, index: int, probe: Probe) -> None:
        self.session.go_to(index, self.session.state.position)
        self._select(probe)

    def _select(self, probe: Probe) -> None:
        trace = self.session.state.trace
        found = pinning.selection_in(trace.graph, probe) if trace is not None else None
        if found is not None:
            self.session.select(found)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the width."""
        super().resizeEvent(event)
        self.legend.set_width(round(min(max(self.width() * LEGEND_SHARE, NARROWEST), WIDEST)))
