"""With a display the app is started beside the run, on its own; a stand-in for it says how."""

from __future__ import annotations

import json
import os
import socket
import time

import pytest

STAND_IN = """
import json, os, sys
print("noise")
print("noise", file=sys.stderr)
about = {"argv": sys.argv[1:], "parent": os.getppid(), "group": os.getpgid(0)}
at = os.environ["STAND_IN_SAYS"]
with open(at + ".part", "w") as file:
    json.dump(about, file)
os.replace(at + ".part", at)
sys.exit(3)
"""
SCRIPT = "import os, sys\nprint(os.getpid(), os.getpgid(0), sys.argv)\ninput()"


@pytest.fixture
def display(tmp_path, environment, write):
    """An environment in which a display answers, and ``gradwalk_gui`` is the stand-in."""
    write("fake/gradwalk_gui/__init__.py", "")
    write("fake/gradwalk_gui/__main__.py", STAND_IN)
    for name in ("GRADWALK_NO_WINDOW", "QT_QPA_PLATFORM"):
        environment.pop(name, None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        path = f"/tmp/gw-test-{os.getpid()}"
        server.bind(path)
        server.listen(4)
        environment.update(
            {"WAYLAND_DISPLAY": path, "PYTHONPATH": str(tmp_path / "fake"), "STAND_IN_SAYS": str(tmp_path / "said.json")}
        )
        yield
        os.unlink(path)


def said(tmp_path):
    until = time.monotonic() + 30
    while not (tmp_path / "said.json").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))


def test_a_window_beside_a_run(display, write, gradwalk, tmp_path):
    write("script.py", SCRIPT)
    result = gradwalk("run", "--record", "run", "script.py", "a", input="\n")
    assert result.returncode == 0
    pid, group, argv = result.stdout.split(maxsplit=2)
    assert argv == "['script.py', 'a']\n"
    assert "noise" not in result.stdout + result.stderr
    about = said(tmp_path)
    assert about["argv"] == [str(tmp_path / "run"), "--follow"]
    assert about["parent"] != int(pid)
    assert about["group"] != int(group)


def test_a_demo_opens_it_paused_and_draws_no_pictures(display, gradwalk, tmp_path):
    result = gradwalk("demo", "numpy", "--train-steps", 2, "--record", "run", "--pictures", "out")
    assert result.returncode == 0, result.stderr
    assert said(tmp_path)["argv"] == [str(tmp_path / "run"), "--paused"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change", [{"GRADWALK_NO_WINDOW": "1"}, {"QT_QPA_PLATFORM": "offscreen"}, {"WAYLAND_DISPLAY": "/nowhere"}]
)
def test_no_window_where_none_is_wanted(display, write, gradwalk, tmp_path, change):
    write("script.py", "print(1)")
    assert gradwalk("run", "script.py", env=change).stdout == "1\n"
    assert gradwalk("run", "--no-window", "script.py").stdout == "1\n"
    time.sleep(0.3)
    assert not (tmp_path / "said.json").exists()
