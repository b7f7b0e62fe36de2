"""Breakpoints on a recording: real keys in the real window, both ways, across steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

import gradwalk
from gradwalk.gate import Breakpoint
from gradwalk.recording.info import run_info
from gradwalk.recording.reader import open_recording
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
from gradwalk.tape import event_at, name_of
from gradwalk_gui.state import Selection
from gradwalk_gui.stopping import last_writer
from gradwalk_gui.views.ribbon_op import OpRibbon
from gradwalk_gui.widgets.gutter import BREAKPOINTS

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
STEPS = 6


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A net with an in-place write in its forward; the gradient is large in step 4 alone."""
    folder = tmp_path_factory.mktemp("stops") / "run"
    torch.manual_seed(0)
    w1, w2 = torch.randn(4, 5, requires_grad=True), torch.randn(5, 2, requires_grad=True)
    with gradwalk.record(folder):
        for step in range(STEPS):
            h = torch.randn(3, 4) @ w1
            out = h @ w2
            out.mul_(2.0)
            loss = out.pow(2).sum() * (1e4 if step == 4 else 1.0)
            loss.backward()
            with torch.no_grad():
                for w in (w1, w2):
                    w -= 1e-6 * w.grad
                    w.grad = None
    return folder


@pytest.fixture
def walked(shell, trained, qtbot):
    """The window at the start of the recording, the graph with the focus."""
    shell.session.set(reduced_motion=True)
    shell.follower.open(trained)
    qtbot.waitUntil(lambda: shell._window.desk.isVisible() and shell._window.graph.scene is not None)
    shell.session.go_to(0, 0)
    shell._window.graph.setFocus()
    return shell


