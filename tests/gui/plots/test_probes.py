"""Probes in the real window: pinned by keys, menus and drops, read by turns, live, across structures and starts."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu

from gradwalk.tape import rms_of
from gradwalk_gui import pinning, settings
from gradwalk_gui.dragging import mime_of, selection_in
from gradwalk_gui.plots import gather
from gradwalk_gui.state import Selection

NAN = 13


def leaf(trace, name):
    return next(value.id for value in trace.graph.values if value.name == name and value.role == "leaf")


def node_of(trace, name):
    value = leaf(trace, name)
    return next(node.id for node in trace.graph.nodes if node.leaf == value)


def gradient_rms(trace, name):
    """The RMS of a leaf's gradient, as its AccumulateGrad gives it."""
    (edge,) = (edge.id for edge in trace.graph.edges if edge.source == node_of(trace, name))
    return rms_of(trace.gradients)[edge]


def op(trace, name):
    return next(op.id for op in trace.graph.ops if op.name == name)


def read(plots, qtbot):
    """The series of the pane once all of it has been read."""
    pane = plots.probes()
    qtbot.waitUntil(lambda: not plots.gatherer.busy and bool(pane._series))
    qtbot.waitUntil(lambda: plots._pages.currentWidget() is pane)
    return list(pane._series.values())


def viewport_place(plot, x, height):
    return plot.plot.mapFromScene(plot.box.mapViewToScene(QPointF(x, height)))


def test_p_pins_what_is_selected_and_again_takes_it_away(window, plots, qtbot, focus, recording):
    canvas = window._window.graph
    focus(canvas)
    trace = window.session.state.trace
    window.session.select(Selection("node", node_of(trace, "fc1.weight")))
    QTest.keyClick(canvas, Qt.Key.Key_P)
    assert [probe.name for probe in window.session.state.probes] == ["fc1.weight.grad"]
    (series,) = read(plots, qtbot)
    assert plots.page == "probes"
    wanted = [gradient_rms(step, "fc1.weight") for step in recording]
    assert np.array_equal(np.delete(series.numbers, NAN), np.delete(wanted, NAN))
    assert list(np.flatnonzero(series.bad)) == [NAN]
    assert window._window.actions_["pin"].isChecked()
    QTest.keyClick(canvas, Qt.Key.Key_P)
    assert window.session.state.probes == ()
    assert "press P" in plots.message.text()


def test_p_in_events_pins_what_ran_last(window, plots, qtbot, focus):
    events = window._window.desk.views["events"]
    focus(events.list)
    window.session.select(None)
    window.session.go_to(3, 1)
    QTest.keyClick(events.list, Qt.Key.Key_P)
    (probe,) = window.session.state.probes
    assert (probe.kind, probe.name) == ("op", "randn")


def test_what_has_no_numbers_cannot_be_pinned(window):
    trace = window.session.state.trace
    without = next(op.id for op in trace.graph.ops if not op.outputs)
    window.session.select(Selection("op", without))
    assert not window._window.actions_["pin"].isEnabled()
    pinning.pin(window.session, Selection("value", 10_000))
    assert window.session.state.probes == ()


def test_a_selection_stays_with_its_thing_in_a_step_of_another_structure(window, recording):
    here, there = recording[3].graph, recording[4].graph
    assert here.key != there.key
    things = [Selection("node", node_of(recording[3], name)) for name in ("fc2.bias", "fc2.weight")]
    window.session.pick(things)
    window.session.next_step()
    state = window.session.state
    assert [there.values[there.nodes[one.id].leaf].name for one in state.picked] == ["fc2.bias", "fc2.weight"]
    assert state.selection == state.picked[0]
    window.session.previous_event()
    window.session.next_step(-1)
    assert window.session.state.picked == tuple(things)
    window.session.select(Selection("op", op(recording[3], "tanh")))
    window.session.next_step()
    assert window.session.state.selection is None, "step 4 has no tanh"


def test_all_that_is_picked_is_pinned(window):
    names = ("fc1.bias", "fc2.bias")
    window.session.pick(Selection("value", leaf(window.session.state.trace, name)) for name in names)
    pinning.pin(window.session)
    assert tuple(probe.name for probe in window.session.state.probes) == names


