"""The op ribbon: one cell per event of the step, coloured by phase; what has run is full, what comes is pale."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QWidget

from gradwalk.breakpoints import stops
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
        self._stops: NDArray[np.intp] = np.zeros(0, np.intp)
        """The positions at which a breakpoint stops."""
        self._loop_from: int | None = None
        """Where a range that is being dragged began."""
        self.setToolTipDuration(-1)
        self.begin()

    def show_state(self, old: State, new: State) -> None:
        """Take the phases of another step, or move the playhead."""
        if new.trace is not old.trace or new.trace is None:
            self._phases = np.zeros(0, np.uint8) if new.trace is None else phase_codes(new.trace)
            self._bad = np.zeros(0, bool) if new.trace is None else bad_events(new.trace)
        if (new.trace, new.breakpoints) != (old.trace, old.breakpoints):
            self._stops = np.zeros(0, np.intp) if new.trace is None else np.flatnonzero(stops(new.trace, new.breakpoints))
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

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the playhead along; with Shift, the end of the range that is looped."""
        self._loop_from = None
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self.count():
            self._loop_from = round(self.place_at(event.position().x()))
            self.session.loop_between(self._loop_from, self._loop_from)
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the playhead, or the range."""
        if self._loop_from is not None and event.buttons():
            self.session.loop_between(self._loop_from, round(self.place_at(event.position().x())))
            return
        super().mouseMoveEvent(event)

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
        self._paint_range(painter, area, width)
        self._paint_stops(painter, area, width)

    def _paint_range(self, painter: QPainter, area: QRectF, width: float) -> None:
        """The positions between which playing loops: a line under the cells."""
        if self.drawn.loop_range is not None:
            start, end = self.drawn.loop_range
            painter.setPen(QPen(QColor(self.theme.accent), 3))
            below = area.bottom() + 2
            painter.drawLine(QPointF(area.left() + start * width, below), QPointF(area.left() + end * width, below))

    def _paint_stops(self, painter: QPainter, area: QRectF, width: float) -> None:
        """A dot over each position at which a breakpoint stops; on one pixel there is one."""
        painter.setPen(QPen(QColor(self.theme.panel), 1))
        painter.setBrush(QColor(self.theme.danger))
        for x in dict.fromkeys((area.left() + self._stops * width).round().tolist()):
            painter.drawEllipse(QPointF(x, area.top() + 1), 3.5, 3.5)

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
