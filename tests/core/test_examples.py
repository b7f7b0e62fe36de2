"""The examples with python alone: they run from any folder and their figures are those that they promise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize("name", ["numpy_by_hand.py", "autograd.py"])
def test_a_changed_weight_and_learning_rate_are_those_of_the_training(tmp_path, name):
    random = np.random.default_rng(3)
    shapes = (64, 1000), (64, 10), (1000, 100), (100, 10)
    x, y, w1, w2 = (random.standard_normal(shape, dtype=np.float32).astype(float) for shape in shapes)
    w1[3, 2], w2[0, 9] = 40, -7
    expected = []
    for _ in range(2):
        h = x @ w1
        out = np.maximum(h, 0) @ w2 - y
        expected.append((out**2).sum())
        grad = 2 * out @ w2.T * (h > 0)
        w1, w2 = w1 - 5e-7 * x.T @ grad, w2 - 5e-7 * np.maximum(h, 0).T @ (2 * out)
    changes = ("--lr", "5e-7", "--set", "w1[3,2]=40", "--set", "w2[0, 9]=-7")
    made = losses(run(name, "--device", "cpu", "--seed", "3", "--steps", "2", *changes, cwd=tmp_path))
    np.testing.assert_allclose(made, expected, rtol=1e-4)


def test_a_weight_that_is_not_there_is_one_sentence(tmp_path):
    result = run("numpy_by_hand.py", "--set", "w1[1000,0]=1", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.endswith("there is w1 [1000, 100] and w2 [100, 10]\n")
    assert len(result.stderr.splitlines()) == 1
