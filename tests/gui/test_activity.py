"""The activity corner of the status bar: what is shown of long jobs, and that Cancel acts."""

from __future__ import annotations

import threading

import pytest

from gradwalk.sample import SampleRecording
from gradwalk_gui.activity import Activity
from gradwalk_gui.graph import maker
from gradwalk_gui.graph.scenes import Scenes
from gradwalk_gui.session import Session
from gradwalk_gui.state import View


@pytest.fixture
def activity(qtbot):
    activity = Activity()
    qtbot.addWidget(activity)
    return activity


def test_what_is_short_is_not_shown(activity, qtbot):
    activity.begin("layout", "Laying out 8 ops", lambda: None)
    activity.end("layout")
    qtbot.wait(160)
    assert activity.text == ""


def test_of_several_jobs_the_last_is_shown_and_cancelled(activity, qtbot):
    ended = []
    for name in ("export", "layout"):
        activity.begin(name, f"the {name}", lambda name=name: (ended.append(name), activity.end(name)))
    qtbot.waitUntil(lambda: activity.text == "the layout")
    assert activity.cancel.accessibleName() == "Cancel: the layout"
    for after in ("the export", ""):
        activity.cancel.click()
        assert activity.text == after
    assert ended == ["layout", "export"]


@pytest.fixture
def slow(monkeypatch):
    """Every layout goes to the worker, and waits there until it is let through."""
    gate = threading.Event()
    gate.set()
    build = Scenes.build

    def wait_and_build(self, graph, view, cancelled=lambda: False):
        assert gate.wait(10)
        return build(self, graph, view, cancelled)

    monkeypatch.setattr(maker, "AT_ONCE", 0)
    monkeypatch.setattr(Scenes, "build", wait_and_build)
    yield gate
    gate.set()


def settled(shell):
    return lambda: shell._window.graph.scene is not None and not shell._window.graph.busy


def test_a_long_layout_stands_in_the_corner_until_it_is_cancelled_or_done(slow, opened, qtbot):
    window, session = opened._window, opened.session
    qtbot.waitUntil(settled(opened))
    assert window.status.activity.text == ""
    shown, slow_before = session.state.view, window.graph.scene
    slow.clear()
    session.set_view(flow="down")
    ops = len(slow_before.graph.ops)
    qtbot.waitUntil(lambda: window.status.activity.text == f"Laying out {ops} ops")
    window.status.activity.cancel.click()
    assert (window.status.activity.text, session.state.view, window.graph.scene) == ("", shown, slow_before)
    session.set_view(flow="down")
    qtbot.waitUntil(lambda: window.status.activity.text != "")
    slow.set()
    qtbot.waitUntil(lambda: window.status.activity.text == "")
    assert window.graph.scene.picture.flow == "down"


def test_views_made_anew_and_a_closed_window_leave_no_job_behind(slow, opened, qtbot):
    window, session = opened._window, opened.session
    qtbot.waitUntil(settled(opened))
    slow.clear()
    session.set_view(flow="down")
    qtbot.waitUntil(lambda: window.status.activity.text != "")
    slow.set()
    window.make_views_anew()
    qtbot.waitUntil(settled(opened))
    assert window.status.activity.text == ""
    slow.clear()
    session.set_view(halves="forward")
    opened.close_recording()
    assert (window.graph.busy, window.status.activity.text) == (False, "")


def test_graphviz_is_asked_and_the_status_bar_says_why_it_did_not_answer(opened, qtbot, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("gradwalk.layout.graphviz.find_dot", lambda: "")
    window, session = opened._window, opened.session
    session.set_view(engine="graphviz")
    qtbot.waitUntil(settled(opened))
    assert "Graphviz is not installed" in window.status.text
    session.set_view(engine="ours")
    assert "Graphviz" not in window.status.text


def test_graphviz_lays_out_where_it_is_installed(opened, qtbot, monkeypatch, tmp_path):
    from gradwalk.layout.graphviz import find_dot

    if not find_dot():
        pytest.skip("no dot program")
    window, session = opened._window, opened.session
    before = window.graph.scene
    session.set_view(engine="graphviz")
    qtbot.waitUntil(lambda: window.graph.scene is not before and not window.graph.busy)
    assert "Graphviz" not in window.status.text
    assert len(window.graph.scene.cards) == len(before.cards)


@pytest.mark.parametrize(
    ("back", "undo", "redo"), [(0, [], [3, 2, 1]), (1, [0], [3, 2]), (2, [0, 1], [3]), (None, [0, 1, 2], [])]
)
def test_taking_back_is_undoing_in_one_change(back, undo, redo):
    session = Session()
    session.open(SampleRecording(1))
    views = [session.state.view]
    for flow, halves in (("down", "both"), ("down", "forward"), ("right", "forward")):
        session.set_view(flow=flow, halves=halves)
        views.append(session.state.view)
    other = View(mode="tensors", auto_fold=False)
    changes = []
    session.changed.connect(lambda old, new: changes.append(new.view))
    session.take_back(other if back is None else views[back])
    assert changes == [session.state.view] == [other if back is None else views[back]]
    assert [views.index(view) for view in session._undo] == undo
    assert [views.index(view) for view in session._redo] == redo
