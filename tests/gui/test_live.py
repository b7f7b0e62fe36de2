"""Recordings that grow, trainings started in the window, and what is left when it closes: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradwalk.parent_watch import is_alive
from gradwalk.platform import python_module
from gradwalk.recording.info import run_info
from gradwalk.recording.writer import Writer
from gradwalk.sample import SampleRecording
from gradwalk_gui.commands import BY_ID
from gradwalk_gui.runs import Start, command_of, last_error, result_of, shorten
from gradwalk_gui.start_dialog import new_name
from gradwalk_gui.state import Play

LONG = 60_000
"""Milliseconds for a training process to import torch and begin, on a busy machine."""
GROW = """
import sys, time
from pathlib import Path
from gradwalk.recording.info import run_info
from gradwalk.recording.writer import Writer
from gradwalk.sample import sample_trace
folder, steps = Path(sys.argv[1]), int(sys.argv[2])
sys.stdin.readline()
writer = Writer(folder, run_info(device="cpu", script="grow.py"))
for step in range(steps):
    sys.stdin.readline()
    writer.add(sample_trace(step))
    writer.flush()
sys.stdin.readline()
writer.close("clean")
"""


class Other:
    """Another process that records a step whenever it is told to."""

    def __init__(self, folder: Path, steps: int) -> None:
        command = [sys.executable, "-c", GROW, str(folder), str(steps)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)

    def go(self) -> None:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(20)


def example(tmp_path: Path, name: str = "autograd", steps: int = 100_000) -> Start:
    return Start("example", name, str(tmp_path / new_name(name)), steps=steps, seed=0)


def script(tmp_path: Path, text: str, arguments: str = "") -> Start:
    file = tmp_path / "train.py"
    file.write_text(text)
    return Start("script", str(file), str(tmp_path / "run"), arguments)


def test_a_recording_that_another_process_writes_is_followed(shell, qtbot, tmp_path):
    folder = tmp_path / "grows"
    other = Other(folder, 3)
    shell.follower.await_recording(folder)
    assert shell.follower.waiting
    assert "waiting" in shell._window.status.text
    other.go()
    qtbot.waitUntil(lambda: shell.follower.recording is not None, timeout=LONG)
    assert shell._window.pages.currentWidget() is shell._window.waiting
    assert shell._window.waiting.heading.text() == "Waiting for the first step"
    for length in (1, 2, 3):
        other.go()
        qtbot.waitUntil(lambda length=length: shell.session.state.length == length, timeout=LONG)
        assert shell.session.state.step == length - 1
        assert shell.session.state.position == shell.session.state.events
    assert shell._window.pages.currentWidget() is shell._window.desk
    assert f"pid {other.process.pid}" in shell._window.status.text
    shell.session.play_pause()
    other.go()
    qtbot.waitUntil(lambda: "ended, 3 steps" in shell._window.status.text, timeout=LONG)
    other.end()
    assert shell.session.state.play is Play.PAUSED


def test_paused_at_the_first_event_while_the_recording_grows(shell, qtbot, tmp_path):
    folder = tmp_path / "grows"
    other = Other(folder, 2)
    shell.follower.await_recording(folder, follow=False)
    for _ in range(3):
        other.go()
    qtbot.waitUntil(lambda: shell.session.state.length == 2, timeout=LONG)
    assert (shell.session.state.step, shell.session.state.position) == (0, 0)
    assert shell.session.state.play is Play.PAUSED
    shell._window.run(BY_ID["follow"])
    assert shell.session.state.step == 1
    other.process.kill()
    other.process.wait()
    qtbot.waitUntil(lambda: "cut short" in shell._window.status.text, timeout=LONG)
    other.process.stdin.close()


def test_a_demo_is_started_followed_and_stopped(shell, qtbot, tmp_path):
    window = shell._window
    run = shell.trainings.begin(example(tmp_path))
    assert window.waiting.heading.text() == "Starting autograd"
    assert run.alive
    pid = run.pid
    qtbot.waitUntil(lambda: shell.session.state.length > 5, timeout=LONG)
    assert shell.session.state.play is Play.FOLLOWING
    assert shell.session.state.step == shell.session.state.length - 1
    assert window.pages.currentWidget() is window.desk
    assert window.actions_["stop"].isEnabled()
    assert window.live.text() == "LIVE"
    assert window.desk.transport._buttons["stop"].isVisible()
    before = shell.session.state.length
    qtbot.waitUntil(lambda: shell.session.state.length > before, timeout=LONG)
    window.run(BY_ID["stop"])
    qtbot.waitUntil(lambda: not run.alive, timeout=LONG)
    assert not is_alive(pid)
    assert shell.trainings.result.sentence == "autograd was stopped"
    assert "was stopped" in window.desk.views["log"].status.text()
    qtbot.waitUntil(lambda: shell.follower.recording.ended == "stopped", timeout=LONG)
    assert not window.actions_["stop"].isEnabled()
    qtbot.waitUntil(lambda: not window.desk.transport._buttons["stop"].isVisible())
    assert "stopped" in window.status.text
    assert window.live.text() == "Follow live"
    assert shell.session.state.play is Play.PAUSED


def test_a_demo_runs_to_its_end_and_its_output_is_in_the_log(shell, qtbot, tmp_path):
    run = shell.trainings.begin(example(tmp_path, steps=12))
    qtbot.waitUntil(lambda: shell.trainings.result is not None, timeout=LONG)
    assert not run.alive
    assert shell.trainings.result.sentence == "autograd has ended"
    qtbot.waitUntil(lambda: shell.session.state.length == 12, timeout=LONG)
    losses = shell.session.state.recording.losses()
    assert losses[0] > losses[11]
    assert "11 " in shell._window.desk.views["log"].text.toPlainText()


def test_a_script_gets_its_arguments_and_its_exception_is_shown(shell, qtbot, tmp_path):
    text = "import sys, torch\nprint('got', sys.argv[1:])\nw = torch.ones(2, requires_grad=True)\n"
    text += "(w * 2).sum().backward()\nraise ValueError('no good')\n"
    shell.trainings.begin(script(tmp_path, text, "--epochs 3 'two words'"))
    qtbot.waitUntil(lambda: shell.trainings.result is not None, timeout=LONG)
    window = shell._window
    assert window.notice.text == "train.py ended with exit code 1: ValueError: no good"
    window.notice._more.click()
    log = window.desk.views["log"]
    qtbot.waitUntil(log.isVisible)
    assert "got ['--epochs', '3', 'two words']" in log.text.toPlainText()
    assert 'raise ValueError("no good")' in log.text.toPlainText().replace("'", '"')
    assert shell.session.state.length == 1


def test_a_script_without_a_training_says_so(shell, qtbot, tmp_path):
    shell.trainings.begin(script(tmp_path, "print('hello')\n"))
    qtbot.waitUntil(lambda: shell.trainings.result is not None, timeout=LONG)
    qtbot.waitUntil(lambda: shell._window.waiting.heading.text() != "Starting train.py", timeout=LONG)
    assert shell._window.waiting.bar.isHidden()
    shell.show_log()
    assert "hello" in shell._window.desk.views["log"].text.toPlainText()


def test_closing_the_window_ends_its_own_training_and_no_other(shell, qtbot, tmp_path):
    elsewhere = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    own = shell.trainings.begin(example(tmp_path))
    other = shell.trainings.begin(example(tmp_path, "function"))
    qtbot.waitUntil(lambda: shell.session.state.length > 0, timeout=LONG)
    pids = own.pid, other.pid
    assert all(is_alive(pid) for pid in pids)
    shell._window.close()
    assert not any(is_alive(pid) for pid in pids)
    assert elsewhere.poll() is None
    elsewhere.communicate(b"\n")


STARTER = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from gradwalk_gui import app, settings
from gradwalk_gui.runs import Start
qt = app.application()
window, shell = app.build(settings.Settings(), None)
window.populate()
window.show()
run = shell.trainings.begin(Start("example", "autograd", sys.argv[1], steps=1_000_000))
def tell():
    if shell.session.state.length:
        print(run.pid, flush=True)
        timer.stop()
timer = QTimer(interval=20)
timer.timeout.connect(tell)
timer.start()
qt.exec()
"""


