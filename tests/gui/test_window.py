"""The real window, driven as a person would."""

from __future__ import annotations

import sys
from dataclasses import replace

from PySide6.QtCore import QByteArray, QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QDialog, QPushButton

from gradwalk.sample import SampleRecording
from gradwalk_gui import app, docks, settings, theme
from gradwalk_gui.commands import BY_ID, LAYOUTS
from gradwalk_gui.docks import DEFAULT, PLACES, SHOWN
from gradwalk_gui.state import Play
from gradwalk_gui.theme import DARK, LIGHT
from gradwalk_gui.window import SMALLEST

Key = Qt.Key
Ctrl, Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def visible(window) -> set[str]:
    return {name for name, dock in window.desk.docks.items() if not dock.isHidden()}


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


def test_named_layouts_show_their_panels(opened):
    for layout in LAYOUTS:
        opened._window.run(BY_ID[f"layout-{layout.lower()}"])
        assert visible(opened._window) == set(SHOWN[layout])


def test_every_panel_behind_a_tab_fits_into_the_smallest_window(opened, qtbot):
    window, desk = opened._window, opened._window.desk
    qtbot.waitUntil(lambda: desk._wanted is None)
    window.resize(*SMALLEST)
    for name in docks.TABS:
        desk.show_dock(name)
        qtbot.waitUntil(lambda name=name: not desk.views[name].visibleRegion().isEmpty())
        qtbot.waitUntil(lambda: window.minimumSizeHint().height() <= SMALLEST[1])
        assert window.minimumSizeHint().width() <= SMALLEST[0], name
        assert desk.docks["ribbons"].geometry().bottom() < desk.height(), name
    opened._window.run(BY_ID["layout-debug"])
    qtbot.waitUntil(lambda: not desk.views["alerts"].visibleRegion().isEmpty())  # in front in Debug
    opened._window.run(BY_ID["layout-monitor"])
    qtbot.waitUntil(lambda: not desk.views["loss"].visibleRegion().isEmpty())


def test_a_tab_behind_another_draws_nothing_until_it_is_in_front(opened, qtbot):
    window, desk, session = opened._window, opened._window.desk, opened.session
    window.run(BY_ID["layout-debug"])
    desk.show_dock("alerts")
    back = desk.views["saved"]
    qtbot.waitUntil(lambda: back.visibleRegion().isEmpty() and not desk.views["alerts"].visibleRegion().isEmpty())
    assert back.isVisible(), "Qt only moves it out of the window"
    before = back.drawn
    for _ in range(3):
        session.next_event()
    assert back.drawn is before
    assert desk.views["inspector"].drawn is session.state
    desk.show_dock("saved")
    qtbot.waitUntil(lambda: back.drawn is session.state)
    session.next_event()
    assert back.drawn is session.state


def test_commands_bring_the_tables_to_the_front_and_give_them_the_focus(opened, qtbot):
    window = opened._window
    window.activateWindow()
    for name in ("gradients", "saved", "alerts"):
        window.run(BY_ID[name])
        view = window.desk.views[name]
        qtbot.waitUntil(lambda view=view: not view.visibleRegion().isEmpty() and view.isAncestorOf(window.focusWidget()))


def test_panels_are_switched_from_the_view_menu_and_float(opened):
    window = opened._window
    for name, dock in window.desk.docks.items():
        shown = not dock.isHidden()
        dock.toggleViewAction().trigger()
        assert (not dock.isHidden()) is not shown, name
        dock.toggleViewAction().trigger()
    window.desk.docks["events"].title_bar._buttons["float"].click()
    assert window.desk.docks["events"].isFloating()
    window.desk.docks["events"].title_bar._buttons["close"].click()
    assert window.desk.docks["events"].isHidden()


def test_floating_panels_go_and_come_with_the_desk(opened, qtbot):
    dock = opened._window.desk.docks["events"]
    dock.setFloating(True)
    opened.close_recording()
    assert not dock.isVisible()
    opened.session.open(SampleRecording(2))
    qtbot.waitUntil(dock.isVisible)


