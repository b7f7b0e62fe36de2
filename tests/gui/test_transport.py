"""The tool bar shows the State, and its buttons are the commands."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt

from gradwalk.sample import SampleRecording, sample_trace
from gradwalk.tape import phases
from gradwalk.trace import StepError
from gradwalk_gui.commands import MEASURES
from gradwalk_gui.session import SPEEDS
from gradwalk_gui.state import State
from gradwalk_gui.transport import TRANSPORT, phase_text, step_text


def test_the_buttons_move_the_playhead(opened, qtbot):
    bar, session = opened._window.desk.transport, opened.session
    assert tuple(bar._buttons)[:7] == TRANSPORT

    def click(name):
        qtbot.mouseClick(bar._buttons[name], Qt.MouseButton.LeftButton)

    click("next-event")
    assert session.state.position == 1
    click("next-phase")
    assert session.state.next_event.phase == "loss"
    click("last-event")
    assert session.state.position == session.state.events
    click("previous-event")
    click("previous-phase")
    assert session.state.next_event.phase == "update"
    click("first-event")
    assert session.state.position == 0
    click("faster")
    assert bar._speed.currentText() == "1.5x"
    click("play")
    assert bar._buttons["play"].accessibleName() == "Pause"


def test_speed_and_measure_are_chosen_from_lists(opened):
    bar = opened._window.desk.transport
    bar._speed.activated.emit(0)
    assert opened.session.state.speed == SPEEDS[0]
    bar._measure.activated.emit(2)
    assert opened.session.state.view.measure == MEASURES[2][0]
    opened.session.undo()
    assert bar._measure.currentData() == MEASURES[0][0]


def test_phase_and_step_are_told(opened):
    bar = opened._window.desk.transport
    _, start, end = next(run for run in phases(opened.session.state.trace) if run[0] == "backward")
    opened.session.go_to(1, start + 2)
    assert bar._phase.what.text() == "BACKWARD"
    assert bar._phase.where.text().startswith(f"2/{end - start}")
    assert bar._step.where.text() == "1 / 2"


def test_phase_text_at_the_ends():
    trace = sample_trace(0)
    events = len(trace.tape)
    state = State(trace=trace, length=1)
    assert phase_text(state) == ("forward", "0/6  mm")
    assert phase_text(replace(state, position=events)) == ("update", "6/6  done")
    assert phase_text(State()) == ("", "")
    assert step_text(State()) == "-"
    assert phase_text(replace(state, trace=replace(trace, tape=trace.tape[:0])))[0] == "empty"
    labelled = replace(state, recording=SampleRecording(1), trace=replace(trace, label="forward only"))
    assert step_text(labelled) == "0 / 0  forward only"


def test_buttons_are_reached_with_tab_and_named(opened):
    for name in TRANSPORT:
        button = opened._window.desk.transport._buttons[name]
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
        assert button.accessibleName()
        assert button.toolTip()


def test_a_step_that_raised_says_so():
    trace = replace(sample_trace(0), error=StepError("ValueError", "no good"))
    assert phase_text(State(trace=trace, length=1, position=len(trace.tape)))[1].endswith("raised")
