"""The panels on the desk: named layouts, tabs, floating, all the room, and the arrangement that comes back."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QByteArray, Qt

from gradwalk.sample import SampleRecording
from gradwalk_gui import app, docks, settings, theme
from gradwalk_gui.commands import BY_ID, LAYOUTS
from gradwalk_gui.docks import DEFAULT, PLACES, SHOWN
from gradwalk_gui.theme import DARK
from gradwalk_gui.window import SMALLEST

Key = Qt.Key
Ctrl, Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def visible(window) -> set[str]:
    return {name for name, dock in window.desk.docks.items() if not dock.isHidden()}


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


def test_an_arrangement_of_nonsense_is_the_default(shell, qtbot):
    shell._window.restore(QByteArray(b"nonsense"), QByteArray(b"nonsense"))
    shell.session.open(SampleRecording(1))
    qtbot.waitUntil(lambda: visible(shell._window) == set(SHOWN[DEFAULT]))


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


def test_reset_forgets_preferences_and_layout(opened):
    opened._window.run(BY_ID["layout-present"])
    opened.session.set(theme="dark")
    opened._window.run(BY_ID["reset-window"])
    assert visible(opened._window) == set(SHOWN[DEFAULT])
    assert opened.session.state.theme == "system"