def test_a_killed_app_takes_its_training_along(tmp_path):
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    app = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "run")], stdout=subprocess.PIPE, env=environment, cwd=tmp_path
    )
    pid = int(app.stdout.readline())
    assert is_alive(pid)
    app.kill()
    app.wait()
    app.stdout.close()
    until = time.monotonic() + 20
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(pid)


@pytest.mark.parametrize("name", ["missing.mcap", "empty", "broken.mcap"])
def test_a_bad_path_is_one_sentence_and_what_is_open_stays(opened, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.mcap").write_bytes(b"this is no recording at all")
    before = opened.session.state
    opened.open_path(str(tmp_path / name))
    text = opened._window.notice.text
    assert name in text
    assert "\n" not in text
    assert "Traceback" not in text
    assert opened.session.state == before


def test_opening_a_recording_shows_where_it_is_from(shell, recording):
    shell.open_path(str(recording / "run.json"))
    assert shell.session.state.length == 4
    assert (shell.session.state.step, shell.session.state.position) == (0, 0)
    assert "ended, 4 steps" in shell._window.status.text
    assert recording.name in shell._window.windowTitle()
    shell.close_recording()
    assert shell.session.state.recording is None
    assert shell._window.pages.currentWidget() is shell._window.welcome


# How a start becomes a command, and its end a sentence


def test_the_command_of_an_example_and_of_a_script():
    start = Start("example", "function", "/r", device="cuda", steps=7, seed=3, level="tensors")
    assert command_of(start) == [
        "demo", "--no-window", "--record", "/r", "--level", "tensors", "--device", "cuda", "--train-steps", "7", "--seed", "3",
        "function",
    ]  # fmt: skip
    start = Start("script", "/s/train.py", "/r", "--lr 0.1 'a b'", steps=5)
    assert command_of(start)[-5:] == ["5", "/s/train.py", "--lr", "0.1", "a b"]
    with pytest.raises(ValueError, match="quotation"):
        command_of(Start("script", "/s/train.py", "/r", "'open"))


def test_every_option_of_the_commands_is_known_to_the_command_line():
    for kind, name in (("example", "demo"), ("script", "run")):
        text = subprocess.run(python_module("gradwalk", name, "--help"), capture_output=True, text=True, check=True).stdout
        start = Start(kind, "autograd", "/r", steps=1, seed=1)
        assert all(word in text for word in command_of(start) if word.startswith("--"))


def test_how_it_ended_in_words():
    def told(code, **more):
        return result_of("train.py", code, **{"crashed": False, "stopped": False, "errors": "", **more})

    assert told(0).sentence == "train.py has ended"
    assert not told(0).failed
    assert told(1, stopped=True).sentence == "train.py was stopped"
    assert told(9, crashed=True).sentence == "train.py was ended by signal 9"
    errors = "Traceback (most recent call last):\n  File x\nRuntimeError: shapes\n  hint: transpose\ngradwalk: 3 steps recorded\n"
    assert told(1, errors=errors).sentence == "train.py ended with exit code 1: RuntimeError: shapes"
    assert last_error("torch.cuda.OutOfMemoryError: CUDA\n") == "torch.cuda.OutOfMemoryError: CUDA"
    assert last_error("Killed\n") == "Killed"


def test_a_flood_of_output_is_shortened():
    flood = shorten("x" * 1_000_000)
    assert len(flood) < 210_000
    assert "800,000 characters left out" in flood


def test_one_step_is_one(shell, qtbot, tmp_path):
    writer = Writer(tmp_path / "run", run_info(device="cpu", script="/somewhere/train.py"))
    writer.add(SampleRecording(1)[0])
    writer.close("clean")
    shell.open_path(str(tmp_path / "run"))
    qtbot.waitUntil(lambda: "ended, 1 step" in shell._window.status.text, timeout=LONG)
    assert "1 steps" not in shell._window.status.text
