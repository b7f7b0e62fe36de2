"""The app as a process: exit codes, sentences, no torch, and the window rendered without a screen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QImage

from gradwalk_gui import app, display

DRIVE = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from gradwalk_gui import app
def look():
    window = next((w for w in QApplication.topLevelWidgets() if w.objectName() == "window"), None)
    if window is None or not {ready}:
        QTimer.singleShot(20, look)
        return
    print({say}, flush=True)
    window.close()
original = app._after_first_show
def after(*arguments):
    original(*arguments)
    look()
app._after_first_show = after
code = app.main(sys.argv[1:])
print("torch" in sys.modules)
sys.exit(code)
"""


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    return {**clean, "XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path), **more}


def start(tmp_path: Path, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gradwalk_gui", *map(str, arguments)]
    return subprocess.run(command, env=environment(tmp_path, **more), capture_output=True, text=True, timeout=60, check=False)


def drive(tmp_path: Path, ready: str, say: str, *arguments: object) -> list[str]:
    command = [sys.executable, "-c", DRIVE.format(ready=ready, say=say), *map(str, arguments)]
    more = environment(tmp_path, QT_QPA_PLATFORM="offscreen")
    done = subprocess.run(command, env=more, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
@pytest.mark.parametrize("more", [{}, {"DISPLAY": ":987"}], ids=["no DISPLAY", "a DISPLAY that is not there"])
def test_without_a_display_it_says_so_and_exits_2(tmp_path, more):
    done = start(tmp_path, **more)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "display" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the names are Debian's")
def test_missing_libraries_are_named_by_their_debian_packages(monkeypatch):
    monkeypatch.setitem(display.ALWAYS, "libnothing-of-the-kind.so.9", "libnothing9")
    assert display.problem({"QT_QPA_PLATFORM": "offscreen"}).endswith("apt-get install libnothing9")
    monkeypatch.delitem(display.ALWAYS, "libnothing-of-the-kind.so.9")
    assert display.problem({"QT_QPA_PLATFORM": "offscreen"}) == ""
    assert "xvfb" in display.problem({})
    assert display.problem({"WAYLAND_DISPLAY": "wayland-0"}) == ""


@pytest.mark.parametrize("name", ["missing", "empty", "broken.mcap"])
def test_a_bad_path_is_one_sentence_and_exit_2(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.mcap").write_bytes(b"this is no recording at all")
    done = start(tmp_path, tmp_path / name, QT_QPA_PLATFORM="offscreen")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert name in done.stderr


def test_unknown_options_are_exit_2(tmp_path):
    assert start(tmp_path, "--sideways", QT_QPA_PLATFORM="offscreen").returncode == 2
    assert start(tmp_path, "x", "--paused", "--follow", QT_QPA_PLATFORM="offscreen").returncode == 2


def test_the_welcome_page_without_torch(tmp_path):
    lines = drive(tmp_path, "window.desk.populated", "window.pages.currentWidget().objectName()")
    assert lines == ["welcome", "False"]


def test_a_recording_is_opened_paused_or_followed_in_a_theme(tmp_path, recording):
    ready = "window.session.state.trace is not None"
    say = "window.session.state.step, window.session.state.position, window.session.state.play.value, window.theme.name"
    assert drive(tmp_path, ready, say, recording, "--theme", "dark") == ["0 0 paused dark", "False"]
    assert drive(tmp_path, ready, say, recording, "--paused")[0] == "0 0 paused dark"
    step, position, play, _ = drive(tmp_path, ready, say, recording, "--follow", "--reset")[0].split()
    assert (step, position != "0", play) == ("3", True, "paused")  # it has ended: nothing to follow, but its end is shown


READY = """
import sys
from gradwalk_gui import app
original = app._after_first_show
def after(*arguments):
    original(*arguments)
    print("ready", flush=True)
app._after_first_show = after
sys.exit(app.main([]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_terminal_can_end_it_and_the_settings_are_saved(tmp_path, number):
    more = environment(tmp_path, QT_QPA_PLATFORM="offscreen")
    running = subprocess.Popen([sys.executable, "-c", READY], env=more, stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "ready\n"
    running.send_signal(number)
    assert running.wait(20) == 0
    running.stdout.close()
    assert (tmp_path / "config" / "gradwalk" / "app.json").exists()


def test_a_run_folder_is_about_to_record_only_while_its_run_lives(tmp_path):
    assert not app.is_about_to_start(tmp_path)
    (tmp_path / "control.json").write_text(f'{{"pid": {os.getpid()}}}')
    assert app.is_about_to_start(tmp_path)
    (tmp_path / "rank00000.0000.mcap").write_bytes(b"")
    assert not app.is_about_to_start(tmp_path)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_window_is_rendered_without_a_screen(tmp_path, recording, theme):
    picture = tmp_path / "window.png"
    text = "import sys; from gradwalk_gui.app import render_window; render_window(*sys.argv[1:])"
    more = environment(tmp_path)
    subprocess.run([sys.executable, "-c", text, str(recording), str(picture), theme], env=more, check=True, timeout=60)
    image = QImage(str(picture))
    assert (image.width(), image.height()) == (1440, 900)
    ground = image.pixelColor(700, 20)
    assert (ground.lightness() < 60) is (theme == "dark")
    colours = {QColor(image.pixel(x, y)).name() for x in range(0, 1440, 3) for y in range(0, 900, 3)}
    assert len(colours) > 200
    assert not (tmp_path / "config").exists()


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path, recording):
    text = "import sys; from gradwalk_gui.app import render_window; render_window(*sys.argv[1:])"
    command = [sys.executable, "-c", text, str(recording), str(tmp_path / "no" / "window.png")]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert "OSError" in done.stderr
    assert "cannot be written" in done.stderr
