"""Opening source in an editor: argument lists, nothing but local Python files, one sentence where it cannot be done."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gradwalk.sample import __file__ as sample_file
from gradwalk_gui import settings
from gradwalk_gui.editors import EDITORS, EditorError, command_of
from gradwalk_gui.preferences import Preferences

HERE = __file__


def find(*names):
    return lambda name: f"/bin/{name}" if name in names else None


@pytest.mark.parametrize(
    ("editor", "environment", "programs", "command"),
    [
        ("vscode", {}, ("code",), ["/bin/code", "-g", f"{HERE}:7"]),
        ("vscode", {"EDITOR": "kate"}, ("codium", "kate"), ["/bin/codium", "-g", f"{HERE}:7"]),
        ("pycharm", {}, ("charm",), ["/bin/charm", "--line", "7", HERE]),
        ("environment", {"EDITOR": "gedit --wait"}, ("gedit",), ["/bin/gedit", "--wait", "+7", HERE]),
        ("environment", {"VISUAL": "subl -n", "EDITOR": "vi"}, ("subl",), ["/bin/subl", "-n", f"{HERE}:7"]),
        ("environment", {"EDITOR": "code -w"}, ("code",), ["/bin/code", "-w", "-g", f"{HERE}:7"]),
        ("environment", {"EDITOR": "nvim"}, ("nvim", "xterm"), ["/bin/xterm", "-e", "/bin/nvim", "+7", HERE]),
        ("", {"EDITOR": "kate"}, ("kate", "code"), ["/bin/kate", "--line", "7", HERE]),
        ("", {}, ("pycharm",), ["/bin/pycharm", "--line", "7", HERE]),
    ],
)
def test_every_editor_has_its_arguments(editor, environment, programs, command):
    assert command_of(editor, HERE, 7, environment, find(*programs)) == command


@pytest.mark.parametrize(
    ("editor", "environment", "file", "sentence"),
    [
        ("vscode", {}, HERE, "VS Code was not found."),
        ("pycharm", {}, HERE, "PyCharm was not found."),
        ("environment", {}, HERE, "Neither $VISUAL nor $EDITOR is set."),
        ("environment", {"EDITOR": "gone -x"}, HERE, "gone, which $VISUAL or $EDITOR names, was not found."),
        ("environment", {"EDITOR": "'open"}, HERE, "$VISUAL or $EDITOR cannot be read: 'open"),
        ("environment", {"EDITOR": "vim"}, HERE, "vim runs in a terminal, and none was found"),
        ("", {}, HERE, "No editor was found: choose one under Preferences, or set $VISUAL."),
        ("vscode", {}, "/etc/passwd", "/etc/passwd is not a Python file on this machine."),
        ("vscode", {}, "-n.py", "-n.py is not a Python file on this machine."),
        ("vscode", {}, "//host/share/x.py", "is not a Python file on this machine."),
    ],
)
def test_what_cannot_be_opened_is_one_sentence(editor, environment, file, sentence):
    with pytest.raises(EditorError) as raised:
        command_of(editor, file, 1, environment, find("vim"))
    assert sentence in str(raised.value)


def test_the_button_opens_the_line_in_a_process_of_its_own(opened, tmp_path, monkeypatch, qtbot):
    """A real program is started as the editor; it writes down what it was given."""
    out, script = tmp_path / "given.txt", tmp_path / "editor.py"
    script.write_text(f"import sys, pathlib; pathlib.Path({str(out)!r}).write_text('\\n'.join(sys.argv[1:]))")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"'{sys.executable}' '{script}'")
    opened.session.go_to(0, 1)
    source = opened._window.desk.views["source"]
    QTest.mouseClick(source.header.editor, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: out.exists() and out.read_text() != "")
    line, file = out.read_text().splitlines()
    assert file == sample_file
    assert line == f"+{source._line}"
    assert source.code.marked_texts() == ["x.mm(w1)"]


def test_an_editor_that_is_not_there_is_said_in_the_notice_bar(opened, monkeypatch):
    monkeypatch.setenv("VISUAL", "no-such-editor")
    QTest.mouseClick(opened._window.desk.views["source"].header.editor, Qt.MouseButton.LeftButton)
    assert opened._window.notice.text == "no-such-editor, which $VISUAL or $EDITOR names, was not found."


def test_the_preference_is_chosen_by_key_kept_and_used(qtbot, opened, tmp_path):
    dialog = Preferences(opened.present_settings(), opened.apply_settings)
    qtbot.addWidget(dialog)
    dialog.show()
    for _ in range(2):
        QTest.keyClick(dialog.editor, Qt.Key.Key_Down)
    assert opened.session.state.editor == EDITORS[2][0] == "pycharm"
    file = tmp_path / "app.json"
    settings.save(opened.present_settings(), file)
    assert settings.load(file).editor == "pycharm"
    assert settings.from_json({"editor": "rm -rf"}).editor == ""
    dialog.restore()
    assert opened.session.state.editor == ""
    assert replace(opened.present_settings(), geometry="", docks="", recent=()) == settings.Settings(reduced_motion=False)
