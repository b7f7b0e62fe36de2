"""The source: the file at the playhead with the exact sub-expression marked; for a backward Node the forward op's."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QStackedLayout, QVBoxLayout, QWidget

from gradwalk.tape import event_at, site_of
from gradwalk.trace import NONE, Graph, Site, Trace

from ..alert_scan import is_growing
from ..editors import EditorError, open_in_editor
from ..inspection.source_marks import LineEvents, events_in, files_of
from ..inspection.source_text import selected_site, source_of
from ..inspection.stop_lines import landing, lines_that_compute, lines_with_ops
from ..inspection.subject import empty_text, op_behind, position_shown
from ..panel import GRID, Panel, phase_colour
from ..session import Session
from ..state import Selection, State
from ..stopping import lines_with_breakpoints, toggled_line
from ..theme import Theme
from ..widgets.code_view import CodeView, Range
from ..widgets.gutter import Mark
from ..widgets.source_header import SourceHeader


class SourceView(Panel):
    """Marks the event at the playhead strongly, and what is selected with a line under it.

    A click on the numbers beside a line selects the ops there, one after the other; a double click puts the playhead after the
    first.
    """

    title = "Source"

    said = Signal(str, bool)
    """One sentence on what was done, or (True) could not be done."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self._file = ""
        self._note = ""
        self._line = 1
        self._events: dict[int, LineEvents] = {}
        self._events_of: tuple[Trace, str] | None = None
        self._lines: dict[tuple[str, str], frozenset[int]] = {}
        """By a Graph's key and the file, the lines that have ops."""
        self.header = SourceHeader(self)
        self.header.chosen.connect(lambda file, line: self.session.set(frame=(file, line)))
        self.header.edit.connect(self._edit)
        self.code = CodeView(theme, self)
        self.code.line_chosen.connect(self._on_line)
        self.code.line_entered.connect(self._on_line_entered)
        self.code.stop_asked.connect(self._on_stop_asked)
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
        layout.addWidget(self.header)
        layout.addWidget(page, 1)
        self.begin()

    def apply_theme(self) -> None:
        """Recolour."""
        self.code.set_theme(self.theme)
        self.header.set_theme(self.theme)
        self.message.setStyleSheet(f"color: {self.theme.subtle};")
        if self.drawn.trace is not None:
            self._mark(self.drawn)

    def show_state(self, old: State, new: State) -> None:
        """Show the file that was asked for, else of a new selection, else at the playhead."""
        if new.trace is None:
            self.header.show_files((), "")
            self._say("Open a recording to see its source.")
            return
        chosen = new.selection is not None and new.selection != old.selection
        site = selected_site(new.trace.graph, new.selection) if chosen else None
        site = site if site is not None else event_site(new)
        file, line = new.frame or ((site.file, site.line) if site is not None else ("", 0))
        self.header.show_files(files_of(new.trace.graph, site), file)
        if not file:
            self._say(_without_source(new))
            return
        if not self._show_file(old, new, file):
            expression = site.expression if site is not None and site.file == file else ""
            self._say(f"{file} was not recorded and is not on this machine.\n\n{expression}".strip(), f"{file}:{line}")
            return
        self._line = line
        at_site = site is not None and new.frame is None
        self.header.show_place(
            f"{file}   {_function(site)}" if site is not None and at_site else f"{file}   line {line}", self._note
        )
        self._mark(new)
        self.code.scroll_to(self._range(site, "forward") if site is not None and at_site else self._whole_line(line))

    def _show_file(self, old: State, new: State, file: str) -> bool:
        """Show the text of a file; False where there is none."""
        if old.recording is not new.recording:
            self._lines = {}
        if file != self._file or old.recording is not new.recording or self._pages.currentWidget() is not self.code:
            found = source_of(new.recording, file)
            if found is None:
                self._file = ""
                return False
            self._file, self._note = file, found.note
            self.code.show_source(found.text)
        self._pages.setCurrentWidget(self.code)
        return True

    def _mark(self, state: State) -> None:
        assert state.trace is not None
        graph = state.trace.graph
        ranges = []
        chosen, now = selected_site(graph, state.selection), event_site(state)
        if chosen is not None and chosen.file == self._file:
            ranges.append(self._range(chosen, _selected_phase(graph, state.selection), strong=now is None))
        if now is not None and now.file == self._file:
            ranges.append(self._range(now, event_at(state.trace, position_shown(state)).phase))
        if state.frame is not None and state.frame[0] == self._file and all(each.line != state.frame[1] for each in ranges):
            ranges.append(self._whole_line(state.frame[1]))
        self.code.show_ranges(tuple(ranges))
        if not self._same_events(state.trace):
            self._events, self._events_of = events_in(state.trace, self._file), (state.trace, self._file)
            self.code.show_marks({line: self._mark_of(found, graph) for line, found in self._events.items()})
        elif any(mark.theme is not self.theme for mark in self.code.marks().values()):
            self.code.show_marks({line: self._mark_of(found, graph) for line, found in self._events.items()})
        stops = lines_with_breakpoints(state.breakpoints, self._file)
        hollow = stops.difference(self._events)
        self.code.show_stops(stops, hollow - self._lines_with_ops(state) if hollow else hollow)

    def _same_events(self, trace: Trace) -> bool:
        """Whether the events found last still hold: the same file, structure and order of events."""
        if self._events_of is None or self._events_of[1] != self._file:
            return False
        before = self._events_of[0]
        return before is trace or (before.graph is trace.graph and np.array_equal(before.tape, trace.tape))

    def _mark_of(self, found: LineEvents, graph: Graph) -> Mark:
        ops = found.ops
        label = phase_colour(ops[0][1].phase, self.theme) if ops else self.theme.subtle
        dots = tuple(phase_colour(phase, self.theme) for phase in found.phases if not ops or phase != ops[0][1].phase)
        return Mark(found.label(), label, dots, found.told(graph), self.theme)

    def _range(self, site: Site, phase: str, *, strong: bool = True) -> Range:
        return Range(site.line, site.column, site.end_line, site.end_column, phase_colour(phase, self.theme), strong)

    def _whole_line(self, line: int) -> Range:
        return Range(line, 0, line, WIDE, self.theme.accent)

    def _say(self, text: str, place: str = "") -> None:
        self.message.setText(text)
        self._pages.setCurrentWidget(self.message)
        self.header.show_place(place)

    def _on_line(self, line: int) -> None:
        state = self.session.state
        if line in self._events and state.trace is not None:
            found = self._events[line].after(state.trace.graph, state.selection)
            if found is not None:
                self.session.select(found)

    def _on_stop_asked(self, line: int) -> None:
        """Remove the breakpoint of a line, or set one there, or at the next line at which one can stop."""
        state = self.session.state
        before, after = state.breakpoints, toggled_line(state, self._file, line)
        if len(after) > len(before):
            goes_on = state.recording is not None and is_growing(state.recording)
            may_run = lines_that_compute(self.code.toPlainText()) if goes_on else frozenset()
            place = landing(line, self._lines_with_ops(state), may_run)
            moved = toggled_line(state, self._file, place.line) if place.line else before
            after = moved if len(moved) > len(before) else before  # one that is there already stays
            if place.sentence:
                self.said.emit(place.sentence, not place.line)
        self.session.set(breakpoints=after)

    def _lines_with_ops(self, state: State) -> frozenset[int]:
        """The lines of the file at which an op was recorded, in any step."""
        found = set(self._events)
        for graph in getattr(state.recording, "graphs", ()):
            key = (graph.key, self._file)
            if key not in self._lines:
                self._lines[key] = lines_with_ops(graph, self._file)
            found |= self._lines[key]
        return frozenset(found)

    def _on_line_entered(self, line: int) -> None:
        if line in self._events:
            self.session.go_to(self.session.state.step, self._events[line].events[0][0] + 1)

    def _edit(self) -> None:
        state = self.session.state
        try:
            open_in_editor(state.editor, self._file or (state.frame or ("", 0))[0], self._line)
        except EditorError as error:
            self.said.emit(str(error), True)


WIDE = 100_000
"""A column past every line: pulled in to its end."""


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


def _function(site: Site) -> str:
    return "" if site.function in ("", "<module>") else f"in {site.function}"


def _without_source(state: State) -> str:
    if state.trace is not None and not state.events:
        return empty_text(state.trace)
    return "The place in the source of this event was not recorded."


if __name__ == "__main__":
    from ..alone import run_alone

    raise SystemExit(run_alone(SourceView, width=640, height=420))
