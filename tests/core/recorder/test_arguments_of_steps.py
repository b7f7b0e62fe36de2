"""Arguments that are no tensors are those of the step, also where its structure is that of another one."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import gradwalk
from gradwalk.reference.whole import check_step

STEPS = 12


def annealed(x, w, k):
    beta = 0.1 * k
    return ((x @ w).pow(2) * beta).mean()


def named(x, w, k):
    return F.leaky_relu(torch.clamp(x @ w, min=-0.1 * k - 0.1, max=2.0), negative_slope=0.01 * k).sum(dim=k % 2).mean()


def lists(x, w, k):
    return (x @ w).roll([k % 3], dims=(0,)).reshape((2, 6) if k % 2 else (6, 2))[k % 2, : k % 2 + 1].square().sum()


def last_batch(x, w, k):
    x = x[: 4 - k % 2]
    return (x.view(x.size(0), -1) @ w).sum() / x.size(0)


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, by):
        ctx.by = by
        return x * by

    @staticmethod
    def backward(ctx, g):
        return g * ctx.by, None


def custom(x, w, k):
    return Scale.apply(x @ w, float(k)).sum()


def run(program, folder, **options):
    torch.manual_seed(0)
    x, w = torch.randn(4, 3), torch.randn(3, 3, requires_grad=True)
    with gradwalk.record(folder, **options):
        for k in range(STEPS):
            program(x, w, k).backward()
            with torch.no_grad():
                w -= 1e-3 * w.grad
            w.grad = None
    return gradwalk.open_recording(folder)


def told(trace, name):
    return [dict(op.arguments) for op in trace.graph.ops if op.name == name]


@pytest.mark.parametrize("program", [annealed, named, lists, last_batch, custom])
def test_every_step_has_its_own_and_no_op_is_accused(program, tmp_path):
    with run(program, tmp_path / "run", level="tensors", check_steps=range(STEPS)) as recording:
        for trace in recording:
            assert [(trace.graph.ops[one.op].name, one.rows) for one in check_step(trace).wrong] == []
            assert [trace.graph.ops[one.op].name for one in trace.verdicts if one.agrees is False] == []


def test_steps_of_one_structure_share_its_graph(tmp_path):
    with run(annealed, tmp_path / "run") as recording:
        assert len({trace.graph.id for trace in recording}) == len({trace.graph.key for trace in recording}) == 1
        assert [told(trace, "mul")[0]["other"] for trace in recording] == [str(0.1 * k) for k in range(STEPS)]


def test_named_ones_lists_and_sizes_too(tmp_path):
    with run(named, tmp_path / "named") as recording:
        assert [told(trace, "leaky_relu")[0]["negative_slope"] for trace in recording] == [str(0.01 * k) for k in range(STEPS)]
        assert [told(trace, "sum")[0]["dim"] for trace in recording] == [str(k % 2) for k in range(STEPS)]
    with run(lists, tmp_path / "lists") as recording:
        assert [told(trace, "roll")[0]["shifts"] for trace in recording] == [f"({k % 3},)" for k in range(STEPS)]
    with run(last_batch, tmp_path / "last") as recording:
        assert [told(trace, "div")[0]["other"] for trace in recording] == [str(4 - k % 2) for k in range(STEPS)]
    with run(custom, tmp_path / "custom") as recording:
        assert [told(trace, "Scale")[0]["by"] for trace in recording] == [str(float(k)) for k in range(STEPS)]


def test_a_step_that_leaves_the_way_of_the_others_keeps_them(tmp_path):
    def leaves(x, w, k):
        y = (x @ w) * (0.1 * k)
        return (y.tanh() if k == 7 else y.relu()).sum()

    with run(leaves, tmp_path / "run") as recording:
        assert [told(trace, "mul")[0]["other"] for trace in recording] == [str(0.1 * k) for k in range(STEPS)]
        assert [op.name for op in recording[7].graph.ops if op.name in ("tanh", "relu")] == ["tanh"]


def test_a_numpy_program_too(tmp_path):
    script = tmp_path / "by_hand.py"
    script.write_text(
        "import numpy as np\n"
        "w = np.ones((3, 2))\nx = np.ones((4, 3))\n"
        "for k in range(6):\n"
        "    y = x.dot(w) * (0.5 * k)\n    loss = np.square(y).sum()\n    print(loss)\n"
        "    grad = x.T.dot(2 * y * (0.5 * k))\n    w -= 1e-3 * grad\n"
    )
    run = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", str(tmp_path / "run"), str(script)]
    assert subprocess.run(run, capture_output=True, check=False).returncode == 0
    with gradwalk.open_recording(tmp_path / "run") as recording:
        texts = [[text for one in told(trace, "multiply") for text in one.values()] for trace in recording]
    assert [str(0.5 * k) in texts[k] for k in range(6)] == [True] * 6
    assert np.isfinite([float(text) for row in texts for text in row]).all()