def test_gaps_are_gaps_and_lone_points_are_seen(window, plots, qtbot):
    trace = window.session.state.trace
    pinning.pin(window.session, Selection("op", op(trace, "tanh")))
    (series,) = read(plots, qtbot)
    assert np.isnan(series.numbers[::2]).all(), "even steps have no tanh"
    assert (series.numbers[1::2] > 0).all()
    plot = plots.probes().plot
    assert np.isnan(plot.curves[0].getData()[1][::2]).all()
    assert len(plot.lone.getData()[0]) == 12
    assert not series.bad.any()


def test_a_click_on_a_line_goes_to_the_step_and_selects_the_thing(window, plots, qtbot):
    trace = window.session.state.trace
    for what in (Selection("value", leaf(trace, "fc1.weight")), Selection("node", node_of(trace, "fc2.weight"))):
        pinning.pin(window.session, what)
    _, gradient = read(plots, qtbot)
    plot = plots.probes().plot
    qtbot.wait(60)
    height = plot.heights(gradient.numbers)[6]
    QTest.mouseClick(plot.plot.viewport(), Qt.MouseButton.LeftButton, pos=viewport_place(plot, 6, height))
    qtbot.waitUntil(lambda: window.session.state.step == 6)
    state = window.session.state
    assert state.trace.graph.key != trace.graph.key
    assert state.selection == Selection("node", node_of(state.trace, "fc2.weight"))
    assert [float(x) for x in plot.dots.getData()[0]] == [6.0, 6.0]
    _, (_, top) = plot.box.viewRange()
    QTest.mouseClick(plot.plot.viewport(), Qt.MouseButton.LeftButton, pos=viewport_place(plot, 9, top - 1e-3))
    qtbot.waitUntil(lambda: window.session.state.step == 9)


def test_the_legend_says_names_and_numbers_and_removes(window, plots, qtbot):
    trace = window.session.state.trace
    pinning.pin(window.session, Selection("value", leaf(trace, "fc1.weight")))
    pinning.pin(window.session, Selection("op", op(trace, "tanh")))
    weight, _ = read(plots, qtbot)
    legend = plots.probes().legend
    assert [row.name.full_text() for row in legend.rows] == ["fc1.weight", "net tanh"]
    assert float(legend.rows[0].number.text()) == pytest.approx(weight.numbers[3], rel=1e-2)
    window.session.go_to(4, 0)
    assert legend.rows[1].number.text() == "none"
    assert [probe.ink for probe in window.session.state.probes] == [0, 1]
    titles = [action.text() for action in legend.rows[0].menu().actions()]
    assert titles[:7] == ["RMS", "L2 norm", "max |x|", "zeros", "mean", "min", "max"]
    next(action for action in legend.rows[0].menu().actions() if action.text() == "min").trigger()
    assert window.session.state.probes[0].figure == "least"
    least, _ = read(plots, qtbot)
    assert (least.numbers < 0).all()
    qtbot.mouseClick(legend.rows[0].remove, Qt.MouseButton.LeftButton)
    assert [probe.kind for probe in window.session.state.probes] == ["op"]
    qtbot.mouseClick(legend.rows[0].name, Qt.MouseButton.LeftButton)
    assert window.session.state.selection is None, "step 4 has no tanh"
    next(action for action in legend.rows[0].menu().actions() if action.text() == "Remove all probes").trigger()
    assert window.session.state.probes == ()


def test_numbers_below_zero_ask_for_a_linear_axis(window, plots, qtbot):
    pinning.pin(window.session, Selection("value", leaf(window.session.state.trace, "fc1.weight")))
    pinning.change(window.session, window.session.state.probes[0], figure="least")
    qtbot.waitUntil(lambda: "Choose linear" in plots.message.text())
    plots.scales[False].click()
    assert plots._pages.currentWidget() is plots.probes()
    assert not plots.probes().plot.log
    assert window.session.state.log_loss, "the loss keeps its own"


