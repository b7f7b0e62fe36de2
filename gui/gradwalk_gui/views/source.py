"""The source: the file at the playhead with the exact sub-expression marked; for a backward Node the forward op's."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QStackedLayout, QVBoxLayout, QWidget

from gradwalk.tape import event_at, site_of
from gradwalk.trace import NONE, Graph, Site, Trace

from ..inspection.source_text import selected_site, text_of
from ..inspection.subject import empty_text, op_behind, position_shown
from ..panel import GRID, Panel, phase_colour
from ..session import Session
from ..state import Selection, State
from ..theme import Theme, font
from ..widgets.code_view import CodeView, Range
from ..widgets.text import ElidedLabel


class SourceView(Panel):
    """Marks the event at the playhead strongly, and what is selected with a line under it."""

    title = "Source"

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self._file = ""
        self._places: dict[int, dict[str, int]] = {}
        self._places_of: tuple[Trace, str] | None = None
        self.place = ElidedLabel(Qt.TextElideMode.ElideLeft, self)
        self.code = CodeView(theme, self)
        self.code.line_chosen.connect(self._on_line)
        self.message = QLabel(self)
        self.message.setWordWrap(True)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setMargin(2 * GRID)
        page = QWidget(self)
        self._pages = QStackedLayout(page)
        self._pages.addWidget(self.code)
        self._pages.addWidget(self.message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, GRID // 2, 0, 0)
        layout.setSpacing(GRID // 2)
        layout.addWidget(self.place)
        layout.addWidget(page, 1)
        self.place.setContentsMargins(GRID, 0, GRID, 0)
        self.place.setFont(font(11))
        self.begin()

    def apply_theme(self) -> None:
        """Recolour."""
        self.code.set_theme(self.theme)
        self.place.setStyleSheet(f"color: {self.theme.subtle};")
        self.message.setStyleSheet(f"color: {self.theme.subtle};")
        if self.drawn.trace is not None:
            self._mark(self.drawn)

    def show_state(self, old: State, new: State) -> None:
        """Show the file at the playhead, or of a new selection."""
        if new.trace is None:
            self._say("Open a recording to see its source.")
            return
        chosen = new.selection is not None and new.selection != old.selection
        site = selected_site(new.trace.graph, new.selection) if chosen else None
        if site is None:
            site = event_site(new)
        if site is None:
            self._say(_without_source(new))
            return
        if site.file != self._file or old.recording is not new.recording or self._pages.currentWidget() is not self.code:
            text = text_of(new.recording, site.file)
            if text is None:
                self._file = ""
                self._say(f"{site.file} was not recorded and is not on this machine.\n\n{site.expression}", site)
                return
            self._file = site.file
            self.code.show_source(text)
        self._pages.setCurrentWidget(self.code)
        self.place.set_full_text(f"{site.file}   {_function(site)}")
        self._mark(new)
        self.code.scroll_to(self._range(site, "forward"))

    def _mark(self, state: State) -> None:
        assert state.trace is not None
        graph = state.trace.graph
        ranges = []
        chosen, now = selected_site(graph, state.selection), event_site(state)
        if chosen is not None and chosen.file == self._file:
            ranges.append(self._range(chosen, _selected_phase(graph, state.selection), strong=now is None))
        if now is not None and now.file == self._file:
            ranges.append(self._range(now, event_at(state.trace, position_shown(state)).phase))
        self.code.show_ranges(tuple(ranges))
        if not self._same_places(state.trace):
            self._places, self._places_of = places_in(state.trace, self._file), (state.trace, self._file)
        self.code.show_marks({line: self._colours(found) for line, found in self._places.items()})

    def _same_places(self, trace: Trace) -> bool:
        """Whether the lines found last still hold: the same file, structure and order of events."""
        if self._places_of is None or self._places_of[1] != self._file:
            return False
        before = self._places_of[0]
        return before is trace or (before.graph is trace.graph and np.array_equal(before.tape, trace.tape))

    def _colours(self, phases: dict[str, int]) -> tuple[str, ...]:
        return tuple(phase_colour(phase, self.theme) for phase in sorted(phases, key=_ORDER.index))

    def _range(self, site: Site, phase: str, *, strong: bool = True) -> Range:
        return Range(site.line, site.column, site.end_line, site.end_column, phase_colour(phase, self.theme), strong)

    def _say(self, text: str, site: Site | None = None) -> None:
        self.message.setText(text)
        self._pages.setCurrentWidget(self.message)
        self.place.set_full_text(f"{site.file}:{site.line}   {_function(site)}" if site is not None else "")

    def _on_line(self, line: int) -> None:
        if line in self._places:
            self.session.go_to(self.session.state.step, min(self._places[line].values()) + 1)


_ORDER = ("forward", "backward", "loss", "update")


def event_site(state: State) -> Site | None:
    """The source of the event just run; at the start of a step that of the first event."""
    position = position_shown(state)
    if state.trace is None or position == NONE:
        return None
    return site_of(state.trace.graph, event_at(state.trace, position))


def _selected_phase(graph: Graph, selection: Selection | None) -> str:
    if selection is None or selection.kind in ("node", "edge"):
        return "backward"
    op = op_behind(graph, selection)
    return graph.ops[op].phase if op != NONE else "forward"


def places_in(trace: Trace, file: str) -> dict[int, dict[str, int]]:
    """Per line of a file (from 1) and phase the tape position of the first event there."""
    found: dict[int, dict[str, int]] = {}
    for position in range(len(trace.tape)):
        event = event_at(trace, position)
        site = site_of(trace.graph, event)
        if site is not None and site.file == file:
            found.setdefault(site.line, {}).setdefault(event.phase, position)
    return found


def _function(site: Site) -> str:
    return "" if site.function in ("", "<module>") else f"in {site.function}"


def _without_source(state: State) -> str:
    if state.trace is not None and not state.events:
        return empty_text(state.trace)
    return "The place in the source of this event was not recorded."


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(SourceView, width=640, height=420))
