"""The op ribbon: one cell per event of the step, coloured by phase; what has run is full, what comes is pale."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QWidget

from gradwalk.same import Same
from gradwalk.tape import event_at, index, name_of, variable_of
from gradwalk.trace import NONE, STATISTICS, Graph, Trace

from ..panel import mix, phase_colour
from ..ribbon import CELL_GAP_FROM, Ribbon, bin_edges, rgb, strip
from ..session import Session
from ..state import State
from ..theme import Theme, font

PHASES = ("forward", "loss", "backward", "update")
PALE = 0.3
"""How much colour a cell has that has not run yet."""


class OpRibbon(Ribbon):
    """The events of the step at the playhead."""

    title = "Events"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setObjectName("op-ribbon")
        self._phases = np.zeros(0, dtype=np.uint8)
        self._bad = np.zeros(0, dtype=bool)
        self.begin()

    def show_state(self, old: State, new: State) -> None:
        """Take the phases of another step, or move the playhead."""
        if new.trace is not old.trace or new.trace is None:
            self._phases = np.zeros(0, np.uint8) if new.trace is None else phase_codes(new.trace)
            self._bad = np.zeros(0, bool) if new.trace is None else bad_events(new.trace)
        self.setAccessibleDescription(f"event {new.position} of {new.events}")
        self.update()

    def count(self) -> int:
        """The events of the step."""
        return len(self._phases)

    def place(self) -> float | None:
        """After the events that have run."""
        return float(self.drawn.position)

    def pick(self, place: float) -> None:
        """The playhead goes to the nearest gap between two events."""
        position = round(place)
        if position != self.session.state.position:
            self.session.go_to(self.session.state.step, position)

    def wheel_by(self, by: int) -> None:
        """One event on or back."""
        if by > 0:
            self.session.next_event()
        else:
            self.session.previous_event()

    def describe(self, cell: int) -> str:
        """Number, name, phase and variable of an event."""
        trace = self.drawn.trace
        if trace is None:
            return ""
        event = event_at(trace, cell)
        parts = [f"#{cell}  {name_of(trace.graph, event)}", event.phase, variable_of(trace.graph, event)]
        if self._bad[cell]:
            parts.append("NaN or Inf")
        return "  ·  ".join(part for part in parts if part)

    def paint_cells(self, painter: QPainter, area: QRectF) -> None:
        """Cells one by one while they are wide, one pixel column per bin otherwise."""
        width = area.width() / self.count()
        if width >= CELL_GAP_FROM:
            self._paint_apart(painter, area, width)
        else:
            self._paint_binned(painter, area)
        self._paint_names(painter, area)

    def _paint_apart(self, painter: QPainter, area: QRectF, width: float) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        gap = 1.0 if width < 12 else 2.0
        full = [QColor(phase_colour(phase, self.theme)) for phase in PHASES]
        pale = [mix(phase_colour(phase, self.theme), self.theme.panel, PALE) for phase in PHASES]
        for cell, phase in enumerate(self._phases):
            painter.setBrush((full if cell < self.drawn.position else pale)[phase])
            box = QRectF(area.left() + cell * width + gap / 2, area.top(), width - gap, area.height())
            painter.drawRoundedRect(box, 3, 3)
            if self._bad[cell]:
                painter.setBrush(QColor(self.theme.bad))
                painter.drawRect(QRectF(box.left(), box.bottom() - 4, box.width(), 4))

    def _paint_binned(self, painter: QPainter, area: QRectF) -> None:
        pixels = min(self.count(), max(1, round(area.width() * self.devicePixelRatioF())))
        first = bin_edges(self.count(), pixels)
        full = np.array([rgb(phase_colour(phase, self.theme)) for phase in PHASES], dtype=np.uint32)
        pale = np.array([rgb(mix(phase_colour(phase, self.theme), self.theme.panel, PALE)) for phase in PHASES], dtype=np.uint32)
        codes = self._phases[first]
        colours = np.where(first < self.drawn.position, full[codes], pale[codes])
        painter.drawImage(area, strip(colours))
        bad = np.logical_or.reduceat(self._bad, first)
        if bad.any():
            low = QRectF(area.left(), area.bottom() - 4, area.width(), 4)
            painter.drawImage(low, strip(np.where(bad, np.uint32(rgb(self.theme.bad)), colours)))

    def _paint_names(self, painter: QPainter, area: QRectF) -> None:
        if self.drawn.trace is None:
            return
        painter.setFont(font(10))
        per_cell = area.width() / self.count()
        starts = np.flatnonzero(np.diff(self._phases, prepend=255))
        ends = np.append(starts[1:], self.count())
        for start, end in zip(starts, ends, strict=True):
            name, room = PHASES[self._phases[start]], (end - start) * per_cell - 8
            width = painter.fontMetrics().horizontalAdvance(name)
            if width > room or area.height() < 14:
                continue
            self._paint_name(
                painter, name, QRectF(area.left() + start * per_cell + 6, area.top(), width, area.height()), int(start)
            )

    def _paint_name(self, painter: QPainter, name: str, box: QRectF, first: int) -> None:
        """The name of a phase on its first cells, over the gaps between them."""
        colour, run = phase_colour(name, self.theme), first < self.drawn.position
        painter.fillRect(box, QColor(colour) if run else mix(colour, self.theme.panel, PALE))
        painter.setPen(QColor(self.theme.panel if run else self.theme.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, name)


@lru_cache(maxsize=8)
def _codes_of_events(graph: Same[Graph]) -> NDArray[np.uint8]:
    return np.array([PHASES.index(event.phase) for event in graph.thing.events], dtype=np.uint8)


def phase_codes(trace: Trace) -> NDArray[np.uint8]:
    """Per tape position the index of its phase in PHASES, uint8 ``[events]``."""
    codes = _codes_of_events(Same(trace.graph))
    return codes[trace.tape] if len(codes) else np.zeros(0, np.uint8)


def bad_events(trace: Trace) -> NDArray[np.bool_]:
    """Per tape position whether the event made NaN or Inf, bool ``[events]``."""
    graph, look = trace.graph, index(trace.graph)
    bad_values, bad_edges = bad_columns(trace.values), bad_columns(trace.gradients)
    bad = np.zeros(len(trace.tape), dtype=bool)
    if not (bad_values.any() or bad_edges.any()):
        return bad
    for position, event_id in enumerate(trace.tape):
        event = graph.events[event_id]
        made = graph.ops[event.ref].outputs if event.kind in ("op", "update") else ()
        bad[position] = any(bad_values[v] for v in made if v != NONE) or any(bad_edges[e] for e in look.edges_of_event[event.id])
    return bad


def bad_columns(table: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which columns of a statistics table counted NaN or Inf, bool ``[things]``."""
    found: NDArray[np.bool_] = (table[STATISTICS.index("nan")] > 0) | (table[STATISTICS.index("inf")] > 0)
    return found