def test_the_loss_stands_behind_on_an_axis_of_its_own(window, plots, qtbot):
    pinning.pin(window.session, Selection("value", leaf(window.session.state.trace, "fc1.weight")))
    read(plots, qtbot)
    plot, legend = plots.probes().plot, plots.probes().legend
    losses = np.log10(window.follower.recording.losses())
    assert np.allclose(plot.loss.getData()[1], losses, equal_nan=True)
    assert plot.item.getAxis("right").isVisible()
    legend.loss.setChecked(False)
    assert not len(plot.loss.getData()[0])
    assert not plot.item.getAxis("right").isVisible()


def test_probes_are_kept_per_recording_and_over_a_start(window, trained, tmp_path):
    first = window.follower.path
    pinning.pin(window.session, Selection("value", leaf(window.session.state.trace, "fc1.weight")))
    pinned = window.session.state.probes
    window.follower.open(shutil.copytree(trained, tmp_path / "other"))
    assert window.session.state.probes == ()
    window.follower.open(first)
    assert window.session.state.probes == pinned
    kept = window.present_settings()
    settings.save(kept, tmp_path / "kept.json")
    assert pinning.remembered(settings.load(tmp_path / "kept.json").probes, first) == pinned


def test_a_pin_brings_the_plots_to_the_front(window, plots, qtbot):
    window.arrange("Learn")
    assert not plots.isVisible()
    window.session.select(Selection("value", leaf(window.session.state.trace, "fc1.weight")))
    window._window.actions_["pin"].trigger()
    assert plots.isVisible()
    read(plots, qtbot)


def test_a_card_and_a_row_can_be_dragged_onto_the_plots(window, plots, qtbot, monkeypatch):
    dragged = []
    for module in ("views.events", "graph.pointer"):
        monkeypatch.setattr(f"gradwalk_gui.{module}.drag", lambda source, thing: dragged.append(thing))
    rows = window._window.desk.views["events"].list
    window.session.go_to(3, 1)
    place = rows.visualRect(rows.model().index(0, 0)).center()
    QTest.mousePress(rows.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseMove(rows.viewport(), place + QPoint(0, 3))
    QTest.mouseMove(rows.viewport(), place + QPoint(0, 40))
    QTest.mouseRelease(rows.viewport(), Qt.MouseButton.LeftButton, pos=place + QPoint(0, 40))
    assert dragged == [Selection("op", 0)]
    canvas = window._window.graph
    card = next(card for card, one in enumerate(canvas.scene.picture.cards) if one.kind == "op")
    left, top, width, _ = canvas.scene.cards[card]
    at = QPointF(*canvas.camera.to_screen(left + width / 2, top + float(canvas.scene.splits[card]) / 2)).toPoint()
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=at)
    for y in (10, canvas.height() + 30):
        QTest.mouseMove(canvas, at + QPoint(0, y))
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=at + QPoint(0, canvas.height() + 30))
    assert len(dragged) == 2
    data = mime_of(dragged[1])
    button, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entered = QDragEnterEvent(QPoint(9, 9), Qt.DropAction.CopyAction, data, button, keys)
    QApplication.sendEvent(plots, entered)
    assert entered.isAccepted()
    for _ in range(2):
        QApplication.sendEvent(plots, QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, data, button, keys))
    assert [probe.kind for probe in window.session.state.probes] == [dragged[1].kind], "a second drop takes nothing away"


def test_other_things_that_are_dragged_are_no_things():
    for text in (b"", b"[]", b'["op", -1]', b'["card", 1]', b'["op", "1"]', b"\xff"):
        data = mime_of(Selection("op", 1))
        data.setData("application/x-gradwalk-thing", text)
        assert selection_in(data) is None
    assert selection_in(mime_of(Selection("edge", 7))) == Selection("edge", 7)


def test_the_context_menus_pin(window, plots, qtbot):
    rows = window._window.desk.views["events"].list
    window.session.go_to(3, 1)
    place = rows.visualRect(rows.model().index(2, 0)).center()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, rows.viewport().mapToGlobal(place))
    QApplication.sendEvent(rows.viewport(), event)
    qtbot.waitUntil(lambda: any(menu.isVisible() for menu in window._window.findChildren(QMenu)))
    menu = next(menu for menu in window._window.findChildren(QMenu) if menu.isVisible())
    assert window._window.actions_["pin"] in menu.actions()
    window._window.actions_["pin"].trigger()
    menu.close()
    assert len(window.session.state.probes) == 1


