"""Breakpoints are kept from one start of the window to the next, for each program; kept ones hold no training by themselves."""

from __future__ import annotations

import json

import pytest
from held import TWO_LAYERS, Training
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gradwalk.gate import Breakpoint
from gradwalk.recording.info import run_info
from gradwalk.recording.writer import Writer
from gradwalk.sample import SampleRecording
from gradwalk_gui import app, settings
from gradwalk_gui.kept_stops import LONGEST, MOST, MOST_PROGRAMS, remember, remembered
from gradwalk_gui.preferences import Preferences
from gradwalk_gui.views.breakpoints import EMPTY, RESTS


def recorded(folder, script):
    writer = Writer(folder, run_info(device="cpu", script=script))
    for step in range(2):
        writer.add(SampleRecording(2)[step])
    writer.close("clean")
    return folder


@pytest.fixture
def start(qtbot, tmp_path, monkeypatch, discard):
    """Starts the app anew, with the settings that the one before has saved."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "app.json"
    windows = []

    def start(path):
        end()
        window, shell = app.build(settings.load(file), file)
        windows.append(window)
        window.populate()
        window.desk.arrange("Debug")
        window.show()
        qtbot.waitExposed(window)
        shell.session.set(reduced_motion=True)
        shell.follower.open(path)
        qtbot.waitUntil(lambda: window.desk.isVisible() and shell.session.state.trace is not None)
        window.activateWindow()
        window.graph.setFocus()
        qtbot.waitUntil(window.isActiveWindow)
        return shell, window.desk.views["breakpoints"]

    def end():
        while windows:
            discard(windows.pop())

    yield start
    end()


def test_a_programs_breakpoints_come_back_with_the_next_recording_of_its_script_alone(start, tmp_path, qtbot):
    one, again = recorded(tmp_path / "one", "/no/such/train.py"), recorded(tmp_path / "again", "/no/such/train.py")
    other = recorded(tmp_path / "other", "/no/such/other.py")
    shell, view = start(one)
    assert shell.session.state.breakpoints == ()
    QTest.keyClick(shell._window.graph, Qt.Key.Key_F9)
    view.field.setText("$grad(rms>1e3)")
    view.add()
    shell._window.desk.show_dock("breakpoints")
    view.list.setCurrentRow(0)
    view.list.setFocus()
    QTest.keyClick(view.list, Qt.Key.Key_Space)
    first, second = wanted = shell.session.state.breakpoints
    assert (first.enabled, second) == (False, Breakpoint("$grad(rms>1e3)", "after"))
    shell.follower.open(other)
    assert (shell.session.state.breakpoints, view.list.count()) == ((), 0)
    shell._window.graph.setFocus()
    QTest.keyClick(shell._window.graph, Qt.Key.Key_F9)

    shell, view = start(again)
    assert shell.session.state.breakpoints == wanted
    shell._window.desk.show_dock("breakpoints")
    qtbot.waitUntil(lambda: view.list.count() == 2)
    ticks = [view.list.item(row).checkState() == Qt.CheckState.Checked for row in range(view.list.count())]
    assert (ticks, view.list.item(1).text()) == ([False, True], "after  $grad(rms>1e3)")
    assert shell._window.status.text.count("1 breakpoint") == 1
    assert not view.hold.isVisible(), "there is no training that it could hold"
    shell.follower.open(other)
    assert len(shell.session.state.breakpoints) == 1
    shell._window.desk.show_dock("breakpoints")
    view.list.setCurrentRow(0)
    view.list.setFocus()
    assert view.list.hasFocus()
    QTest.keyClick(view.list, Qt.Key.Key_Delete)
    assert view.note.full_text() == EMPTY
    shell.close_recording()
    shell.follower.open(one)
    assert shell.session.state.breakpoints == wanted

    shell, _ = start(other)
    assert shell.session.state.breakpoints == ()
    shell._window.actions_["preferences"].trigger()
    shell._window.findChild(Preferences).restore()
    assert remembered(shell.present_settings().breakpoints, "/no/such/train.py") == wanted, "they are no preferences"


@pytest.fixture
def train(tmp_path):
    run = Training(tmp_path, TWO_LAYERS, "4000")
    yield run
    run.link.close()
    run.process.kill()
    run.process.communicate()


def test_what_was_kept_holds_a_training_only_once_that_is_asked_for(start, train, tmp_path, qtbot):
    kept = remember((), str(train.script), (Breakpoint("$op(sum)"),))
    settings.save(settings.Settings(breakpoints=kept), tmp_path / "app.json")
    qtbot.waitUntil(lambda: train.tell("status")["steps"] > 2, timeout=20_000)
    shell, view = start(train.run)
    session, window = shell.session, shell._window
    steps = session.state.length
    qtbot.waitUntil(lambda: session.state.length > steps + 3, timeout=20_000)
    assert (session.state.breakpoints, session.state.held) == ((Breakpoint("$op(sum)"),), None)
    QTest.keyClick(window.graph, Qt.Key.Key_F5)
    assert session.state.position > 0, "on the record they stop the playhead"
    assert "1 breakpoint, the training is not held at it" in window.status.text
    window.desk.show_dock("breakpoints")
    assert (view.note.full_text(), view.note.isVisible(), view.hold.isVisible()) == (RESTS, True, True)
    QTest.mouseClick(view.hold, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.state.held is not None, timeout=20_000)
    assert session.state.held.why == "breakpoint $op(sum)"
    assert not view.hold.isVisible()
    window.actions_["detach"].trigger()
    shell.follower.open(train.run)
    assert not session.state.resting, "it was asked for in this start of the app"
    qtbot.waitUntil(lambda: session.state.held is not None, timeout=20_000)

    shell, view = start(train.run)
    assert shell.session.state.resting
    shell._window.desk.show_dock("breakpoints")
    qtbot.waitUntil(lambda: view.list.count() == 1)
    shell._window.actions_["pause"].trigger()
    qtbot.waitUntil(lambda: shell.session.state.held is not None, timeout=20_000)
    assert not shell.session.state.resting


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, "[1, []]", '["a"]', '["/a.py", {}]', '["/a.py", [[1, "before", true]]]',
     '["/a.py", [["$op(", "before", true], ["mm", "during", true], ["mm", "after", 1], ["$nan()", "before", true], [""]]]'],
)  # fmt: skip
def test_what_is_damaged_is_no_breakpoint(text):
    assert remembered((text, "?"), "/a.py") == ()
    kept = remember((text,), "/a.py", (Breakpoint("$op(mm)", "after", False),))
    assert remembered(kept, "/a.py") == (Breakpoint("$op(mm)", "after", False),)


def test_of_many_programs_the_last_are_remembered():
    texts: tuple[str, ...] = ()
    for number in range(MOST_PROGRAMS + 3):
        texts = remember(texts, f"/{number}.py", (Breakpoint("$op(mm)"), Breakpoint("x" * (LONGEST + 1))))
    assert len(texts) == MOST_PROGRAMS
    assert json.loads(texts[0])[0] == f"/{MOST_PROGRAMS + 2}.py"
    assert remembered(texts, f"/{MOST_PROGRAMS}.py") == (Breakpoint("$op(mm)"),)
    assert remembered(remember(texts, "/5.py", ()), "/5.py") == ()
    assert len(remembered(remember((), "/5.py", (Breakpoint("mm"),) * (MOST + 9)), "/5.py")) == MOST
