"""The real window, driven as a person would."""

from __future__ import annotations

import sys

from PySide6.QtCore import QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QDialog, QPushButton

from gradwalk_gui import app, docks
from gradwalk_gui.commands import BY_ID
from gradwalk_gui.state import Play
from gradwalk_gui.theme import DARK, LIGHT

Key = Qt.Key
Ctrl, Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def test_nothing_open_is_the_welcome_page(shell):
    window = shell._window
    assert window.pages.currentWidget() is window.welcome
    assert set(window.welcome.cards) == {"autograd", "function", "numpy", "mlp", "compare"}
    assert not any(dock.toggleViewAction().isEnabled() for dock in window.desk.docks.values())


def test_f10_visits_every_event_in_order_and_shift_f10_leads_back(opened, qtbot, focus):
    session, graph = opened.session, opened._window.desk.views["graph"]
    focus(graph)
    first, visited = session.state, []
    while session.state.step == 0:
        if session.state.next_event is not None:
            visited.append(session.state.next_event.id)
        qtbot.keyClick(graph, Key.Key_F10)
    assert visited == list(first.trace.tape)
    for _ in range(len(visited) + 1):
        qtbot.keyClick(graph, Key.Key_F10, Shift)
    assert session.state == first


def test_keys_of_the_transport(opened, qtbot, focus):
    session, graph = opened.session, opened._window.desk.views["graph"]
    focus(graph)
    press = lambda key, modifier=Qt.KeyboardModifier.NoModifier: qtbot.keyClick(graph, key, modifier)  # noqa: E731
    press(Key.Key_Period)
    press(Key.Key_Period)
    press(Key.Key_Comma)
    assert session.state.position == 1
    press(Key.Key_End)
    assert session.state.position == session.state.events
    press(Key.Key_Home)
    press(Key.Key_BracketRight)
    assert session.state.next_event.kind == "loss"
    press(Key.Key_BracketLeft)
    assert session.state.position == 0
    press(Key.Key_Right, Ctrl)
    assert session.state.step == 1
    press(Key.Key_Right, Ctrl | Shift)
    assert session.state.step == 2
    press(Key.Key_Home, Ctrl)
    assert (session.state.step, session.state.position) == (0, 0)
    press(Key.Key_End, Ctrl)
    assert session.state.play is Play.FOLLOWING
    press(Key.Key_Space)
    assert session.state.play is Play.PAUSED
    press(Key.Key_Equal)
    press(Key.Key_Minus)
    press(Key.Key_Minus)
    assert session.state.speed == 0.75
    press(Key.Key_L)
    assert session.state.loop


def test_keys_without_ctrl_act_in_graph_ribbons_and_events(opened, qtbot, focus):
    for number, panel in enumerate(("graph", "events", "op-ribbon", "step-ribbon"), 1):
        view = opened._window.desk.views[panel]
        focus(view)
        qtbot.keyClick(QApplication.focusWidget() or view, Key.Key_Period)
        assert opened.session.state.position == number, panel


def test_keys_without_ctrl_do_nothing_elsewhere_but_f_keys_do(opened, qtbot):
    window = opened._window
    window.activateWindow()
    window.search.setFocus()
    qtbot.waitUntil(window.search.hasFocus)
    qtbot.keyClick(window.search, Key.Key_Period)
    qtbot.keyClick(window.search, Key.Key_G)
    assert opened.session.state.position == 0
    qtbot.keyClick(window.search, Key.Key_F10)
    assert opened.session.state.position == 1
    qtbot.keyClick(window.search, Key.Key_Right, Ctrl)
    assert opened.session.state.step == 1


def test_playing_to_the_end(opened, qtbot):
    opened.session.set(speed=5.0)
    opened.player.timer.setTimerType(Qt.TimerType.CoarseTimer)
    opened._window.run(BY_ID["play"])
    assert opened.player.timer.interval() == 60
    opened.player.timer.setInterval(0)
    qtbot.waitUntil(lambda: opened.session.state.play is Play.PAUSED, timeout=20_000)
    assert (opened.session.state.step, opened.session.state.position) == (2, opened.session.state.events)
    assert not opened.player.timer.isActive()


def test_the_speed_changes_the_beat_while_playing(opened):
    opened.session.play_pause()
    assert opened.player.timer.interval() == 300
    opened.session.faster(-1)
    assert opened.player.timer.interval() == 400


