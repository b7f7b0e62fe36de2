"""Ctrl+S: a copy of the open recording, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog

from gradwalk.recording import copying
from gradwalk.recording.reader import open_recording
from gradwalk_gui.commands import BY_ID
from gradwalk_gui.shell import Shell


def saved(shell: Shell, qtbot, target: Path) -> str:
    """Ask for a copy, type its name, and wait; what the window says."""
    shell._window.notice.hide()
    shell._window.run(BY_ID["save-copy"])
    dialog = next(each for each in shell._window.findChildren(QFileDialog) if each.isVisible())
    dialog.selectFile(str(target))
    dialog.accept()
    qtbot.waitUntil(lambda: shell._window.notice.isVisible())
    return shell._window.notice.text


def test_a_copy_opens_as_the_recording_does(shell: Shell, recording: Path, tmp_path: Path, qtbot):
    (recording / "notes.txt").write_text("not of the recording")
    shell.open_path(str(recording))
    target = tmp_path / "kept here"
    assert saved(shell, qtbot, target) == f"A copy of the recording is saved in {target}."
    assert {file.name: file.read_bytes() for file in target.iterdir()} == {
        name: (recording / name).read_bytes() for name in ("run.json", "rank00000.0000.mcap")
    }
    with open_recording(target) as copy, open_recording(recording) as original:
        assert list(copy.step_numbers()) == list(original.step_numbers())
    assert [file.name for file in tmp_path.iterdir() if file.name.endswith(".part")] == []


def test_a_single_file_is_copied_as_a_file(shell: Shell, recording: Path, tmp_path: Path, qtbot):
    file = recording / "rank00000.0000.mcap"
    shell.open_path(str(file))
    saved(shell, qtbot, tmp_path / "one.mcap")
    assert (tmp_path / "one.mcap").read_bytes() == file.read_bytes()


def test_nothing_is_overwritten(shell: Shell, recording: Path, tmp_path: Path, qtbot):
    shell.open_path(str(recording))
    (tmp_path / "taken.mcap").write_text("mine")
    assert "choose another name" in saved(shell, qtbot, tmp_path / "taken.mcap")
    assert (tmp_path / "taken.mcap").read_text() == "mine"


def test_a_copy_that_is_given_up_or_fails_leaves_nothing(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(copying, "PIECE", 1 << 10)
    heard = []

    def told(done: int, whole: int) -> bool:
        heard.append((done, whole))
        return len(heard) < 3

    before = sorted(tmp_path.iterdir())
    with pytest.raises(copying.CopyStoppedError):
        copying.copy_recording(recording, tmp_path / "half", told)
    assert 0 < heard[-1][0] < heard[-1][1]
    with pytest.raises(copying.RecordingError, match="cannot be written"):
        copying.copy_recording(recording, tmp_path / "no such folder" / "copy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(copying.RecordingError, match="no recording in this folder"):
        copying.copy_recording(tmp_path / "empty", tmp_path / "copy")
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "empty"])


def test_without_a_recording_there_is_nothing_to_save(shell: Shell):
    assert not shell._window.actions_["save-copy"].isEnabled()
    assert shell.others.copies.ask() is None
    assert shell._window.notice.text == "There is no recording to save a copy of."
