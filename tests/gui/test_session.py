"""The session: every change through one door, resolved into one frozen State."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from gradwalk import sample
from gradwalk.sample import SampleRecording
from gradwalk.tape import event_at, phases
from gradwalk_gui.session import SPEEDS, UNDO_DEPTH, Session
from gradwalk_gui.state import Play, Selection, State, resolve

sample_trace = lru_cache(maxsize=8)(sample.sample_trace)
RECORDING = SampleRecording(3)


class Growing:
    """A recording in memory to which steps are added."""

    def __init__(self, steps: int = 0) -> None:
        self.traces = [sample_trace(step) for step in range(steps)]

    def __len__(self) -> int:
        return len(self.traces)

    def __getitem__(self, index: int):
        return self.traces[index]

    def losses(self):
        return np.array([trace.loss for trace in self.traces])

    def source(self, file: str) -> None:
        return None


@pytest.fixture
def session() -> Session:
    made = Session()
    made.open(RECORDING)
    return made


def at(session: Session) -> tuple[int, int]:
    return session.state.step, session.state.position


def test_stepping_on_visits_every_event_in_order_and_back_ends_in_the_same_state(session):
    first = session.state
    visited = []
    while session.state.step == 0:
        if session.state.next_event is not None:
            visited.append(session.state.next_event.id)
        session.next_event()
    assert visited == list(first.trace.tape)
    assert at(session) == (1, 0)
    back = []
    while at(session) != (0, 0):
        session.previous_event()
        if session.state.next_event is not None:
            back.append(session.state.next_event.id)
    assert back == visited[::-1]
    assert session.state == first


def test_the_playhead_stays_at_both_ends(session):
    session.previous_event()
    assert at(session) == (0, 0)
    session.go_to(99, 10**6)
    end = at(session)
    assert end == (2, session.state.events)
    session.next_event()
    assert at(session) == end


def test_a_change_is_told_once_with_old_and_new(session):
    told = []
    session.changed.connect(lambda old, new: told.append((old, new)))
    before = session.state
    session.next_event()
    session.go_to(0, 1)
    assert told == [(before, session.state)]


def test_a_listener_may_change_the_session_and_everybody_hears_in_order(session):
    heard = []
    session.changed.connect(lambda old, new: session.next_event() if new.position < 3 else None)
    session.changed.connect(lambda old, new: heard.append((old.position, new.position)))
    session.next_event()
    assert heard == [(0, 1), (1, 2), (2, 3)]


def test_phases_forth_and_back_across_steps(session):
    starts = [start for _, start, _ in phases(session.state.trace)]
    seen = []
    for _ in starts:
        seen.append(session.state.position)
        session.next_phase()
    assert seen == starts
    assert at(session) == (0, session.state.events)
    session.next_phase()
    assert at(session) == (1, 0)
    session.next_phase(-1)
    assert at(session) == (0, session.state.events)
    session.next_phase(-1)
    assert session.state.position == starts[-1]


def test_steps_by_ten_are_pulled_in(session):
    session.go_to(0, 5)
    session.next_step(10)
    assert at(session) == (2, 5)
    session.next_step(-10)
    assert at(session) == (0, 5)


def test_playing_goes_on_to_the_end_and_pauses_there(session):
    session.play_pause()
    beats = 0
    while session.state.play is Play.PLAYING:
        session.tick()
        beats += 1
    assert at(session) == (2, session.state.events)
    assert beats == 3 * (session.state.events + 1)
    session.play_pause()
    assert session.state.play is Play.PLAYING
    assert at(session) == (2, 0)


def test_the_loop_repeats_the_step(session):
    session.set(loop=True)
    session.last_event()
    session.play_pause()
    session.tick()
    assert at(session) == (0, 0)
    assert session.state.play is Play.PLAYING


def test_a_beat_while_paused_does_nothing(session):
    session.tick()
    assert at(session) == (0, 0)


@pytest.mark.parametrize("move", ["next_event", "previous_event", "next_step", "next_phase", "first_event", "last_event"])
def test_moving_by_hand_pauses(session, move):
    session.go_to(1, 4)
    session.play_pause()
    getattr(session, move)()
    assert session.state.play is Play.PAUSED


def test_following_stays_at_the_newest_step_and_space_stops_it():
    recording, session = Growing(1), Session()
    session.open(recording, follow=True)
    assert at(session) == (0, session.state.events)
    recording.traces += [sample_trace(1), sample_trace(2)]
    session.extended()
    assert at(session) == (2, session.state.events)
    session.play_pause()
    recording.traces.append(sample_trace(3))
    session.extended()
    assert (session.state.step, session.state.length) == (2, 4)


def test_an_empty_recording_waits_and_then_stands_before_the_first_event():
    recording, session = Growing(0), Session()
    session.open(recording)
    assert session.state.trace is None
    recording.traces.append(sample_trace(0))
    session.extended()
    assert session.state.trace is recording.traces[0]
    assert at(session) == (0, 0)


def test_a_step_that_was_not_done_is_looked_at_again():
    recording, session = Growing(1), Session()
    recording.traces[0] = replace(recording.traces[0], tape=recording.traces[0].tape[:5], done=False)
    session.open(recording)
    assert session.state.events == 5
    recording.traces[0] = sample_trace(0)
    session.extended()
    assert session.state.events == len(sample_trace(0).tape)


def test_speeds_go_from_600_to_60_ms(session):
    for _ in SPEEDS:
        session.faster()
    assert 300 / session.state.speed == 60
    for _ in SPEEDS:
        session.faster(-1)
    assert 300 / session.state.speed == 600


def test_view_changes_can_be_undone_and_done_again(session):
    session.set_view(mode="tensors")
    session.set_view(halves="backward")
    session.undo()
    assert (session.state.view.mode, session.state.view.halves) == ("tensors", "both")
    session.undo()
    assert session.state.view.mode == "ops"
    session.undo()
    session.redo()
    session.redo()
    session.redo()
    assert session.state.view.halves == "backward"
    session.undo()
    session.set_view(flow="down")
    session.redo()
    assert session.state.view.halves == "both"


def test_undo_forgets_what_is_long_ago(session):
    for number in range(UNDO_DEPTH + 10):
        session.fold(f"m{number}")
    for _ in range(UNDO_DEPTH + 10):
        session.undo()
    assert len(session.state.view.folded) == 10


def test_a_selection_that_another_step_does_not_have_is_dropped(session):
    state = session.state
    kept = resolve(replace(state, selection=Selection("op", 0)), state)
    gone = resolve(replace(state, selection=Selection("op", 10_000)), state)
    assert kept.selection == Selection("op", 0)
    assert gone.selection is None


def test_from_an_op_to_its_gradient_and_back(session):
    trace = session.state.trace
    for op in [op for op in trace.graph.ops if op.phase == "forward"]:
        session.go_to(0, op.id + 1)
        session.jump_to_counterpart()
        landed = session.state.last_event
        assert landed.kind == "node"
        assert trace.graph.nodes[landed.ref].op == op.id
        session.jump_to_counterpart()
        assert session.state.last_event.kind == "op"
        assert session.state.last_event.ref == op.id


def test_the_jump_moves_the_selection_along(session):
    session.select(Selection("op", 0))
    session.jump_to_counterpart()
    assert session.state.selection.kind == "node"
    assert session.state.trace.graph.nodes[session.state.selection.id].op == 0
    session.jump_to_counterpart()
    assert session.state.selection == Selection("op", 0)


def test_from_a_leaf_to_where_it_was_read_and_nothing_for_an_update(session):
    graph = session.state.trace.graph
    w2 = next(value.id for value in graph.values if value.name == "w2" and value.version == 0)
    session.select(Selection("value", w2))
    session.jump_to_counterpart()
    assert w2 in graph.ops[session.state.last_event.ref].inputs
    session.select(None)
    session.last_event()
    before = session.state
    session.jump_to_counterpart()
    assert session.state is before


def test_out_of_a_module_where_there_are_none_is_the_end(session):
    session.out_of_module()
    assert session.state.position == session.state.events
    session.go_to(0, 0)
    session.into_module()
    assert session.state.position == session.state.events


def test_nothing_happens_without_a_recording():
    session = Session()
    moves = ("next_event", "previous_event", "next_step", "next_phase", "into_module", "out_of_module", "jump_to_counterpart")
    for move in (*moves, "first_event", "last_event", "first_step", "play_pause", "tick", "extended", "follow", "undo", "redo"):
        getattr(session, move)()
    session.fold_selected(True)
    assert session.state.trace is None
    assert session.state.next_event is None
    assert session.state.last_event is None


def test_closing_shows_nothing(session):
    session.select(Selection("op", 1))
    session.close()
    assert session.state == State()


def test_events_next_to_the_playhead(session):
    session.go_to(0, 4)
    assert session.state.last_event == event_at(session.state.trace, 3)
    assert session.state.next_event == event_at(session.state.trace, 4)


def test_at_the_end_of_the_recording_following_ends_where_it_is():
    session = Session()
    session.open(Growing(2), follow=True)
    end = at(session)
    session.end_following()
    assert session.state.play is Play.PAUSED
    assert at(session) == end
    session.play_pause()
    session.end_following()
    assert session.state.play is Play.PLAYING
