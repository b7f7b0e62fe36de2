"""Breakpoints and the playhead: setting them, going on to them, to the selection, to the last writer of a tensor. No Qt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from gradwalk.breakpoints import at_event, at_line, at_node, lines_of, stops
from gradwalk.filter import parse
from gradwalk.filter.matching import asks_numbers
from gradwalk.gate import Breakpoint
from gradwalk.paths import id_of, path_of
from gradwalk.recording.format import RecordingError
from gradwalk.tape import index
from gradwalk.trace import NONE, Event, Graph, TensorKey, Trace

from . import moves
from .alert_scan import is_growing
from .state import END, Selection, State, Steps

if TYPE_CHECKING:
    from .session import Session

SECONDS = 1.5
"""So long is looked for a breakpoint at most; the next press goes on from there."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Where the playhead comes to. ``stopped``: at a breakpoint; ``through``: no step is left to look at."""

    step: int
    position: int
    stopped: bool = False
    through: bool = False


def next_stop(
    steps: Steps, place: tuple[int, int], by: Literal[1, -1], breakpoints: tuple[Breakpoint, ...], seconds: float = SECONDS
) -> Reached:
    """The nearest position after (or before) a playhead ``(step, position)`` at which a breakpoint stops."""
    end, (step, position) = time.monotonic() + seconds, place
    at = step
    while 0 <= at < len(steps):
        there = _stops_in(steps, at, breakpoints)
        if at == step:
            there = there[there > position] if by > 0 else there[there < position]
        if len(there):
            return Reached(at, int(there[0] if by > 0 else there[-1]), stopped=True)
        if time.monotonic() > end and 0 <= at + by < len(steps):
            return Reached(at + by, 0)
        at += by
    last = (len(steps) - 1, END) if by > 0 else (0, 0)
    return Reached(*last, through=True)


def _stops_in(steps: Steps, at: int, breakpoints: tuple[Breakpoint, ...]) -> np.ndarray:
    try:
        return np.flatnonzero(stops(steps[at], breakpoints))
    except RecordingError:
        return np.zeros(0, dtype=np.intp)


def go_on(session: Session, by: Literal[1, -1]) -> str:
    """Continue to the next (or previous) breakpoint; a sentence where none is reached."""
    state = session.state
    if state.recording is None:
        return ""
    if not any(one.enabled for one in state.breakpoints):
        return "No breakpoint is set: F9 sets one at the selection or the next event, Shift+F9 one with a condition"
    found = next_stop(state.recording, (state.step, state.position), by, state.breakpoints)
    session.go_to(found.step, found.position)
    if found.stopped:
        return ""
    if found.through:
        return f"No breakpoint stops {'after' if by > 0 else 'before'} this place in the recording"
    return f"No breakpoint up to step {found.step:,}; press again to look further"


def toggled(state: State) -> tuple[Breakpoint, ...]:
    """The breakpoints with one more (or less) at the selected event, else at the next."""
    text = text_here(state)
    return _with_or_without(state.breakpoints, text) if text else state.breakpoints


def toggled_line(state: State, file: str, line: int) -> tuple[Breakpoint, ...]:
    """The breakpoints with one more (or less) at a source line."""
    return _with_or_without(state.breakpoints, at_line(file, line))


def _with_or_without(breakpoints: tuple[Breakpoint, ...], text: str) -> tuple[Breakpoint, ...]:
    rest = tuple(one for one in breakpoints if one.text != text)
    return rest if len(rest) < len(breakpoints) else (*breakpoints, Breakpoint(text))


def text_here(state: State) -> str:
    """The filter of a breakpoint at the selection, else at the next event, else at the last; "" where there is nothing."""
    trace = state.trace
    if trace is None or not len(trace.tape):
        return ""
    selection = state.selection
    if selection is not None and selection.kind == "module":
        path = trace.graph.modules[selection.id].path
        return f"$module({path})" if path else ""
    if selection is not None and selection.kind == "node":
        return at_node(trace.graph, selection.id)
    event = event_of(trace, selection) if selection is not None else state.next_event or state.last_event
    return "" if event is None else at_event(trace.graph, event)


def lines_with_breakpoints(breakpoints: tuple[Breakpoint, ...], file: str) -> frozenset[int]:
    """The lines of a file that a breakpoint names."""
    return frozenset(line for one in breakpoints if one.enabled for line in lines_of(one.text, file))


def run_to_selected(session: Session, by: Literal[1, -1]) -> str:
    """On (or back) to just before the selected event, in this step or the next that has it; a sentence where there is none."""
    state = session.state
    if state.trace is None or state.recording is None or state.selection is None:
        return "Nothing is selected"
    event = event_of(state.trace, state.selection)
    position = moves.position_of(state.trace, event) if event is not None else None
    if position is None:
        return "What is selected has not run in this step"
    step = state.step
    if position <= state.position if by > 0 else position >= state.position:
        step += by
    if not 0 <= step < state.length:
        return f"What is selected does not run again {'after' if by > 0 else 'before'} this place"
    session.go_to(step, 0)
    there = session.state
    if there.trace is not None and there.selection is not None:
        event = event_of(there.trace, there.selection)
        position = moves.position_of(there.trace, event) if event is not None else None
        session.go_to(step, position if position is not None else 0)
    return ""