def press(shell, key, modifier=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(shell._window.graph, key, modifier)
    return shell.session.state.step, shell.session.state.position


def places(shell, name, after=False):
    """Where events of a name are in the first step."""
    trace = shell.session.state.recording[0]
    return [i + after for i in range(len(trace.tape)) if name_of(trace.graph, event_at(trace, i)) == name]


def test_f9_sets_a_breakpoint_and_f5_goes_from_one_to_the_next_across_steps_both_ways(walked):
    session = walked.session
    (mul,) = places(walked, "mul_")
    session.go_to(0, mul)
    press(walked, Qt.Key.Key_F9)
    assert [one.text.split(" ")[0] for one in session.state.breakpoints] == ["$op(mul_)"]
    session.go_to(0, 0)
    assert press(walked, Qt.Key.Key_F5) == (0, mul)
    assert press(walked, Qt.Key.Key_F5) == (1, mul)
    assert press(walked, Qt.Key.Key_F5, SHIFT) == (0, mul)
    assert press(walked, Qt.Key.Key_F5, SHIFT) == (0, 0)
    assert walked._window.notice.text == "No breakpoint stops before this place in the recording"
    session.go_to(0, mul)
    press(walked, Qt.Key.Key_F9)
    assert session.state.breakpoints == ()
    press(walked, Qt.Key.Key_F5)
    assert "F9 sets one" in walked._window.notice.text


def test_a_condition_typed_into_the_panel_stops_after_the_event_that_meets_it(walked, qtbot):
    session, view = walked.session, walked._window.desk.views["breakpoints"]
    press(walked, Qt.Key.Key_F9, SHIFT)
    assert view.isVisible()
    assert view.field.text().startswith("$op(")
    QTest.keyClicks(view.field, "$grad(rms>1e3) $kind(accumulate)")  # over what was offered, which is selected
    view.field.offers.popup().hide()
    assert view.sides["after"].isChecked(), "what an event makes is known after it"
    QTest.keyClick(view.field, Qt.Key.Key_Return)
    assert session.state.breakpoints == (Breakpoint("$grad(rms>1e3) $kind(accumulate)", "after"),)
    step, _ = press(walked, Qt.Key.Key_F5)
    assert step == 4
    assert session.state.last_event.kind == "accumulate"
    assert walked._window.status.text.count("1 breakpoint") == 1
    view.sides["before"].click()
    view.field.setText("$nan()")
    assert view.sides["after"].isChecked()
    for wrong, why in (("$op(", "closing parenthesis"), ("$gra(rms>1)", "gra")):
        view.field.setText(wrong)
        assert not view.button.isEnabled()
        assert why in view.note.full_text()
    view.field.clear()


def test_a_low_panel_shows_why_a_condition_cannot_be_a_breakpoint(walked, qtbot):
    desk = walked._window.desk
    view = desk.views["breakpoints"]
    desk.show_dock("breakpoints")
    view.setMaximumHeight(90)
    qtbot.waitUntil(lambda: view.isVisible() and view.height() <= 90)
    least = view.minimumSizeHint().height()
    assert not view.note.isVisible()
    for wrong, why in (("$op(", "closing parenthesis"), ("$gra(rms>1)", "gra")):
        view.field.setText(wrong)
        qtbot.waitUntil(lambda: view.note.isVisible() and view.rect().contains(view.note.geometry()))
        assert why in view.note.full_text()
        assert view.field.toolTip() == view.note.full_text()
        assert view.minimumSizeHint().height() <= least, "no other panel gives room for it"
    view.field.clear()
    assert not view.note.isVisible()
    assert view.field.toolTip() == ""


def test_a_condition_on_what_an_op_makes_stops_after_it_and_the_panel_says_so(walked):
    view = walked._window.desk.views["breakpoints"]
    walked._window.desk.show_dock("breakpoints")
    for text in ("$dtype(float32)", "$device(cpu)", "$op(mm) $value(max>1)"):
        view.field.setText("$op(mm)")
        view.sides["before"].click()
        assert view.sides["before"].isChecked()
        assert "only known after it" not in view.note.full_text()
        view.field.setText(text)
        assert view.sides["after"].isChecked()
        view.sides["before"].click()
        assert view.sides["after"].isChecked()
        assert view.note.full_text() == "What an event makes is only known after it: this breakpoint stops after the event."
    view.field.setText("$kind(node) $dtype(float32)")
    view.sides["before"].click()
    assert view.sides["before"].isChecked()
    view.field.clear()


def test_a_breakpoint_is_switched_off_and_deleted_in_the_panel(walked):
    session, view = walked.session, walked._window.desk.views["breakpoints"]
    session.set(breakpoints=(Breakpoint("$op(mul_)"), Breakpoint("$op(sum)")))
    walked._window.desk.show_dock("breakpoints")
    view.list.setCurrentRow(0)
    view.list.setFocus()
    QTest.keyClick(view.list, Qt.Key.Key_Space)
    assert [one.enabled for one in session.state.breakpoints] == [False, True]
    QTest.keyClick(view.list, Qt.Key.Key_Delete)
    assert [one.text for one in session.state.breakpoints] == ["$op(sum)"]
    assert press(walked, Qt.Key.Key_F5) == (0, places(walked, "sum")[0])


def test_a_click_beside_a_line_of_the_source_sets_a_breakpoint_at_it(walked, qtbot):
    session, source = walked.session, walked._window.desk.views["source"]
    walked._window.desk.show_dock("source")
    session.go_to(0, places(walked, "mul_", after=True)[0])
    line = session.state.trace.graph.sites[session.state.trace.graph.ops[session.state.last_event.ref].site].line
    qtbot.waitUntil(lambda: any(at == line for at, _ in source.code.lines_in_view()))
    box = next(box for at, box in source.code.lines_in_view() if at == line)
    where = QPoint(BREAKPOINTS // 2, round(box.center().y()))
    QTest.mouseClick(source.code.gutter, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, where)
    assert [one.text for one in session.state.breakpoints] == [f"$src(test_stops.py:{line})"]
    assert source.code.stops() == {line}
    session.go_to(0, 0)
    assert press(walked, Qt.Key.Key_F5) == (0, places(walked, "mul_")[0])
    QTest.mouseClick(source.code.gutter, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, where)
    assert session.state.breakpoints == ()


def click_beside(source, line, qtbot):
    """A click in the room for breakpoints, which is scrolled into view."""
    source.code.scroll_to(source._whole_line(line))
    qtbot.waitUntil(lambda: any(at == line for at, _ in source.code.lines_in_view()))
    box = next(box for at, box in source.code.lines_in_view() if at == line)
    where = QPoint(BREAKPOINTS // 2, round(box.center().y()))
    QTest.mouseClick(source.code.gutter, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, where)


def test_a_click_beside_a_line_without_ops_sets_the_breakpoint_at_the_next_that_has_one(walked, qtbot):
    session, source, notice = walked.session, walked._window.desk.views["source"], walked._window.notice
    walked._window.desk.show_dock("source")
    session.go_to(0, places(walked, "mul_", after=True)[0])
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    loop = lines.index("        for step in range(STEPS):") + 1
    there = [Breakpoint(f"$src(test_stops.py:{loop + 1})")]
    for _ in range(2):  # one that is there already stays
        click_beside(source, loop, qtbot)
        assert list(session.state.breakpoints) == there
        assert notice.text == f"No op was recorded on line {loop}: the breakpoint is at line {loop + 1}, the next that has one"
    assert (source.code.stops(), source.code.hollow_stops()) == ({loop + 1}, frozenset())
    session.go_to(0, 0)
    assert press(walked, Qt.Key.Key_F5) == (0, places(walked, "matmul")[0])
    click_beside(source, loop + 1, qtbot)
    assert session.state.breakpoints == ()
    click_beside(source, len(lines), qtbot)
    assert session.state.breakpoints == ()
    assert "a breakpoint there would never stop" in notice.text


def test_run_to_selected_and_back_in_this_step_and_the_next(walked):
    session = walked.session
    trace = session.state.trace
    sum_at = places(walked, "sum")[0]
    session.select(Selection("op", trace.graph.events[int(trace.tape[sum_at])].ref))
    assert press(walked, Qt.Key.Key_F10, CTRL) == (0, sum_at)
    assert press(walked, Qt.Key.Key_F10, CTRL) == (1, sum_at)
    assert press(walked, Qt.Key.Key_F10, CTRL | SHIFT) == (0, sum_at)
    press(walked, Qt.Key.Key_F10, CTRL | SHIFT)
    assert "does not run again before this place" in walked._window.notice.text
    session.go_to(STEPS - 1, 10_000)
    press(walked, Qt.Key.Key_F10, CTRL)
    assert "does not run again after this place" in walked._window.notice.text


def test_w_goes_to_the_last_writer_in_this_step_or_the_one_before(walked):
    session = walked.session
    trace = session.state.trace
    out = next(value for value in trace.graph.values if value.name == "out")
    session.go_to(0, 10_000)
    session.select(Selection("value", out.id))
    assert press(walked, Qt.Key.Key_W) == (0, places(walked, "mul_", after=True)[0])
    session.go_to(0, places(walked, "mul_")[0])
    session.select(Selection("value", out.id))
    press(walked, Qt.Key.Key_W)
    assert session.state.last_event.kind == "op"
    assert name_of(trace.graph, session.state.last_event) == "matmul"
    w1 = next(value for value in session.state.recording[2].graph.values if value.name == "w1" and value.role == "leaf")
    session.go_to(2, 0)
    session.select(Selection("value", w1.id))
    step, _ = press(walked, Qt.Key.Key_W)
    assert step == 1, "in its own step nothing has written it yet"
    assert session.state.last_event.phase == "update"
    session.go_to(0, 0)
    session.select(Selection("value", next(v for v in trace.graph.values if v.name == "w1" and v.role == "leaf").id))
    press(walked, Qt.Key.Key_W)
    assert "Nothing that was recorded has written it" in walked._window.notice.text


def test_the_last_writer_of_every_value_is_an_op_that_made_a_version_of_it(trained):
    with open_recording(trained) as recording:
        trace = recording[1]
        for value in trace.graph.values:
            at = last_writer(trace, len(trace.tape), value.id)
            if at is not None:
                made = trace.graph.ops[event_at(trace, at).ref].outputs
                family = {value.id}
                for _ in trace.graph.values:
                    family |= {v.base for v in trace.graph.values if v.id in family} - {-1}
                    family |= {v.id for v in trace.graph.values if v.base in family}
                assert family & set(made)


def test_a_range_that_is_dragged_with_shift_is_looped(walked, qtbot):
    session = walked.session
    ribbon = walked._window.findChild(OpRibbon)
    area, count = ribbon.area(), ribbon.count()

    def at(place):
        return QPoint(round(area.left() + place / count * area.width()), round(area.center().y()))

    QTest.mousePress(ribbon, Qt.MouseButton.LeftButton, SHIFT, at(2))
    QTest.mouseMove(ribbon, at(4))
    qtbot.wait(1)
    QTest.mouseMove(ribbon, at(5))
    QTest.mouseRelease(ribbon, Qt.MouseButton.LeftButton, SHIFT, at(5))
    assert session.state.loop_range == (2, 5)
    assert session.state.loop
    session.go_to(0, 2)
    session.play_pause()
    seen = []
    for _ in range(8):
        session.tick()
        seen.append(session.state.position)
    assert seen == [3, 4, 5, 2, 3, 4, 5, 2]
    session.next_step(1)
    assert session.state.loop_range == (2, 5), "the same structure: the range stays"
    QTest.mouseClick(ribbon, Qt.MouseButton.LeftButton, SHIFT, at(3))
    assert session.state.loop_range is None


def test_the_ribbon_marks_where_breakpoints_stop(walked):
    ribbon = walked._window.findChild(OpRibbon)
    before = ribbon.grab().toImage()
    (mul,) = places(walked, "mul_")
    walked.session.set(breakpoints=(Breakpoint("$op(mul_)"),))
    assert ribbon._stops.tolist() == [mul]
    image = ribbon.grab().toImage()
    x = round(ribbon.area().left() + mul / ribbon.count() * ribbon.area().width())
    y = round(ribbon.area().top() + 1)
    assert image.pixelColor(x, y) != before.pixelColor(x, y)
    assert np.allclose(image.pixelColor(x, y).getRgb(), _colour(walked._window.theme.danger), atol=40)


def _colour(name):
    from PySide6.QtGui import QColor

    return QColor(name).getRgb()


def test_a_condition_on_numbers_says_that_it_waits_for_the_gpu_of_a_training_there(shell, qtbot, tmp_path):
    for device, said in (
        ("cuda:0", "1 breakpoint: a condition waits for the GPU at the events that it covers"),
        ("cpu", "1 breakpoint"),
    ):
        writer = Writer(tmp_path / device.replace(":", ""), run_info(device=device, script="/somewhere/two_layer.py"))
        writer.add(sample_trace())
        qtbot.waitUntil(lambda: list((tmp_path / device.replace(":", "")).glob("rank*")) != [])  # noqa: B023
        shell.open_path(str(tmp_path / device.replace(":", "")))
        qtbot.waitUntil(lambda: shell.session.state.trace is not None)
        shell.session.set(breakpoints=(Breakpoint("$op(mm) $value(rms>1e9)"),))
        assert said in [label.text() for label in shell._window.status.findChildren(QLabel)]
        writer.close("clean")
        qtbot.waitUntil(lambda: shell.follower.recording.ended == "clean")
        assert "1 breakpoint" in [label.text() for label in shell._window.status.findChildren(QLabel)], (
            "none runs that would wait"
        )
        shell.session.close()
