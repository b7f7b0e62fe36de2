"""One table of commands: no key twice, every command runs, every menu entry is one."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QMenu

from gradwalk.sample import SampleRecording
from gradwalk_gui import menus
from gradwalk_gui.actions import key_text
from gradwalk_gui.command import MENUS, Command, conflicts, mnemonic_of, scoped, with_mnemonics
from gradwalk_gui.commands import BY_ID, COMMANDS
from gradwalk_gui.keys import bound_in
from gradwalk_gui.palette import found
from gradwalk_gui.state import Play

SPECIFIED = {
    "Space": "play", "F10": "next-event", "Shift+F10": "previous-event", ".": "next-event", ",": "previous-event",
    "F11": "into-module", "Shift+F11": "out-of-module", "[": "previous-phase", "]": "next-phase", "Ctrl+Left": "previous-step",
    "Ctrl+Right": "next-step", "Ctrl+Shift+Left": "previous-10-steps", "Ctrl+Shift+Right": "next-10-steps", "Home": "first-event",
    "End": "last-event", "Ctrl+Home": "first-step", "Ctrl+End": "follow", "G": "counterpart", "-": "slower", "=": "faster",
    "L": "loop", "F": "fit-selection", "Ctrl+0": "fit-all", "E": "unfold", "Shift+E": "fold", "Ctrl+Shift+P": "palette",
    "?": "keys", "Ctrl+Z": "undo", "Ctrl+Shift+Z": "redo", "Ctrl+O": "open", "Ctrl+Shift+E": "export-image",
    "Ctrl+,": "preferences", "Alt+S": "shot", "Alt+Shift+S": "shot-window",
    "Ctrl+C": "copy", "Ctrl+Shift+C": "copy-window", "Ctrl+Shift+T": "theme",
    "Ctrl+F11": "full-screen", "H": "hide", "I": "isolate", "Shift+H": "show-all", "U": "upstream", "D": "downstream",
    "Return": "dive", "Enter": "dive", "Backspace": "up", "Ctrl+F": "find", "Ctrl+P": "go-to-node", "Alt+Left": "undo",
    "Alt+Right": "redo", "1": "depth-1", "9": "depth-9", "F12": "capture-step",
    "F5": "continue", "Shift+F5": "continue-back", "Ctrl+F10": "run-to", "Ctrl+Shift+F10": "run-back-to", "F8": "next-alert",
    "Shift+F8": "previous-alert", "W": "last-writer",
    "/": "filter", "Ctrl+S": "save-copy", "F9": "breakpoint", "Shift+F9": "condition", "P": "pin",
}  # fmt: skip
"""The keys of the transport that work now."""


def test_the_keys_are_the_specified_ones():
    bound = {key: command.id for command in COMMANDS for key in command.keys}
    assert {key: bound.get(key) for key in SPECIFIED} == SPECIFIED


def test_no_key_is_bound_twice_and_none_opens_a_menu():
    assert conflicts(COMMANDS, menus.mnemonics()) == []


def test_a_conflict_would_be_found():
    twice = Command("other", "Other", "Go", lambda shell: None, ("Ctrl+O",))
    menu = Command("alt", "Alt", "Go", lambda shell: None, ("Alt+F",))
    assert conflicts([*COMMANDS, twice]) == ["Ctrl+O is bound to open and other"]
    assert conflicts([menu], menus.mnemonics()) == ["Alt+F is bound to the menu with Alt+F and alt"]


def test_qt_understands_every_key_and_no_two_are_the_same_to_it():
    sequences = [QKeySequence(key).toString() for command in COMMANDS for key in command.keys]
    assert all(sequences)
    assert len(set(sequences)) == len(sequences)


def test_ids_are_unique_and_menus_known():
    assert len(BY_ID) == len(COMMANDS)
    assert {command.menu.partition("/")[0] for command in COMMANDS} == set(MENUS)


def test_keys_without_ctrl_or_alt_need_the_focus_f_keys_aside():
    assert all(scoped(key) for key in ("Space", ".", "?", "Shift+E", "+", "F", "Esc"))
    assert not any(scoped(key) for key in ("F10", "Shift+F11", "Ctrl+O", "Alt+S", "Ctrl++"))


def test_mnemonics_within_a_menu_are_unique():
    titles = with_mnemonics(["Open", "Open folder", "Close", "Oo", "R & D"])
    assert titles[4].count("&&") == 1 or "&R" in titles[4]
    letters = [mnemonic_of(title) for title in titles if mnemonic_of(title)]
    assert len(set(letters)) == len(letters)


def entries(menu: QMenu) -> list[QMenu | object]:
    found_ = []
    for action in menu.actions():
        if action.menu() is not None:
            found_ += entries(action.menu())
        elif not action.isSeparator():
            found_.append(action)
    return found_


def test_every_command_is_in_a_menu_and_every_entry_does_something(opened):
    window = opened._window
    shown = {action for menu in window.menus.values() for action in entries(menu)}
    ours = {window.actions_[command.id] for command in COMMANDS}
    panels = {dock.toggleViewAction() for dock in window.desk.docks.values()}
    assert ours <= shown
    assert shown - ours - panels == set()


def test_every_command_runs(opened, qtbot):
    window = opened._window
    for command in sorted(COMMANDS, key=lambda each: each.id == "quit"):
        if opened.session.state.recording is None:
            opened.session.open(SampleRecording(2))
        window.actions_[command.id].setEnabled(True)
        window.run(command)
        qtbot.wait(1)
        assert window.notice.kind != "error" or not window.notice.text, f"{command.id}: {window.notice.text}"
        for dialog in window.findChildren(QDialog):
            dialog.reject()
        window.notice.hide()
        if window.isFullScreen():
            window.showNormal()
    assert not window.isVisible()


def test_every_key_triggers_its_command_and_no_other(opened):
    window = opened._window
    window.chosen.disconnect(opened.do)
    ran = []
    window.chosen.connect(lambda command: ran.append(command.id))
    window.graph.setFocus()
    for command in COMMANDS:
        for key in command.keys:
            for each in COMMANDS:
                window.actions_[each.id].setEnabled(True)
            ran.clear()
            (pressed,) = QKeySequence(key)
            QTest.keyClick(window.graph, pressed.key(), pressed.keyboardModifiers())
            assert ran == [command.id], key
    window.chosen.connect(opened.do)


def test_slash_goes_to_the_filter_where_it_is_typed_itself(opened, qtbot):
    window = opened._window
    window.activateWindow()
    window.desk.docks["events"].hide()
    for panel in ("graph", "events", "op-ribbon"):
        window.desk.views[panel].setFocus()
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Slash)
        field = window.desk.views["events"].filter
        assert field.hasFocus(), panel
        QTest.keyClick(field, Qt.Key.Key_Slash)
        assert field.text() == "/"
        field.clear()


def test_commands_move_the_session(opened):
    moved = {
        "next-event": "position",
        "next-step": "step",
        "play": "play",
        "faster": "speed",
        "loop": "loop",
        "flow-down": "view",
    }
    for command, what in moved.items():
        before = getattr(opened.session.state, what)
        opened._window.run(BY_ID[command])
        assert getattr(opened.session.state, what) != before, command


def test_checked_commands_show_the_state(opened):
    actions = opened._window.actions_
    for command in ("mode-tensors", "halves-forward", "flow-down", "measure-max", "log-loss", "reduced-motion", "loop"):
        before = actions[command].isChecked()
        opened._window.run(BY_ID[command])
        assert actions[command].isChecked() is not before
    opened.session.play_pause()
    assert actions["play"].isChecked()
    assert opened.session.state.play is Play.PLAYING


def test_commands_that_need_a_step_are_off_without_one(shell):
    actions = shell._window.actions_
    assert not actions["next-event"].isEnabled()
    assert not actions["export-image"].isEnabled()
    assert not actions["stop"].isEnabled()
    assert actions["open"].isEnabled()


def test_the_palette_finds_by_words_and_ranks_beginnings_first():
    assert found("next ev")[0].id == "next-event"
    assert found("zoom")[0].id == "zoom-in"
    assert {command.id for command in found("learn")} >= {"layout-learn"}
    assert found("nothing of the kind") == []
    assert len(found("")) == len(COMMANDS)


def test_the_palette_runs_what_is_marked(opened, qtbot):
    opened._window.run(BY_ID["palette"])
    palette = next(d for d in opened._window.findChildren(QDialog) if d.objectName() == "palette")
    qtbot.waitUntil(palette.isVisible)
    qtbot.keyClicks(palette.field, "next ev")
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert opened.session.state.position == 1


def test_the_palette_moves_with_the_arrows_and_offers_only_what_can_be_done(shell, qtbot):
    shell._window.run(BY_ID["palette"])
    palette = next(d for d in shell._window.findChildren(QDialog) if d.objectName() == "palette")
    offered = [palette.list.item(row).data(Qt.ItemDataRole.UserRole) for row in range(palette.list.count())]
    assert "next-event" not in offered
    assert "open" in offered
    qtbot.keyClick(palette.field, Qt.Key.Key_Down)
    assert palette.list.currentRow() == 1
    qtbot.keyClick(palette.field, Qt.Key.Key_Up)
    qtbot.keyClick(palette.field, Qt.Key.Key_Up)
    assert palette.list.currentRow() == 0


def test_the_key_sheet_lists_every_command_that_has_a_key(opened):
    listed = [command.id for menu in MENUS for command in bound_in(menu)]
    assert sorted(listed) == sorted(command.id for command in COMMANDS if command.keys)
    assert key_text(BY_ID["next-event"]) == "F10  ."


def test_copies_are_on_the_clipboard(opened, qtbot):
    for command in ("copy-window", "copy"):
        QApplication.clipboard().clear()
        opened._window.run(BY_ID[command])
        qtbot.waitUntil(lambda: not QApplication.clipboard().image().isNull())


def test_screenshots_are_saved(opened, tmp_path):
    opened._window.run(BY_ID["shot"])
    opened._window.run(BY_ID["shot-window"])
    names = sorted(file.name for file in (tmp_path / "pictures").iterdir())
    assert [name.split("-")[1] for name in names] == ["graph", "window"]
