"""The examples with python alone: they run from any folder and their figures are those that they promise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments, cwd, **variables):
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **variables}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


def losses(result):
    assert result.returncode == 0, result.stderr
    pairs = [line.split() for line in result.stdout.splitlines()]
    assert [int(step) for step, _ in pairs] == list(range(len(pairs)))
    return [float(loss) for _, loss in pairs]


def test_numpy_by_hand_goes_to_nothing(tmp_path):
    loss = losses(run("numpy_by_hand.py", "--steps", "2500", "--seed", "0", cwd=tmp_path))
    assert 1e7 < loss[0] < 1e8
    assert loss[-1] < 1e-20


def test_the_mlp_learns_its_digits(tmp_path):
    loss = losses(run("mlp_digits.py", "--seed", "1", "--optimizer", "adam", "--steps", "250", cwd=tmp_path))
    assert len(loss) == 250
    assert 2.0 < loss[0] < 2.7
    assert sum(loss[-20:]) / 20 < 0.6


@pytest.mark.parametrize("name", ["numpy_by_hand.py", "custom_function.py"])
def test_no_cuda_is_one_sentence(tmp_path, name):
    result = run(name, "--device", "cuda", cwd=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
