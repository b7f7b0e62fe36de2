"""Scenes are made by a worker: the old picture stays, Cancel acts at once, only the latest wish is shown, and ends are clean."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from nets import Transformer, recorded
from PySide6.QtCore import QCoreApplication, QEvent, Qt, QTimer

from gradwalk.builder import GraphBuilder
from gradwalk.trace import Trace, empty_table
from gradwalk_gui.graph import maker, styles
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.graph.scenes import default_lay_out
from gradwalk_gui.graph.surface import measure_for_scene
from gradwalk_gui.session import Session
from gradwalk_gui.theme import LIGHT


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    torch.manual_seed(0)
    with recorded(tmp_path_factory.mktemp("net") / "run", Transformer(3), steps=4) as recording:
        yield recording


class Gate:
    """A layout engine that waits until it is let through."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.calls = 0
        self.fault: Exception | None = None

    def __call__(self, request):
        self.calls += 1
        assert self.open.wait(10)
        if self.fault is not None:
            raise self.fault
        return default_lay_out()(request)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def canvas(transformer, gate, qtbot, monkeypatch):
    """A canvas that makes every scene in the worker, with its first picture there."""
    monkeypatch.setattr(maker, "AT_ONCE", 0)
    monkeypatch.setattr(maker, "PATIENCE", 0.001)
    session = Session()
    session.open(transformer)
    canvas = GraphCanvas(session, LIGHT, lay_out=gate)
    qtbot.addWidget(canvas)
    canvas.resize(1300, 640)
    canvas.show()
    qtbot.waitExposed(canvas)
    qtbot.waitUntil(lambda: canvas.scene is not None and not canvas.busy)
    return canvas


def test_the_old_picture_stays_until_the_new_one_is_there(canvas, gate, qtbot):
    before, said = canvas.scene, []
    canvas.works.connect(said.append)
    gate.open.clear()
    canvas.session.unfold_all()
    ops = len(before.graph.ops)
    assert (canvas.busy, canvas.scene is before, said) == (True, True, [f"Laying out {ops} ops"])
    canvas.session.go_to(1, 5)
    assert (canvas.scene is before, canvas.look.position) == (True, 5)
    assert canvas.look.facts.trace is canvas.session.state.trace
    gate.open.set()
    qtbot.waitUntil(lambda: not canvas.busy)
    assert canvas.scene is not before
    assert (canvas.shown_view, canvas.look.position, said[1:]) == (canvas.session.state.view, 5, [""])
    assert canvas.look.facts.trace is canvas.session.state.trace


@pytest.mark.parametrize("how", ["button", "escape"])
def test_cancel_brings_back_the_view_that_is_shown(canvas, gate, qtbot, how):
    shown, picture = canvas.session.state.view, canvas.scene
    canvas.session.set_view(flow="down")
    qtbot.waitUntil(lambda: not canvas.busy)
    canvas.session.undo()
    assert canvas.scene is picture
    gate.open.clear()
    canvas.session.set_view(skip_views=False)
    canvas.session.unfold_all()
    assert canvas.busy
    if how == "button":
        canvas.cancel_layout()
    else:
        qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    assert not gate.open.is_set(), "it did not wait for the layout, which waits for the gate"
    assert (canvas.busy, canvas.session.state.view, canvas.scene is picture) == (False, shown, True)
    canvas.session.undo()
    assert canvas.session.state.view == shown
    gate.open.set()
    canvas.session.redo()
    assert canvas.session.state.view.skip_views is False
    canvas.session.redo()
    qtbot.waitUntil(lambda: not canvas.busy)
    assert canvas.session.state.view.folded == frozenset()
    assert canvas.shown_view == canvas.session.state.view


def test_only_the_latest_wish_is_shown(canvas, gate, qtbot):
    taken, built = [], canvas._scenes.built
    canvas._maker.came.connect(lambda made, facts: taken.append(made.scene))
    gate.open.clear()
    for depth in (3, 1, 2):
        canvas.session.unfold_to(depth)
    gate.open.set()
    qtbot.waitUntil(lambda: not canvas.busy)
    assert taken == [canvas.scene]
    assert canvas._scenes.built == built + 1
    assert canvas.shown_view == canvas.session.state.view


def test_a_scene_that_is_known_is_shown_at_once_and_what_was_being_made_is_forgotten(canvas, gate, qtbot):
    first = canvas.scene
    gate.open.clear()
    canvas.session.unfold_all()
    canvas.session.undo()
    assert (canvas.busy, canvas.scene is first) == (False, True)
    gate.open.set()
    qtbot.wait(50)
    assert canvas.scene is first


def test_an_equal_step_is_not_laid_out_again(canvas, gate):
    calls, built = gate.calls, canvas._scenes.built  # the last step has no zero_grad: its structure is another
    for step in (1, 2, 0):
        canvas.session.go_to(step, 3)
        canvas.session.set_view(measure=("max", "norm", "rms")[step])
        assert canvas.look.facts.trace is canvas.session.state.trace
    assert (gate.calls, canvas._scenes.built, canvas.busy) == (calls, built, False)


