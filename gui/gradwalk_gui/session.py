"""The one mutable thing of the app: what is open and where the playhead is. Every change goes through here; no Qt.

The cycle, in order: 1. a command calls a method of the Session; 2. the method asks for a new State through ``_become``;
3. ``_become`` resolves wishes and recording into one frozen State; 4. ``changed(old, new)`` tells the views, which draw the
difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from psygnal import Signal

from gradwalk.tape import event_at, module_of
from gradwalk.trace import Event, Graph, Trace, Verdict

from . import moves, showing
from .graph.holding import held_as
from .held import Held
from .kept_steps import checked_steps, kept_steps
from .state import END, Play, Selection, State, Steps, Thing, View, resolve
from .stopping import event_of
from .verdicts import remember

SPEEDS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Playing speeds; 1.0 is 300 ms per event, so that they run from 600 to 60 ms."""
UNDO_DEPTH = 100


class Session:
    """Owns the State. Methods are what a person can do; none of them raises for a playhead at an end, it just stays."""

    changed = Signal(State, State, reemission="queued")

    def __init__(self, state: State | None = None) -> None:
        self._state = state or State()
        self._undo: list[View] = []
        self._redo: list[View] = []

    @property
    def state(self) -> State:
        """The current State."""
        return self._state

    def open(self, recording: Steps, *, follow: bool = False, at: tuple[int, int] = (0, 0)) -> None:
        """Show a recording: before the first event of its first step (or at another step and position), or at its live end."""
        self._undo.clear()
        self._redo.clear()
        play = Play.FOLLOWING if follow else Play.PAUSED
        self._become(
            recording=recording,
            length=len(recording),
            kept=len(kept_steps(recording)),
            verdict_steps=len(checked_steps(recording)),
            step=at[0],
            position=at[1],
            selection=None,
            play=play,
            probes=(),
            breakpoints=(),
            resting=False,
            held=None,
            fetched=(),
        )
        self._become(can_undo=False, can_redo=False)

    def close(self) -> None:
        """Show nothing."""
        nothing: dict[str, Any] = {"recording": None, "selection": None, "held": None, "probes": (), "breakpoints": ()}
        self._become(resting=False, length=0, kept=0, verdict_steps=0, step=0, position=0, play=Play.PAUSED, **nothing)

    def extended(self) -> None:
        """The recording may have grown (call after every poll that found something)."""
        if self._state.recording is not None:
            recording = self._state.recording
            kept, checked = len(kept_steps(recording)), len(checked_steps(recording))
            self._become(length=len(recording), kept=kept, verdict_steps=checked)

    def go_to(self, step: int, position: int) -> None:
        """Put the playhead somewhere; what is out of range is pulled in."""
        self._become(step=step, position=position, play=Play.PAUSED)

    def next_event(self) -> None:
        """One event on; from the end of a step to the start of the next."""
        self._pause_then(*self._after(1))

    def previous_event(self) -> None:
        """One event back; from the start of a step to the end of the one before."""
        self._pause_then(*self._after(-1))

    def next_step(self, by: int = 1) -> None:
        """Another training step, at the same position."""
        self._pause_then(self._state.step + by, self._state.position)

    def next_phase(self, by: Literal[1, -1] = 1) -> None:
        """The start of the next (or previous) phase, across steps."""
        state = self._state
        if state.trace is None:
            return
        start = moves.phase_start(state.trace, state.position, by)
        if start is not None:
            self._pause_then(state.step, start)
        else:
            self._pause_then(*self._after(by))

    def into_module(self) -> None:
        """Before the next event that another module call runs; the end of the step where there is none."""
        self._jump(moves.into_module)

    def out_of_module(self) -> None:
        """Before the first event after the module call that the playhead stands in."""
        self._jump(moves.out_of_module)

    def jump_to_counterpart(self) -> None:
        """From an op to just after its gradient has run, and back: of what is selected, else of the event that ran last."""
        state = self._state
        event = _subject(state)
        position = moves.counterpart(state.trace, event) if state.trace is not None and event is not None else None
        if state.trace is None or position is None:
            return
        landed = event_at(state.trace, position)
        kind: Thing = "op" if landed.kind in ("op", "update") else "node"
        selection = Selection(kind, landed.ref) if state.selection is not None else None
        self._become(position=position + 1, selection=selection, play=Play.PAUSED)

    def first_event(self) -> None:
        """Before the first event of the step."""
        self._pause_then(self._state.step, 0)

    def last_event(self) -> None:
        """After the last event of the step."""
        self._pause_then(self._state.step, self._state.events)

    def first_step(self) -> None:
        """Before the first event of the first step."""
        self._pause_then(0, 0)

    def follow(self) -> None:
        """Stay at the newest step."""
        self._become(play=Play.FOLLOWING)

    def hold(self, held: Held | None, *, shown: bool = False) -> None:
        """The training waits, or (None) goes on; ``shown``: its step so far is the last of the recording."""
        if not shown or held is None:
            self._become(held=held, fetched=())
        elif self._state.recording is not None:
            length = len(self._state.recording)
            self._become(held=held, fetched=(), length=length, step=length - 1, position=END, play=Play.PAUSED)

    def loop_between(self, start: int, end: int) -> None:
        """Loop between two positions of the step; over the whole step where they are the same."""
        low, high = sorted((start, end))
        self._become(loop_range=(low, high) if low < high else None, loop=low < high or self._state.loop)

    def loop_to_selected(self) -> None:
        """Loop between the event of the selection and the playhead."""
        state = self._state
        event = event_of(state.trace, state.selection) if state.trace is not None and state.selection is not None else None
        position = moves.position_of(state.trace, event) if state.trace is not None and event is not None else None
        if position is not None:
            self.loop_between(position, state.position)

    def end_following(self) -> None:
        """Nothing more will come: stay where the playhead is."""
        if self._state.play is Play.FOLLOWING:
            self._become(play=Play.PAUSED)

    def play_pause(self) -> None:
        """Play, or stop where the playhead is. At the very end it plays the last step once more."""
        state = self._state
        if state.play is not Play.PAUSED or state.trace is None:
            self._become(play=Play.PAUSED)
            return
        at_end = state.position >= state.events and state.step + 1 >= state.length
        self._become(play=Play.PLAYING, position=0 if at_end else state.position)

    def tick(self) -> None:
        """``State.beat`` events on; at the end of the recording again from the step's start (loop), or pause."""
        state = self._state
        if state.play is not Play.PLAYING:
            return
        start, end = state.loop_range or (0, state.events)
        if state.loop and state.position >= end:
            self._become(position=start)
            return
        on = min(state.beat, (end if state.loop and state.position < end else state.events) - state.position)
        step, position = (state.step, state.position + on) if on > 1 else self._after(1)
        ended = (step, position) == (state.step, state.position)
        self._become(step=step, position=position, play=Play.PAUSED if ended else Play.PLAYING)

    def faster(self, by: Literal[1, -1] = 1) -> None:
        """The next (or previous) speed."""
        place = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - self._state.speed)) + by
        self._become(speed=SPEEDS[max(0, min(place, len(SPEEDS) - 1))])

    def select(self, selection: Selection | None) -> None:
        """Select one thing, or nothing."""
        self._become(selection=selection, picked=())

    def pick(self, selections: Iterable[Selection]) -> None:
        """Select several things together."""
        picked = tuple(dict.fromkeys(selections))
        self._become(selection=picked[0] if picked else None, picked=picked if len(picked) > 1 else ())

    def toggle_highlight(self, way: Literal["up", "down"]) -> None:
        """Dim all but what the selection depends on (or what depends on it), or nothing any more."""
        self._become(highlight="" if self._state.highlight == way else way)

    def set(self, **changes: Any) -> None:
        """Change settings: speed, loop, theme, reduced_motion, log_loss, minimap; the filter of the events; the probes."""
        self._become(**changes)

    def know(self, recording: Steps, step: int, trace: Trace, verdicts: Mapping[int, Verdict]) -> None:
        """Take verdicts on ops of a step (an index into ``recording``, as it was then); none where another is open by now."""
        if recording is self._state.recording and verdicts:
            self._become(checked=remember(self._state.checked, step, trace, verdicts))

    def set_view(self, **changes: Any) -> None:
        """Change how the graph is shown; can be undone."""
        self.show(replace(self._state.view, **changes))

    def show(self, view: View) -> None:
        """Show the graph in another View; can be undone."""
        if self._state.trace is not None:
            view = showing.settled(view, self._state.trace.graph)
        if view != self._state.view:
            self._undo = [*self._undo, self._state.view][-UNDO_DEPTH:]
            self._redo.clear()
            self._become(view=view, can_undo=True, can_redo=False)

    def fold(self, path: str) -> None:
        """Fold the module call at ``path``, or unfold it; of a stack's card show the calls one by one."""
        self._reshow(showing.fold, path)

    def fold_selected(self, fold: bool) -> None:
        """Fold (or unfold) the module call that is selected, or that holds what is selected, or the event at the playhead."""
        path = module_path(self._state)
        if path:
            self._reshow(showing.fold_at if fold else showing.unfold_at, path)

    def fold_all(self) -> None:
        """Draw every module as one card."""
        self.unfold_to(0)

    def unfold_all(self) -> None:
        """Draw every op."""
        self.set_view(folded=frozenset(), auto_fold=False)

    def unfold_to(self, depth: int) -> None:
        """Leave ``depth`` levels of modules open, counted from what is looked into."""
        self._reshow(showing.to_depth, depth)

    def fold_as_at_first(self) -> None:
        """Fold again so that at most about 80 cards show."""
        self.set_view(auto_fold=True, opened=frozenset())

    def dive(self, path: str) -> None:
        """Look into the module at ``path`` alone; "" for the whole graph."""
        self._reshow(showing.dive, path)

    def dive_selected(self) -> None:
        """Look into the module that is selected, or that holds what is selected."""
        path = module_path(self._state)
        if path:
            self.dive(path)

    def go_up(self) -> None:
        """Look into the module around the one that is looked into."""
        if self._state.trace is not None:
            self.dive(showing.above(self._state.trace.graph, self._state.view.root))

    def hide_picked(self) -> None:
        """Do not draw what is selected, or the card that holds it; a lane is between two cards and stays."""
        things = [one for one in self._picked if one.kind != "edge"]
        hidden = self._state.view.hidden | self._held_as(things)
        self.set_view(hidden=hidden, isolated=self._state.view.isolated - hidden)

    def isolate_picked(self) -> None:
        """Draw nothing but what is selected, or the card that holds it."""
        isolated = self._held_as(self._picked)
        if isolated:
            self.set_view(isolated=isolated, hidden=self._state.view.hidden - isolated)

    def show_all(self) -> None:
        """Draw again what was hidden, and the whole graph."""
        self.set_view(hidden=frozenset(), isolated=frozenset(), root="")

    @property
    def _picked(self) -> frozenset[Selection]:
        state = self._state
        return frozenset(state.picked or ((state.selection,) if state.selection is not None else ()))

    def _held_as(self, things: Iterable[Selection]) -> frozenset[Selection]:
        trace = self._state.trace
        return held_as(trace.graph, self._state.view, things) if trace is not None else frozenset()

    def _reshow(self, change: Callable[[Graph, View, Any], View], what: Any) -> None:
        if self._state.trace is not None:
            self.show(change(self._state.trace.graph, self._state.view, what))

    def undo(self) -> None:
        """Take back the last change of the view."""
        if self._undo:
            self._redo.append(self._state.view)
            self._become(view=self._undo.pop(), can_undo=bool(self._undo), can_redo=True)

    def redo(self) -> None:
        """Do the last undone change of the view again."""
        if self._redo:
            self._undo.append(self._state.view)
            self._become(view=self._redo.pop(), can_undo=True, can_redo=bool(self._redo))

    def go_to_selected(self) -> None:
        """Put the playhead after the event of what is selected: of a module after its first."""
        state = self._state
        if state.trace is None or state.selection is None:
            return
        position = moves.first_inside(state.trace, module_path(state)) if state.selection.kind == "module" else None
        event = event_of(state.trace, state.selection)
        if event is not None:
            position = moves.position_of(state.trace, event)
        if position is not None:
            self.go_to(state.step, position + 1)

    def take_back(self, view: View) -> None:
        """Go back to an earlier View in one change, as undoing again and again would; redo brings back what was undone."""
        if view in self._undo:
            place = len(self._undo) - 1 - self._undo[::-1].index(view)
            self._redo += [self._state.view, *self._undo[:place:-1]]
            self._undo = self._undo[:place]
        self._become(view=view, can_undo=bool(self._undo), can_redo=bool(self._redo))

    def _jump(self, where: Callable[[Trace, int], int | None]) -> None:
        state = self._state
        if state.trace is not None:
            position = where(state.trace, state.position)
            self._pause_then(state.step, END if position is None else position)

    def _after(self, by: Literal[1, -1]) -> tuple[int, int]:
        state = self._state
        position = state.position + by
        if position > state.events and state.step + 1 < state.length:
            return state.step + 1, 0
        if position < 0 and state.step > 0:
            return state.step - 1, END
        return state.step, max(0, min(position, state.events))

    def _pause_then(self, step: int, position: int) -> None:
        self._become(step=step, position=position, play=Play.PAUSED)

    def _become(self, **changes: Any) -> None:
        old = self._state
        new = resolve(replace(old, **changes), old)
        if new != old:
            self._state = new
            self.changed.emit(old, new)


def _subject(state: State) -> Event | None:
    """The event that "this" means: of the selected thing, else the one that ran last, else the one that runs next."""
    if state.trace is None:
        return None
    if state.selection is not None:
        return event_of(state.trace, state.selection)
    return state.last_event or state.next_event


def module_path(state: State) -> str:
    """The path of the module call that is selected or holds what is selected (else the event at the playhead), or ""."""
    if state.trace is None:
        return ""
    if state.selection is not None and state.selection.kind == "module":
        return state.trace.graph.modules[state.selection.id].path
    event = _subject(state)
    return "" if event is None else module_of(state.trace.graph, event)
