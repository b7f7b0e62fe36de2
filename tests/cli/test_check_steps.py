"""``gradwalk run --check-steps``: verdicts of the steps that it names, told by ``info`` and ``show``."""

from __future__ import annotations

import json

SCRIPT = """
import torch
import gradwalk

class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g @ w.T, -x.T @ g

class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3

    @staticmethod
    def backward(ctx, g):
        return 3 * g * ctx.saved_tensors[0] ** 2

@gradwalk.reference.vjp(Cube, "x")
def d_cube(g, out, x):
    return 3 * g * x**2

torch.manual_seed(0)
w = torch.randn(3, 2, requires_grad=True)
for step in range(6):
    Cube.apply(Double.apply(torch.randn(4, 3), w)).pow(2).mean().backward()
    with torch.no_grad():
        w.sub_(1e-5 * w.grad)
    w.grad = None
"""


def test_the_steps_that_are_named_are_checked(gradwalk, write, tmp_path):
    write("train.py", SCRIPT)
    done = gradwalk("run", "--no-window", "--record", "out", "--check-steps", "1,3-4", "train.py")
    assert done.returncode == 0, done.stderr
    about = json.loads(gradwalk("info", "out", "--json").stdout)
    assert about["checked"] == [{"step": step, "agree": 5, "differ": 1, "not_compared": 1} for step in (1, 3, 4)]
    assert "step 3: 5 ops agree with the reference, 1 differs, 1 was not compared" in gradwalk("info", "out").stdout
    shown = gradwalk("show", "out", "--step", "3").stdout.splitlines()
    assert shown[1] == "checked while it ran: 5 ops agree with the reference, 1 differs, 1 was not compared"
    assert shown[2].startswith("  Double: dL/dw at [")
    assert shown[2].endswith("is expected (by central differences)")
    assert "checked" not in gradwalk("show", "out", "--step", "2").stdout
    refused = gradwalk("run", "--check-steps", "x", "train.py")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--check-steps 'x' is no list of steps" in refused.stderr
    refused = gradwalk("run", "--check-steps", "1", "--level", "structure", "train.py")
    assert refused.returncode == 2
    assert "--check-steps needs the tensors of these steps" in refused.stderr


LARGE = """
import torch

torch.manual_seed(0)
net = torch.nn.Linear(2048, 2048)
descent = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(8):
    net(torch.randn(4, 2048)).pow(2).mean().backward()
    descent.step()
    descent.zero_grad()
"""


def test_a_large_step_that_was_asked_for_is_whole_in_the_file_and_can_be_checked_there(gradwalk, write):
    write("large.py", LARGE)
    done = gradwalk("run", "--no-window", "--record", "out", "--pin", "5", "large.py")
    assert done.returncode == 0, done.stderr
    checked = gradwalk("check", "out", "--fail-on", "mismatch", "--step", "5")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "agree, 0 differ, 1 has no reference" in checked.stdout
    assert "not kept whole" not in checked.stdout
    assert "not kept whole" in gradwalk("check", "out", "--fail-on", "mismatch", "--step", "6").stdout
    assert "net.weight" in gradwalk("check", "out", "--step", "5", "--end-to-end").stdout


LAST = """
import sys
import torch

class Minus(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return -2 * g

w = torch.ones(3, requires_grad=True)
for step in range(3):
    Minus.apply(w).sum().backward()
    with torch.no_grad():
        w.sub_(w.grad)
    w.grad = None
"""


def test_the_last_step_of_a_script_is_checked_as_python_ends(gradwalk, write):
    write("last.py", LAST)
    done = gradwalk("run", "--no-window", "--record", "out", "--check-steps", "2", "last.py")
    assert done.returncode == 0, done.stderr
    assert "not recorded" not in done.stderr
    shown = gradwalk("show", "out", "--step", "2").stdout.splitlines()
    assert shown[1] == "checked while it ran: 2 ops agree with the reference, 1 differs, 0 were not compared"
    assert shown[2].startswith("  Minus: dL/dx at [")


def test_steps_that_never_came_are_said(gradwalk, write):
    write("last.py", LAST)
    words = ("--every", "2", "--pin", "0,40", "--check-steps", "1,2,8-9")
    done = gradwalk("run", "--no-window", "--record", "out", *words, "last.py")
    assert done.returncode == 0, done.stderr
    assert (
        "2 steps recorded in out; step 40, asked for with --pin, was not recorded; "
        "steps 1, 8-9, asked for with --check-steps, were not recorded; open it with"
    ) in done.stderr
    assert "step 40, asked for with --pin, was not recorded" in gradwalk("info", "out").stdout