def text_ahead(state: State, by: Literal[1, -1]) -> str:
    """The filter of the place that a training which waits runs to; "" where the record holds it, or nothing waits."""
    if by < 0 or state.held is None or state.trace is None or state.selection is None or state.step + 1 < state.length:
        return ""
    event = event_of(state.trace, state.selection)
    position = moves.position_of(state.trace, event) if event is not None else None
    return "" if position is not None and position > state.position else text_here(state)


def to_last_writer(session: Session) -> str:
    """To just after the event that wrote the selected tensor last; a sentence where there is none."""
    state = session.state
    if state.trace is None or state.recording is None or state.selection is None:
        return "Nothing is selected"
    if state.selection.kind in ("edge", "node"):
        event = event_of(state.trace, state.selection)
        position = moves.position_of(state.trace, event) if event is not None else None
        return _land(session, state.step, position, None)
    value = _value_of(state.trace.graph, state.selection)
    if value == NONE:
        return "What is selected is no tensor"
    position = last_writer(state.trace, state.position, value)
    if position is not None or state.step == 0:
        return _land(session, state.step, position, state.trace)
    before = state.recording[state.step - 1]
    there = id_of(before.graph, "value", path_of(state.trace.graph, "value", _root(state.trace.graph, value)))
    return _land(session, state.step - 1, None if there == NONE else last_writer(before, END, there), before)


def in_words(state: State) -> str:
    """What the status bar says of the breakpoints: how many, and that a condition waits for the GPU."""
    enabled = [one for one in state.breakpoints if one.enabled]
    if not enabled:
        return ""
    device = getattr(getattr(state.recording, "info", None), "device", "")
    goes_on = state.recording is not None and is_growing(state.recording)
    waits = goes_on and "cuda" in device and any(asks_numbers(parse(one.text)) for one in enabled)
    count = f"{len(enabled)} breakpoint{'s' if len(enabled) > 1 else ''}"
    if rests(state):
        return f"{count}, the training is not held at {'them' if len(enabled) > 1 else 'it'}"
    return f"{count}: a condition waits for the GPU at the events that it covers" if waits else count


def rests(state: State) -> bool:
    """Whether a training goes on that the breakpoints would hold, were they not from an earlier start, or it detached."""
    goes_on = state.recording is not None and is_growing(state.recording)
    return state.resting and goes_on and any(one.enabled for one in state.breakpoints)


def tensor_of(state: State) -> TensorKey | None:
    """Which tensor is selected: of an op the first that it makes, of a Node the first gradient that it gives."""
    selection, trace = state.selection, state.trace
    if selection is None or trace is None:
        return None
    if selection.kind == "edge":
        return "gradient", selection.id
    if selection.kind == "node":
        edge = next((edge.id for edge in trace.graph.edges if edge.source == selection.id), None)
        return None if edge is None else ("gradient", edge)
    value = _value_of(trace.graph, selection)
    return None if value == NONE else ("value", value)


def _land(session: Session, step: int, position: int | None, trace: Trace | None) -> str:
    if position is None:
        return "Nothing that was recorded has written it before this place"
    session.go_to(step, position + 1)
    if trace is not None:
        event = trace.graph.events[int(trace.tape[position])]
        session.select(Selection("op", event.ref))
    return ""


def last_writer(trace: Trace, position: int, value: int) -> int | None:
    """Where on the tape, before a position, the tensor that a Value is a version of was written last; None where it was not."""
    graph, root = trace.graph, _root(trace.graph, value)
    writers = {v.op for v in graph.values if v.op != NONE and _root(graph, v.id) == root}
    events = graph.events
    there = [
        at
        for at, event in enumerate(trace.tape[:position].tolist())
        if events[event].kind in ("op", "update") and events[event].ref in writers
    ]
    return there[-1] if there else None


def _root(graph: Graph, value: int) -> int:
    while graph.values[value].base != NONE:
        value = graph.values[value].base
    return value


def _value_of(graph: Graph, selection: Selection) -> int:
    if selection.kind == "value":
        return selection.id
    if selection.kind == "op" and graph.ops[selection.id].outputs:
        return graph.ops[selection.id].outputs[0]
    return NONE


def event_of(trace: Trace, selection: Selection) -> Event | None:
    """The event in which a selected thing ran; of an edge the one that made its gradient, of a leaf its AccumulateGrad."""
    graph, kind, ref = trace.graph, selection.kind, selection.id
    if kind == "value":
        leaf = index(graph).node_of_leaf.get(ref)
        kind, ref = ("node", leaf) if leaf is not None else ("op", graph.values[ref].op)
    elif kind == "edge":
        kind, ref = "node", graph.edges[ref].source
    kinds = {"op": ("op", "update"), "node": ("node", "accumulate")}.get(kind, ())
    return next((event for event in graph.events if event.kind in kinds and event.ref == ref), None)
