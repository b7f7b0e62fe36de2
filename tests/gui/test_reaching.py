"""The window and a training in another process that was not started by it: attach, the next step in full."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from gradwalk.recording.reader import Recording
from gradwalk_gui.running import Running, RunningList, age, running_in
from gradwalk_gui.shell import Shell
from gradwalk_gui.state import Play
from gradwalk_gui.theme import LIGHT
from gradwalk_gui.views.ribbon_step import kept_colours

LONG = 60_000
TRAIN = """
import sys
import torch
import gradwalk
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(8, 2200), torch.nn.ReLU(), torch.nn.Linear(2200, 1))
with gradwalk.record("gradwalk-runs/here", wait_for_app=True):
    print("begun", flush=True)
    for line in sys.stdin:
        for step in range(int(line)):
            net.zero_grad()
            net(torch.ones(4, 8)).sum().backward()
        print("done", flush=True)
"""


class Training:
    """A training that takes so many steps as it is told."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", TRAIN]
        pipe = subprocess.PIPE
        self.folder = folder / "gradwalk-runs" / "here"
        self.process = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def go(self, steps: int) -> None:
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self) -> int:
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(30)


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    made = Training(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.end()


def attach(shell: Shell, qtbot, key: Callable[[], object]) -> RunningList:
    key()
    qtbot.waitUntil(lambda: bool(shell._window.findChildren(RunningList)))
    return shell._window.findChildren(RunningList)[-1]


def test_attach_lets_a_waiting_training_go_and_f12_keeps_its_next_step(shell: Shell, qtbot, training: Training):
    window = shell._window
    qtbot.waitUntil(lambda: bool(running_in(shell.places_of_runs())), timeout=LONG)
    dialog = attach(
        shell,
        qtbot,
        lambda: qtbot.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier),
    )
    assert dialog.list.item(0).text() == "here"
    qtbot.keyClick(dialog.field, Qt.Key.Key_Return)
    assert training.process.stdout.readline() == "begun\n"
    training.go(16)
    qtbot.waitUntil(lambda: shell.session.state.length >= 15, timeout=LONG)
    assert shell.session.state.play is Play.FOLLOWING
    qtbot.waitUntil(window.actions_["capture-step"].isEnabled)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.keyClick(window, Qt.Key.Key_F12)
    qtbot.waitUntil(lambda: window.status.text.count("the next step is kept in full") == 1)
    training.go(4)
    qtbot.waitUntil(lambda: "is kept in full" in window.status.text.replace("the next step is", ""), timeout=LONG)
    recording = shell.follower.recording
    assert isinstance(recording, Recording)
    step = int(window.status.text.split(" is kept")[0].rsplit(" ", 1)[1])
    assert step in (15, 16)
    whole = [key for key, kept in recording[step].tensors.items() if kept.data.nbytes == 8 * 2200 * 4]
    assert whole
    qtbot.waitUntil(lambda: step in window.desk.views["step-ribbon"].kept)
    assert training.end() == 0
    qtbot.waitUntil(lambda: not window.actions_["capture-step"].isEnabled(), timeout=LONG)
    assert "has ended" in window.actions_["capture-step"].toolTip()
    qtbot.waitUntil(lambda: shell.session.state.kept >= 15, timeout=LONG)  # the last eight come with the end
    assert "tensors kept" in window.desk.views["step-ribbon"].describe(len(recording) - 1)
    assert running_in(shell.places_of_runs()) == []


def test_what_cannot_be_asked_says_why(shell: Shell, recording: Path, qtbot):
    action = shell._window.actions_["capture-step"]
    assert (action.isEnabled(), action.toolTip()) == (False, "No recording is open.")
    shell.open_path(str(recording))
    assert not action.isEnabled()
    assert action.toolTip() == action.statusTip() == "This training has ended; only one that runs can keep its next step in full."
    shell.others.attach()
    assert shell._window.notice.text.startswith("No training is going on")


def test_a_folder_that_is_being_copied_is_followed(shell: Shell, recording: Path, tmp_path: Path, qtbot):
    source, copied = recording / "rank00000.0000.mcap", tmp_path / "copied"
    copied.mkdir()
    (copied / "run.json").write_bytes((recording / "run.json").read_bytes())
    data = source.read_bytes()
    file = copied / source.name
    shell.open_path(str(copied))
    assert shell.follower.recording is not None
    for part in (3, 2):
        file.write_bytes(data[: len(data) // part])
        shell.follower.poll()
    qtbot.waitUntil(lambda: shell.session.state.length > 0)
    file.rename(copied / "away")
    shell.follower.poll()
    shell.session.next_step()
    aside = copied / f".{source.name}.Qx7"
    aside.write_bytes(data)
    aside.replace(file)
    qtbot.waitUntil(lambda: shell.session.state.length == 4)
    assert shell.follower.recording.closed
    assert shell._window.notice.text == ""


def test_a_run_that_is_gone_is_not_listed(tmp_path: Path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "control.json").write_text('{"pid": 999999999}')
    assert running_in([tmp_path, folder]) == []


def test_the_list_is_searched_by_folder_program_and_pid(qtbot):
    runs = [Running(Path("/a/one"), "train.py", 41, 1240, 0.0), Running(Path("/a/two"), "other.py", 42, 1, 0.0)]
    chosen: list[Path] = []
    dialog = RunningList(runs, chosen.append, LIGHT)
    qtbot.addWidget(dialog)
    assert [entry.note.split("   ")[:2] for entry in dialog.entries("")] == [["pid 41", "1,240 steps"], ["pid 42", "1 step"]]
    assert [entry.text for entry in dialog.entries("other 42")] == ["two"]
    dialog.field.setText("other")
    dialog.choose()
    assert chosen == [Path("/a/two")]


@pytest.mark.parametrize(("seconds", "text"), [(-3, "0 s"), (59, "59 s"), (750, "12 min"), (7300, "2 h"), (2e5, "2 d")])
def test_an_age_has_one_unit(seconds: float, text: str):
    assert age(seconds) == text


@pytest.mark.parametrize(("steps", "width"), [(4, 100), (1000, 100), (7, 7)])
def test_steps_with_tensors_are_marked(steps: int, width: int):
    kept = np.array([0, steps // 2, steps - 1])
    marked = kept_colours(kept, steps, width, LIGHT) == QColor(LIGHT.accent).rgb()
    expected = {
        pixel
        for step in kept
        for pixel in range(step * width // steps, max((step + 1) * width // steps, step * width // steps + 1))
    }
    assert set(np.flatnonzero(marked)) == expected