GROW = """
import sys
from gradwalk.recording.info import run_info
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
from pathlib import Path
writer = Writer(Path(sys.argv[1]), run_info(device="cpu", script="grow.py"))
for step in range(3):
    sys.stdin.readline()
    writer.add(sample_trace(step))
    writer.flush()
sys.stdin.readline()
writer.close("clean")
"""


def test_a_recording_that_another_process_writes_is_followed_and_never_read_twice(shell, qtbot, tmp_path, monkeypatch):
    starts = []
    monkeypatch.setattr(gather, "tables_from", lambda *a, f=gather.tables_from: (starts.append(a[1]), f(*a))[1])
    plots, desk = shell._window.desk.views["loss"], shell._window.desk
    with subprocess.Popen([sys.executable, "-c", GROW, str(tmp_path / "grows")], stdin=subprocess.PIPE, text=True) as other:

        def go():
            other.stdin.write("go\n")
            other.stdin.flush()

        shell.follower.await_recording(tmp_path / "grows")
        go()
        qtbot.waitUntil(lambda: shell.session.state.length == 1, timeout=30_000)
        qtbot.waitUntil(lambda: desk.isVisible() and desk._wanted is None)  # which tab is in front is settled
        trace = shell.session.state.trace
        pinning.pin(shell.session, Selection("node", node_of(trace, "w1")))
        assert not desk.docks["loss"].visibleRegion().isEmpty(), "the plots came to the front"
        (series,) = read(plots, qtbot)
        for length in (2, 3):
            go()
            qtbot.waitUntil(lambda length=length: series.at == length, timeout=30_000)
        go()
    assert other.returncode == 0
    assert list(series.numbers) == [gradient_rms(step, "w1") for step in shell.follower.recording]
    assert starts == sorted(set(starts)), "every part was read once"


def test_a_recording_that_is_closed_is_read_no_more(window, plots, qtbot, monkeypatch):
    monkeypatch.setattr(gather, "BUDGET", 0.0)
    pinning.pin(window.session, Selection("value", leaf(window.session.state.trace, "fc1.weight")))
    assert plots.gatherer.busy
    window._window.desk.docks["loss"].hide()
    window.close_recording()
    assert not plots.gatherer.busy
    window.follower.open(window._kept.recent[0])
    window._window.desk.show_dock("loss")
    assert len(read(plots, qtbot)[0].numbers) == 24, "its probe is back, and is read from the beginning"


def test_the_panel_follows_a_pointer(window, plots, qtbot):
    pinning.pin(window.session, Selection("value", leaf(window.session.state.trace, "fc1.weight")))
    (series,) = read(plots, qtbot)
    plot = plots.probes().plot
    qtbot.wait(60)
    at = plot.box.mapViewToScene(QPointF(5, plot.heights(series.numbers)[5]))
    plot._on_hover(at)
    assert plot.hover.isVisible()
    assert "fc1.weight" in plot.hover.toPlainText()
    assert plot.hover.toPlainText().split()[0] == "5"
    QApplication.sendEvent(plot, QEvent(QEvent.Type.Leave))
    assert not plot.hover.isVisible()


def test_the_table_of_the_loss_has_a_column_for_each_probe(window, qtbot, recording, tmp_path):
    trace = window.session.state.trace
    pinning.pin(window.session, Selection("node", node_of(trace, "fc1.weight")))
    pinning.pin(window.session, Selection("op", op(trace, "tanh")))
    window._write_loss(str(tmp_path / "loss.csv"))
    with open(tmp_path / "loss.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "loss", "fc1.weight.grad RMS", "net tanh RMS"]
    assert [float(row["fc1.weight.grad RMS"]) for row in rows if row["step"] != str(NAN)] == [
        gradient_rms(step, "fc1.weight") for step in recording if step.step != NAN
    ]
    assert rows[NAN]["fc1.weight.grad RMS"] == "nan"
    assert {row["net tanh RMS"] == "" for row in rows[::2]} == {True}