def test_a_fault_of_ours_is_one_sentence_and_ends_nothing(opened, capsys, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    app._tell_faults(opened._window)
    try:
        raise KeyError("a fault\nin two lines")
    except KeyError as fault:
        sys.excepthook(type(fault), fault, fault.__traceback__)
    assert "KeyError" in opened._window.notice.text
    assert "\n" not in opened._window.notice.text
    assert "Traceback" in capsys.readouterr().err


def test_waiting_can_be_left(shell, tmp_path):
    shell.follower.await_recording(tmp_path / "never")
    shell._window.say_waiting("Waiting for the first step")
    assert shell._window.pages.currentWidget() is shell._window.waiting
    shell._window.waiting.back.click()
    assert shell._window.pages.currentWidget() is shell._window.welcome
    assert not shell.follower.waiting


def test_a_window_off_screen_is_pulled_in(shell):
    window = shell._window
    window.move(100_000, 100_000)
    docks.pull_on_screen(window)
    screen: QRect = window.screen().availableGeometry()
    assert screen.intersects(window.frameGeometry())
    there = window.pos()
    docks.pull_on_screen(window)
    assert window.pos() == there


def test_the_theme_changes_everywhere_and_back(opened, qtbot):
    window = opened._window
    opened.session.set(theme="light")
    for colours in (DARK, LIGHT, DARK):
        window.run(BY_ID["theme"])
        assert window.theme is colours
        assert all(getattr(view, "theme", colours) is colours for view in window.desk.views.values())
        assert colours.window in QApplication.instance().styleSheet()
        qtbot.wait(30)
        for name, dock in window.desk.docks.items():
            if dock.isVisible():
                grounds = {colours.panel, colours.window, colours.hover, colours.ground, colours.raised}
                corner = dock.widget().grab().toImage().pixelColor(1, dock.widget().height() - 2)
                assert corner.name() in grounds, name


def test_the_notice_says_one_sentence_and_is_closed(opened, qtbot):
    notice = opened._window.notice
    focused = QApplication.focusWidget()
    opened.complain("nothing at x.mcap")
    assert notice.text == "nothing at x.mcap"
    assert QApplication.focusWidget() is focused
    notice._close.click()
    assert notice.text == ""
    done = []
    notice.say("Look", "error", ("Show", lambda: done.append(1)))
    notice.findChild(QPushButton).click()
    assert done == [1]


def drop(window, path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    arguments = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    entering = QDragEnterEvent(QPoint(5, 5), *arguments)
    window.dragEnterEvent(entering)
    assert entering.isAccepted()
    window.dropEvent(QDropEvent(QPointF(5, 5), *arguments))


def test_a_dropped_folder_is_opened_and_a_script_is_asked_about(shell, qtbot, recording, tmp_path):
    drop(shell._window, recording)
    assert shell.session.state.length == 4
    script = tmp_path / "train.py"
    script.write_text("print('x')")
    drop(shell._window, script)
    dialog = next(d for d in shell._window.findChildren(QDialog) if d.windowTitle() == "Start train.py")
    qtbot.waitUntil(dialog.isVisible)
    dialog.reject()


def test_recent_recordings_are_in_file_and_on_the_welcome_page(shell, recording):
    shell.open_path(str(recording))
    shell.close_recording()
    window = shell._window
    assert window.pages.currentWidget() is window.welcome
    assert [action.text() for action in window.recent.actions()] == [str(recording)]
    window.recent.actions()[0].trigger()
    assert shell.session.state.length == 4
    assert str(recording) in shell.present_settings().recent


def test_preferences_act_at_once_and_defaults_come_back(opened):
    opened._window.run(BY_ID["preferences"])
    dialog = next(d for d in opened._window.findChildren(QDialog) if d.windowTitle() == "Preferences")
    dialog.theme.setCurrentIndex(2)
    dialog.theme.activated.emit(2)
    dialog.scale.setCurrentIndex(3)
    dialog.scale.activated.emit(3)
    dialog.motion.click()
    assert opened._window.theme is DARK
    assert opened.session.state.reduced_motion
    assert "font-size: 17px" in QApplication.instance().styleSheet() or QApplication.font().pixelSize() == 17
    dialog.restore()
    assert not opened.session.state.reduced_motion
    assert opened.present_settings().font_scale == 1.0
    dialog.search.setText("speed")
    assert [dialog.form.isRowVisible(row) for row in range(3)] == [False, False, True]
    dialog.reject()


def test_live_button_and_phase(opened):
    window = opened._window
    window.live.click()
    assert opened.session.state.play is Play.FOLLOWING
    assert window.live.isChecked()
    window.live.click()
    assert opened.session.state.play is Play.PAUSED
