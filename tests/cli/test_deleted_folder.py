"""A training whose working directory is deleted under it is recorded to its end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gradwalk.recording.reader import open_recording

TORCH = """
import torch
w, given = torch.ones(3, requires_grad=True), torch.ones(3)
def step(x):
    (w * x).square().sum().backward()
    w.grad = None
"""
NUMPY = """
import numpy as np
w, given = np.ones(3), np.ones(3)
def step(x):
    global w
    y = w * x
    loss = np.square(y).sum()
    grad_y = 2 * y
    grad_w = grad_y * x
    w = w - 0.01 * grad_w
"""
LOOP = """
import os
for number in range(16):
    if number == 3:
        os.rmdir(os.getcwd())
    exec(compile("x = given * 2", f"made_{number // 4}.py", "exec"), globals())
    step(x)
"""


@pytest.mark.parametrize("program", [TORCH, NUMPY], ids=["torch", "numpy"])
def test_the_training_is_recorded_to_its_end(tmp_path, program):
    script, run, work = tmp_path / "train.py", tmp_path / "run", tmp_path / "work"
    script.write_text(program + LOOP, encoding="utf-8")
    work.mkdir()
    command = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", str(run), str(script)]
    result = subprocess.run(command, cwd=work, env=os.environ.copy(), capture_output=True, text=True, check=False)
    assert (result.returncode, work.exists()) == (0, False), result.stderr
    with open_recording(run) as recording:
        assert [note for note in recording.notes if note.kind in ("fault", "off")] == []
        assert (len(recording), recording.ended) == (16, "clean")
        assert any(site.file == "made_3.py" for site in recording[15].graph.sites) == (program is TORCH)
