"""Signals and the control path, on runs that are under way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from gradwalk import open_recording
from gradwalk.control import ControlClient

TRAINING = """
import sys, time
import torch
w = torch.ones(3, requires_grad=True)
try:
    for step in range(100_000):
        loss = (w * w).sum()
        loss.backward()
        with torch.no_grad():
            w -= 1e-6 * w.grad
            w.grad = None
        if step == 20:
            print("trains", flush=True)
        time.sleep(0.001)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(int(sys.argv[1])) if len(sys.argv) > 1 else None
    raise
finally:
    print("leaves", flush=True)
"""


@pytest.fixture
def training(write, tmp_path, environment):
    """Start a training that goes on until it is ended, and give its process when it has trained some steps."""
    started = []

    def start(*arguments, **how):
        write("train.py", TRAINING)
        command = [sys.executable, "-m", "gradwalk", "run", "--record", "run", "train.py", *arguments]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how
        )
        started.append(process)
        assert process.stdout.readline() == "trains\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ended(tmp_path):
    with open_recording(tmp_path / "run") as recording:
        return recording.ended, len(recording)


@pytest.mark.parametrize("how", ["SIGINT", "stop"])
def test_an_interrupt_ends_the_script_as_under_python_and_closes_the_recording(training, tmp_path, how):
    process = training()
    assert json.loads((tmp_path / "run/control.json").read_text(encoding="utf-8"))["pid"] == process.pid
    with ControlClient(tmp_path / "run") as client:
        status = client.status()
        assert status["pid"] == process.pid
        assert status["steps"] > 0
        assert status["device"] == "cpu"
        if how == "stop":
            client.stop()
        else:
            process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert out == "interrupted\nleaves\n"
    assert process.returncode == -signal.SIGINT
    assert errors.splitlines()[-2] == "KeyboardInterrupt"
    assert "core/gradwalk" not in errors
    why, steps = ended(tmp_path)
    assert why == "stopped"
    assert steps >= status["steps"]
    assert not (tmp_path / "run/control.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script is needed for it")
def test_a_script_that_was_started_deaf_to_interrupts_can_be_stopped_but_not_interrupted(training, tmp_path):
    process = training(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    with ControlClient(tmp_path / "run") as client:
        process.send_signal(signal.SIGINT)
        assert client.status()["pid"] == process.pid, "as under python"
        client.stop()
    out, errors = process.communicate(timeout=60)
    assert (out, process.returncode) == ("interrupted\nleaves\n", -signal.SIGINT)
    assert errors.splitlines()[-2] == "KeyboardInterrupt"
    assert ended(tmp_path)[0] == "stopped"


def test_a_script_that_catches_the_interrupt_ends_as_it_likes(training, tmp_path):
    process = training("5")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 5
    assert ended(tmp_path)[0] == "error"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_leaves_a_recording_that_opens(training, tmp_path, number):
    process = training()
    time.sleep(0.3)
    process.send_signal(number)
    assert process.wait(timeout=60) == -number
    why, steps = ended(tmp_path)
    assert why is None
    assert steps > 20
    os.rename(tmp_path / "run", tmp_path / "moved")
    with open_recording(tmp_path / "moved") as recording:
        assert recording[len(recording) - 1].loss == pytest.approx(3.0, rel=0.1)
