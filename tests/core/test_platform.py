"""Where systems differ: is there a screen, private files, programs that live on their own."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import time

import pytest

from gradwalk.device import Cuda, probe_cuda
from gradwalk.platform import has_display, is_private, python_code, python_module, start_detached, write_private

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 and Wayland")


@linux
def test_no_variable_no_display():
    assert not has_display({})
    assert not has_display({"DISPLAY": ""})
    assert not has_display({"DISPLAY": "nonsense"})
    assert not has_display({"DISPLAY": ":93417"})
    assert not has_display({"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": "/nowhere"})


@linux
def test_a_display_is_one_that_answers(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "wayland-9"))
        environment = {"WAYLAND_DISPLAY": "wayland-9", "XDG_RUNTIME_DIR": str(tmp_path)}
        assert not has_display(environment)
        server.listen(1)
        assert has_display(environment)
        assert not has_display({**environment, "GRADWALK_NO_WINDOW": "1"})
        assert not has_display({**environment, "QT_QPA_PLATFORM": "offscreen"})


@linux
def test_an_x_display_on_an_abstract_socket():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("\0/tmp/.X11-unix/X83417")
        server.listen(1)
        assert has_display({"DISPLAY": ":83417.0"})


def test_a_private_file_is_whole_and_for_this_user(tmp_path):
    file = tmp_path / "secret"
    write_private(file, "one")
    write_private(file, "two")
    assert file.read_text(encoding="utf-8") == "two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert is_private(file)
    file.chmod(0o640)
    assert not is_private(file)
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_python_does_not_import_from_the_current_folder(tmp_path):
    (tmp_path / "platform.py").write_text("raise SystemExit('wrong module')", encoding="utf-8")
    code = "import platform, sys; print(sys.argv[1:])"
    for command in (python_code(code, "a"), python_module("platform")):
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, "")


def test_a_detached_program_is_nobodys_child(tmp_path):
    out = tmp_path / "out"
    code = "import os, sys; at = sys.argv[1]; open(at + '.part', 'w').write(str(os.getppid())); os.replace(at + '.part', at)"
    start_detached(python_code(code, str(out)))
    until = time.monotonic() + 30
    while not out.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert int(out.read_text(encoding="utf-8")) != os.getpid()


def test_cuda_is_looked_for_by_a_child(monkeypatch):
    answer = probe_cuda()
    assert "torch" not in sys.modules or answer.available == sys.modules["torch"].cuda.is_available()
    assert answer.available == bool(answer.name)
    assert answer.available != bool(answer.reason)
    assert probe_cuda(timeout=0.01) == Cuda(
        False, reason="PyTorch did not say within 0.01 seconds whether there is a CUDA device"
    )
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert "could not be started" in probe_cuda().reason
