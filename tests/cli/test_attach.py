"""A running training that another process attaches to: it waits for that, keeps a step in full on request, and its last steps."""

from __future__ import annotations

import select
import subprocess
import sys
import time

import pytest

from gradwalk import open_recording
from gradwalk.control import ControlClient, ControlError

PROGRAM = """
import sys
import torch
import gradwalk

def train(steps, spoil=None, wait=False):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 2200), torch.nn.ReLU(), torch.nn.Linear(2200, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for step in range(steps):
        if wait:
            sys.stdin.readline()
        x = torch.randn(4, 8)
        if step == spoil:
            x[0, 0] = float("nan")
        optimizer.zero_grad()
        net(x).pow(2).mean().backward()
        optimizer.step()
        if wait:
            print(step, flush=True)

with gradwalk.record("live", pin=range(20, 22), wait_for_app=30) as run:
    print("begun", flush=True)
    train(45, wait=True)
with gradwalk.record("nan") as run:
    train(60, spoil=37)
with gradwalk.record("short", steps=5):
    train(3)
try:
    with gradwalk.record("raised"):
        train(35)
        torch.ones(2, requires_grad=True) @ torch.ones(3)
except RuntimeError:
    print("raised", flush=True)
"""
LARGE = 2200 * 8 * 4
"""Bytes of a weight that only a step in full keeps."""


def wait_for(what, seconds=30.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def drive(process, folder):
    """Attach, let it go on step by step, ask for a step; gives what was answered."""
    heard = {}

    def steps(first, last):
        for step in range(first, last):
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{step}\n"

    wait_for(lambda: (folder / "live" / "control.json").exists())
    with ControlClient(folder / "live") as client:
        assert client.status()["steps"] == 0
        time.sleep(0.2)
        heard["held"] = select.select([process.stdout], [], [], 0)[0] == []
        client.send("attach")
        assert process.stdout.readline() == "begun\n"
        steps(0, 37)
        heard["after"] = client.send("capture")["after"]
        steps(37, 41)
        heard["checked"] = client.send("check")["after"]
        steps(41, 42)
        client.send("check", step=43)
        for asked in ({"step": 3}, {"step": "next"}):
            with pytest.raises(ControlError) as refusal:
                client.send("check", **asked)
            heard.setdefault("refused", []).append(str(refusal.value))
        steps(42, 45)
    return heard


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """The folder, and what was asked and answered on the way."""
    folder = tmp_path_factory.mktemp("attach")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "-W", "error", "program.py"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            heard = drive(process, folder)
            out, heard["said"] = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out) == (0, "raised\n"), heard["said"]
    return folder, heard


def kept_whole(recording):
    """The numbers of the steps that keep the large weight."""
    numbers = recording.step_numbers()
    return {
        int(numbers[at])
        for at in recording.kept_steps()
        if any(kept.data.nbytes == LARGE for key, kept in recording[int(at)].tensors.items() if key[0] == "value")
    }


def test_the_first_step_waits_for_the_app(training):
    _, heard = training
    assert heard["held"]
    assert "gradwalk: waiting for the app, at most 30 s: gradwalk open live\n" in heard["said"]


def test_the_next_step_is_kept_in_full_when_asked_for_and_so_are_pinned_ones(training):
    folder, heard = training
    log_spaced = {0, 1, 2, 3, 4, 6, 7, 10, 13, 18, 24, 32, 42}
    with open_recording(folder / "live") as recording:
        whole = kept_whole(recording)
        assert len(recording) == 45
    asked = {20, 21, heard["after"] + 1, heard["checked"] + 1, 43}
    assert asked <= whole
    assert heard["after"] in (36, 37)
    assert whole <= log_spaced | asked


def test_steps_are_checked_when_asked_for(training):
    folder, heard = training
    assert heard["checked"] in (40, 41)
    with open_recording(folder / "live") as recording:
        assert recording.checked_steps().tolist() == [heard["checked"] + 1, 43]
        found = {recording[43].graph.ops[one.op].name: one.agrees for one in recording[43].verdicts}
        assert found == {"randn": None, "linear": True, "relu": True, "pow": True, "mean": True}
    first, second = heard["refused"]
    assert first.startswith("step 3 has begun already, and only one to come can be checked; step 4")
    assert second == 'what to check is {"step": its number}, or nothing for the next step'
    with pytest.raises(ControlError, match="no run is going on in"):
        ControlClient(folder / "live")


def test_the_first_nan_of_a_training_that_repeats_keeps_the_last_eight_steps(training):
    folder, _ = training
    with open_recording(folder / "nan") as recording:
        kept = set(recording.step_numbers()[recording.kept_steps()].tolist())
        assert next((note.step, note.kind) for note in recording.notes) == (37, "nan")
        assert recording[37].tensors
    assert set(range(30, 38)) <= kept
    assert not {25, 26, 27, 28} & kept  # 32 is log-spaced, so that it is not one of the eight


def test_an_exception_keeps_the_last_eight_steps(training):
    folder, _ = training
    with open_recording(folder / "raised") as recording:
        kept = set(recording.step_numbers()[recording.kept_steps()].tolist())
        assert recording[-1].error is not None
    assert set(range(27, 35)) <= kept
    assert not {19, 20, 21, 22, 23} & kept