def test_a_panel_takes_all_the_room_and_gives_it_back(opened):
    desk = opened._window.desk
    before = visible(opened._window)
    desk.docks["loss"].title_bar.maximise.click()
    assert visible(opened._window) == {"loss"}
    assert not desk.views["graph"].isVisible()
    saved = desk.saved()
    desk.docks["loss"].title_bar.maximise.click()
    assert visible(opened._window) == before
    assert desk.views["graph"].isVisible()
    assert not saved.isEmpty()


def test_arrangement_and_preferences_survive(opened, qtbot, tmp_path, discard):
    window = opened._window
    window.resize(1100, 700)
    window.run(BY_ID["layout-monitor"])
    window.desk.docks["inspector"].show()
    opened.session.set(theme="dark", reduced_motion=True, log_loss=False, speed=2.0)
    qtbot.wait(10)
    window.close()
    kept = settings.load(tmp_path / "config" / "app.json")
    assert (kept.theme, kept.reduced_motion, kept.log_loss, kept.speed) == ("dark", True, False, 2.0)
    again, shell = app.build(kept, None)
    again.populate()
    shell.restore_window()
    again.show()
    shell.session.open(SampleRecording(1))
    qtbot.waitUntil(lambda: visible(again) == {"events", "loss", "ribbons", "inspector"})
    assert again.height() == 700  # the width is bounded by the screen, which is 800 wide offscreen
    assert again.theme is DARK
    discard(again)


def test_a_floating_panel_comes_back_on_screen(opened, qtbot, tmp_path, discard):
    events = opened._window.desk.docks["events"]
    events.setFloating(True)
    events.move(5000, 5000)
    qtbot.wait(10)
    opened._window.close()
    again, shell = app.build(settings.load(tmp_path / "config" / "app.json"), None)
    again.populate()
    shell.restore_window()
    again.show()
    shell.session.open(SampleRecording(1))
    events = again.desk.docks["events"]
    qtbot.waitUntil(lambda: events.isFloating() and events.isVisible())
    qtbot.waitUntil(lambda: again.screen().availableGeometry().intersects(events.geometry()))
    discard(again)


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


def test_an_arrangement_of_nonsense_is_the_default(shell, qtbot):
    shell._window.restore(QByteArray(b"nonsense"), QByteArray(b"nonsense"))
    shell.session.open(SampleRecording(1))
    qtbot.waitUntil(lambda: visible(shell._window) == set(SHOWN[DEFAULT]))


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


def test_reset_forgets_preferences_and_layout(opened):
    opened._window.run(BY_ID["layout-present"])
    opened.session.set(theme="dark")
    opened._window.run(BY_ID["reset-window"])
    assert visible(opened._window) == set(SHOWN[DEFAULT])
    assert opened.session.state.theme == "system"


def test_every_place_has_a_dock_with_a_name(opened):
    for place in PLACES:
        dock = opened._window.desk.docks[place.name]
        assert dock.windowTitle() == place.title
        assert dock.objectName()
        assert dock.widget() is not None


def test_larger_text_makes_the_views_anew_and_leaves_the_arrangement(opened, qtbot):
    window = opened._window
    old = dict(window.desk.views)
    window.desk.views["log"].append("kept\n")
    qtbot.wait(30)
    before = {name: dock.size().width() for name, dock in window.desk.docks.items() if dock.isVisible()}
    opened.apply_settings(replace(opened.present_settings(), font_scale=1.3))
    qtbot.wait(30)
    after = {name: dock.size().width() for name, dock in window.desk.docks.items() if dock.isVisible()}
    assert set(after) == set(before)
    assert all(abs(after[name] - before[name]) < 60 for name in before), (before, after)
    assert [name for name, view in window.desk.views.items() if view is old[name]] == ["log"]
    assert window.desk.views["log"].text.toPlainText() == "kept\n"
    assert opened.session.state.selection is None
    assert theme.font(10).pixelSize() == 13
    opened.session.next_event()
    assert window.desk.views["events"].drawn.position == 1
    opened.apply_settings(replace(opened.present_settings(), font_scale=1.0))
    assert theme.font(10).pixelSize() == 10