def test_a_first_picture_has_a_note_and_cancel_folds_all(transformer, gate, qtbot, monkeypatch):
    monkeypatch.setattr(maker, "AT_ONCE", 0)
    monkeypatch.setattr(maker, "PATIENCE", 0.001)
    gate.open.clear()
    session = Session()
    session.open(transformer)
    canvas = GraphCanvas(session, LIGHT, lay_out=gate)
    qtbot.addWidget(canvas)
    canvas.show()
    assert (canvas.scene, canvas.busy, canvas._why_nothing()[:10]) == (None, True, "Laying out")
    session.next_event()
    canvas.cancel_layout()
    assert canvas.busy
    canvas.cancel_layout()
    assert (canvas.scene, canvas.busy) == (None, False)
    assert "cancelled" in canvas._why_nothing()
    session.next_event()
    assert not canvas.busy
    gate.open.set()
    session.set_view(flow="down")
    qtbot.waitUntil(lambda: canvas.scene is not None)
    assert canvas.shown_view == session.state.view


def test_a_fault_of_the_worker_is_told_once_and_the_next_wish_is_heard(canvas, gate, qtbot):
    before, gate.fault = canvas.scene, ValueError("planted")
    with qtbot.captureExceptions() as faults:
        canvas.session.set_view(flow="down")
        qtbot.waitUntil(lambda: not canvas.busy)
        canvas.session.next_event()
        qtbot.wait(30)
    assert [str(fault[1]) for fault in faults] == ["planted"]
    assert canvas.scene is before
    gate.fault = None
    canvas.session.set_view(flow="right", halves="forward")
    qtbot.waitUntil(lambda: canvas.scene is not before)


@pytest.mark.parametrize("end", ["recording closed", "window closed", "deleted"])
def test_an_end_while_the_worker_runs_is_clean(transformer, qtbot, monkeypatch, end):
    monkeypatch.setattr(maker, "AT_ONCE", 0)
    monkeypatch.setattr(maker, "PATIENCE", 0.001)
    gate, session = Gate(), Session()
    session.open(transformer)
    canvas = GraphCanvas(session, LIGHT, lay_out=gate)
    canvas.show()
    gate.open.clear()
    session.unfold_all()
    assert canvas.busy
    job = canvas._maker._job
    if end == "recording closed":
        session.close()
        assert (canvas.busy, canvas.scene) == (False, None)
    canvas.close()
    canvas.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    assert job.cancelled.is_set()
    gate.open.set()
    with pytest.raises(Exception, match=r"^$"):
        job.future.result(5)


def test_the_worker_measures_as_the_window_does(qapp):
    texts = [f"text {i} × ∇ שלום 漢字" for i in range(40)]
    with ThreadPoolExecutor(1) as pool:
        there = list(pool.map(lambda text: measure_for_scene(text, styles.TITLE), texts))
    measure_for_scene.__globals__["_width"].cache_clear()
    assert there == [measure_for_scene(text, styles.TITLE) for text in texts]
    assert len(set(there)) > 1


def big(ops: int = 3000) -> Trace:
    """A forward of many ops in modules of ten, each of which also reads what was made thirty ops ago."""
    build = GraphBuilder()
    values = [build.add_value((4, 4), "float32", name="x")]
    for i in range(ops):
        if i % 10 == 0:
            module = build.add_module(f"m{i}", f"m{i}", "Block" + "ab"[i % 3 == 0])
        out = build.add_value((4, 4), "float32")
        op = build.add_op("add", (values[-1], values[max(0, i - 30)]), (out,), module=module)
        build.add_event("op", "forward", op)
        values.append(out)
    graph = build.freeze()
    tables = empty_table(len(graph.values)), empty_table(len(graph.edges))
    return Trace(0, graph, np.arange(len(graph.events), dtype=np.int32), *tables)


class OneStep(list):
    def losses(self):
        return np.full(len(self), np.nan)

    def source(self, file):
        return None


def test_a_big_layout_leaves_the_window_alive_and_is_given_up_at_once(qtbot):
    session = Session()
    session.open(OneStep([big()]))
    session.fold_all()
    canvas = GraphCanvas(session, LIGHT)
    qtbot.addWidget(canvas)
    canvas.show()
    qtbot.waitUntil(lambda: canvas.scene is not None and not canvas.busy)
    session.unfold_all()
    job = canvas._maker._job
    beats, timer = [], QTimer(interval=5)
    timer.timeout.connect(lambda: beats.append(canvas.busy))
    timer.start()
    qtbot.waitUntil(lambda: len(beats) >= 20)
    timer.stop()
    assert all(beats), "the window's timers ran while it was laid out"
    canvas.cancel_layout()
    assert not canvas.busy
    with pytest.raises(Exception, match=r"^$"):
        job.future.result(2)
    assert session.state.view.folded
