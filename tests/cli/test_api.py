"""``with gradwalk.record(...)`` inside a program; all of it is checked in one process, since torch is slow to import."""

from __future__ import annotations

import pytest

from gradwalk import open_recording

PROGRAM = """
import threading
import torch
from torch.overrides import _get_current_function_mode_stack
import gradwalk

def train(steps, w):
    for step in range(steps):
        loss = (w * w).sum()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    return loss.item()

plain = train(4, torch.ones(3, requires_grad=True))
torch.manual_seed(5)
before = torch.get_rng_state()
with gradwalk.record("first") as run:
    assert train(4, torch.ones(3, requires_grad=True)) == plain
    with gradwalk.record("inner") as inner:
        assert inner.folder == run.folder
    assert run.steps >= 3
assert torch.equal(torch.get_rng_state(), before)
assert run.steps == 4
assert len(_get_current_function_mode_stack()) == 0
train(2, torch.ones(3, requires_grad=True))
assert run.steps == 4

try:
    with gradwalk.record("second", every=2, steps=3):
        train(5, torch.ones(3, requires_grad=True))
        torch.ones(2, requires_grad=True) @ torch.ones(3)
except RuntimeError as error:
    print("passed:", type(error).__name__)

def threaded():
    with gradwalk.record("third"):
        train(3, torch.ones(2, requires_grad=True))
thread = threading.Thread(target=threaded)
thread.start()
thread.join()

try:
    with gradwalk.record("first"):
        print("never")
except gradwalk.api.RefusalError as error:
    print("refused:", error)
for wrong in ({"level": "much"}, {"every": 0}, {"steps": 0}):
    try:
        with gradwalk.record("fourth", **wrong):
            print("never")
    except ValueError:
        pass
with gradwalk.record() as run:
    pass
print(run.folder.parent, threading.active_count())
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    import os
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("api")
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    result = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return folder, result


def test_what_the_program_sees(recorded):
    _, result = recorded
    lines = result.stdout.splitlines()
    assert lines[0] == "passed: RuntimeError"
    assert lines[1].startswith("refused: first already holds a recording")
    assert lines[2:] == ["gradwalk-runs 1"]


def test_what_is_recorded(recorded):
    folder, _ = recorded
    with open_recording(folder / "first") as recording:
        assert (len(recording), recording.ended, recording.info.kind) == (4, "clean", "torch")
        assert recording[0].loss == 3.0
    with open_recording(folder / "second") as recording:
        assert recording.step_numbers().tolist()[:2] == [0, 2]
        assert recording.ended == "error"
        assert "RuntimeError" in recording.error.message
    with open_recording(folder / "third") as recording:
        assert len(recording) == 3
    assert not (folder / "inner").exists()
    assert not (folder / "fourth").exists()
