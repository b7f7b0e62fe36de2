"""The tour over the real window: by keys alone, at the real places, once, and never in the way of a dialog."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication, QDialog

from gradwalk.recording.info import run_info
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
from gradwalk_gui import app, settings, tour
from gradwalk_gui.commands import BY_ID
from gradwalk_gui.tour_parts import beside
from gradwalk_gui.tour_stops import STOPS, half_in_sight


@pytest.fixture
def example(tmp_path):
    """A recording that says it is of the autograd example."""
    return record(tmp_path / "example", "/somewhere/autograd.py")


def record(folder, script):
    writer = Writer(folder, run_info(device="cpu", script=script, program=(script, "--seed", "3")))
    writer.add(sample_trace(0))
    writer.close("clean")
    return folder


@pytest.fixture
def shown(shell, example, qtbot, focus):
    """The window with the example open, the graph laid out and the focus on it."""
    shell.follower.open(example)
    canvas = shell._window.graph
    qtbot.waitUntil(lambda: shell._window.desk.isVisible() and canvas.scene is not None and canvas.fits)
    focus(canvas)
    return shell


def test_five_stops_by_keys_at_the_real_places(shown, qtbot):
    window, canvas = shown._window, shown._window.graph
    window.run(BY_ID["tour"])
    bubble, veil = shown.tour.bubble, shown.tour.veil
    assert bubble.hasFocus()
    assert len(STOPS) == 5
    halves = [half_in_sight(canvas, backward=way).translated(canvas.mapTo(window, QPoint())) for way in (False, True)]
    assert halves[0].top() < halves[1].top()
    places = [
        (window.desk.transport, None),
        (None, halves[0]),
        (None, halves[1]),
        (window.desk.docks["ribbons"], None),
        (window.desk.docks["inspector"], None),
    ]
    for number, (widget, rect) in enumerate(places, 1):
        qtbot.waitUntil(lambda: veil.hole is not None)
        there = rect or QRect(widget.mapTo(window, QPoint()), widget.size())
        assert veil.hole == there.adjusted(-4, -4, 4, 4).intersected(window.rect())
        assert bubble.count.text() == f"{number} of 5"
        assert window.rect().contains(bubble.geometry())
        assert not bubble.geometry().intersects(veil.hole)
        assert bubble.text.height() >= bubble.text.heightForWidth(bubble.text.width()), "no text is cut"
        qtbot.keyClick(bubble, Qt.Key.Key_Right if number % 2 else Qt.Key.Key_Return)
    assert not shown.tour.shown
    assert canvas.hasFocus()


def test_back_skip_and_escape(shown, qtbot, focus):
    window, canvas = shown._window, shown._window.graph
    shown.show_tour()
    bubble = shown.tour.bubble
    qtbot.keyClick(bubble, Qt.Key.Key_Left)
    qtbot.mouseClick(bubble.next, Qt.MouseButton.LeftButton)
    assert bubble.count.text() == "2 of 5"
    qtbot.keyClick(bubble, Qt.Key.Key_Left)
    assert bubble.count.text() == "1 of 5"
    qtbot.keyClick(bubble, Qt.Key.Key_Tab)
    assert bubble.skip.hasFocus()
    qtbot.keyClick(bubble.skip, Qt.Key.Key_Return)
    assert not shown.tour.shown
    for start in (window, canvas):
        shown.show_tour()
        focus(canvas if start is canvas else shown.tour.bubble)
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
        assert not shown.tour.shown
    shown.show_tour()
    qtbot.mouseClick(shown.tour.bubble.skip, Qt.MouseButton.LeftButton)
    assert not shown.tour.shown


def test_the_window_can_be_used_meanwhile(shown, qtbot):
    shown.show_tour()
    bubble = shown.tour.bubble
    qtbot.keyClick(bubble, Qt.Key.Key_F10)
    assert shown.session.state.position == 1
    qtbot.keyClick(bubble, Qt.Key.Key_Space)
    assert shown.session.state.play.name == "PLAYING"
    shown.session.play_pause()
    shown._window.resize(900, 600)
    qtbot.waitUntil(lambda: shown.tour.veil.size() == shown._window.size())
    assert shown._window.rect().contains(bubble.geometry())
    shown.close_recording()
    qtbot.waitUntil(lambda: not shown.tour.shown)


def test_a_panel_that_is_closed_is_shown_for_its_stop(shown, qtbot):
    shown._window.run(BY_ID["layout-present"])
    dock = shown._window.desk.docks["inspector"]
    assert not dock.isVisible()
    shown.show_tour()
    for _ in range(4):
        qtbot.keyClick(shown.tour.bubble, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dock.isVisible() and shown.tour.veil.hole is not None)
    assert shown.tour.bubble.title.text() == "What is behind a number"


def test_it_starts_by_itself_once_with_an_example(shown, qtbot, monkeypatch, tmp_path):
    shown.tour._waiter.setInterval(10)
    shown.tour.arm()
    qtbot.waitUntil(lambda: shown.tour.shown)
    assert settings.load(tmp_path / "config" / "app.json").toured, "known even if the app is killed now"
    shown.tour.end()
    shown.follower.open(tmp_path / "example")
    qtbot.wait(60)
    assert not shown.tour.shown
    shown._window.run(BY_ID["reset-window"])
    assert shown.present_settings().toured


def test_it_waits_for_a_dialog_and_never_takes_its_focus(shown, qtbot):
    shown.tour._waiter.setInterval(10)
    shown._window.run(BY_ID["palette"])
    palette = next(d for d in shown._window.findChildren(QDialog) if d.objectName() == "palette")
    qtbot.waitUntil(palette.isVisible)
    shown.tour.arm()
    qtbot.wait(60)
    assert not shown.tour.shown
    palette.reject()
    qtbot.waitUntil(lambda: shown.tour.shown)
    shown._window.run(BY_ID["palette"])
    palette = next(d for d in shown._window.findChildren(QDialog) if d.objectName() == "palette" and d.isVisible())
    shown.tour._go(1)
    assert not shown.tour.bubble.hasFocus()
    qtbot.keyClick(palette.field, Qt.Key.Key_Escape)
    assert shown.tour.shown, "Esc was the dialog's"


def test_not_for_another_recording_nor_before_there_is_a_step(shell, qtbot, tmp_path):
    shell.tour._waiter.setInterval(10)
    shell.tour.arm()
    shell.follower.open(record(tmp_path / "own", "/somewhere/train.py"))
    qtbot.waitUntil(shell._window.desk.isVisible)
    qtbot.wait(60)
    assert not shell.tour.shown
    assert not shell.present_settings().toured
    shell.close_recording()
    shell._window.run(BY_ID["tour"])
    assert "Start an example or open a recording first" in shell._window.notice.text


def test_the_app_arms_it_unless_it_was_shown_or_is_not_wanted(monkeypatch, tmp_path, qapp):
    armed = []
    monkeypatch.setattr(tour.Tour, "arm", lambda self: armed.append(True))
    monkeypatch.setattr(settings, "file", lambda: tmp_path / "app.json")
    monkeypatch.setattr(type(qapp), "exec", lambda self=None: 0)
    for arguments, toured, expected in (([], False, 1), (["--no-tour"], False, 0), ([], True, 0)):
        armed.clear()
        settings.save(settings.Settings(toured=toured), tmp_path / "app.json")
        assert app._run(app.parse(arguments), None) == 0
        assert len(armed) == expected
    for widget in QApplication.topLevelWidgets():
        widget.close()
        widget.deleteLater()


@pytest.mark.parametrize(
    "hole", [QRect(0, 0, 900, 50), QRect(0, 500, 900, 50), QRect(0, 0, 200, 600), QRect(700, 0, 200, 600), None]
)
def test_a_bubble_stands_beside_its_hole(hole):
    window = QRect(0, 0, 900, 600)
    made = beside(hole, QRect(0, 0, 340, 140), window)
    assert window.contains(made)
    assert hole is None or not made.intersects(hole)
