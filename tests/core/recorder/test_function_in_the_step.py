"""What a custom Function gave in the step itself, what it reaches, and what a check of it puts back."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch.autograd import Function

import gradwalk
from gradwalk.trace import AGAIN
from gradwalk.verdicts_in_words import verdict_lines
from gradwalk.watches import look

sys.path.insert(0, str(Path(__file__).parent))
from own_functions import checked, cosine, kept_sine, plain


class Keeps(Function):
    """Keeps its input as an attribute, where autograd does not see that it is written to."""

    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g * ctx.x


def test_a_gradient_that_was_wrong_in_this_step_only_is_told(tmp_path):
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    with gradwalk.record(tmp_path / "run", check_steps=[0, 1]):
        for spoilt in (False, True):
            made = Keeps.apply(x)
            if spoilt:
                x.data[0, 1] = 7.0
            made.sum().backward()
            x.grad = None
    with gradwalk.open_recording(tmp_path / "run") as recording:
        first, second = (one for trace in recording for one in trace.verdicts if trace.graph.ops[one.op].custom)
    assert (first.agrees, second.agrees) == (True, False)
    by_differences, in_the_step = second.rows
    assert by_differences.agrees
    assert (in_the_step.place, in_the_step.recorded, in_the_step.expected) == ((0, 1), 14.0, 4.0)
    with gradwalk.open_recording(tmp_path / "run") as recording:
        assert (
            verdict_lines(recording[1])[1] == "  Keeps: dL/dx in the step at [0, 1] is 14, and its backward, run again, gives 4"
        )
        (finding,) = look([recording[1]], ["mismatch"]).findings
    assert "backward #" in finding.alert.sentence
    assert ": dL/dx in the step of Keeps is 14 at [0, 1] where its backward, run again, gives 4: " in finding.alert.sentence


class Overflows(Function):
    """``x / (1 + e^x)`` for large x: right in float64, 0 times Inf in float32."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(-x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        e = torch.exp(x)
        return g * (torch.sigmoid(-x) - x * e / (1 + e) ** 2)


def test_a_nan_of_the_step_where_float64_has_a_number_differs(tmp_path):
    x = torch.tensor([0.5, -1.0, 95.0], requires_grad=True)
    (verdict,) = checked(tmp_path, (Overflows, x))
    by_differences, in_the_step = verdict.rows
    assert (by_differences.agrees, in_the_step.agrees, in_the_step.place) == (True, False, (2,))
    assert np.isnan(in_the_step.recorded)
    assert abs(in_the_step.expected) < 1e-35


class Outside(Function):
    """Writes to all that it reaches: a table and a count of its class, globals, two generators, an array and an object given."""

    table = torch.ones(3)
    sizes = {"seen": 0}  # noqa: RUF012

    @staticmethod
    def forward(ctx, x, generator, array, numbers, notes):
        global STEPS
        STEPS += 1
        Outside.table.mul_(1.5)
        Outside.sizes["seen"] += 1
        SEEN.append(float(x.detach().sum()))
        mask = (torch.rand(x.shape, generator=generator, dtype=torch.float64) < 0.5).to(x.dtype)
        array += 1
        notes.count += 1
        ctx.save_for_backward(mask)
        return x * mask * float(numbers.random())

    @staticmethod
    def backward(ctx, g):
        return torch.full_like(g, 2.0) * g, None, None, None, None


class Notes:
    """An object of the script."""

    def __init__(self):
        self.count = 0


SEEN: list[float] = []
STEPS = 0


def reach(steps):
    """Train with it; all that it reaches, as it is in the end."""
    global STEPS
    torch.manual_seed(0)
    Outside.table, Outside.sizes, STEPS = torch.ones(3), {"seen": 0}, 0
    SEEN.clear()
    generator, array, numbers, notes = torch.Generator().manual_seed(7), np.zeros(3), np.random.default_rng(3), Notes()
    w = torch.ones(4, requires_grad=True)
    table, sizes = Outside.table, Outside.sizes
    for _ in range(steps):
        Outside.apply(w, generator, array, numbers, notes).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            w.grad = None
    assert Outside.table is table
    assert Outside.sizes is sizes
    states = generator.get_state().tolist(), numbers.bit_generator.state
    return w.tolist(), states, array.tolist(), notes.count, table.tolist(), table._version, dict(sizes), list(SEEN), STEPS


def test_a_check_puts_back_all_that_a_function_reaches(tmp_path):
    unrecorded = reach(3)
    with gradwalk.record(tmp_path / "run", check_steps=range(3)):
        assert reach(3) == unrecorded
    with gradwalk.open_recording(tmp_path / "run") as recording:
        found = [one for trace in recording for one in trace.verdicts if trace.graph.ops[one.op].custom]
    assert [one.agrees for one in found] == [False] * 3, "its backward leaves the mask out"
    assert not [row for one in found for row in one.rows if row.formula == AGAIN and not row.agrees], "it drew the same again"


def test_what_cannot_be_copied_is_not_touched(tmp_path):
    class Pool:
        __slots__ = ("left",)

    held = Pool()
    held.left = 5

    def takes(ctx, x, pool):
        pool.left -= 1
        return x * 1

    (verdict,) = checked(tmp_path, (plain(takes, lambda ctx, g: (g.clone(), None)), torch.ones(3, requires_grad=True), held))
    assert verdict.sentence == "not checked: it is given a Pool, which running it again could change"
    assert held.left == 4


class KeepsAgain(Keeps):
    """The same under another name."""


@gradwalk.reference.vjp(KeepsAgain, "x")
def d_keeps(g, out, x):
    """dL/dx = 2 dL/dZ x"""
    return 2 * g * xx  # noqa: F821


def test_a_formula_that_raises_is_not_the_functions_fault(tmp_path):
    (verdict,) = checked(tmp_path, (KeepsAgain, torch.ones(3, requires_grad=True)))
    assert verdict.sentence == "not checked: the formula registered for dL/dx raises NameError: name 'xx' is not defined"


def test_the_copies_of_a_step_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("gradwalk.recorder.function_calls.MOST_IN_A_STEP", 25)
    right = plain(lambda ctx, x: x.sin(), lambda ctx, g: g * 1)
    x = torch.zeros(10, requires_grad=True)
    found = checked(tmp_path, (right, x), (right, x), (right, x))
    assert [one.agrees for one in found] == [True, True, None]
    assert found[2].sentence.startswith("not checked: the custom Functions of the step are given more than 25 elements")


def test_a_batch_of_no_elements_is_no_fault(tmp_path):
    right = plain(lambda ctx, x: x.sin(), lambda ctx, g: g * 1)
    (verdict,) = checked(tmp_path, (right, torch.ones(0, 3, requires_grad=True)))
    assert (verdict.agrees, verdict.sentence) == (True, "")


def test_a_gradient_that_a_hook_changed_is_not_held_against_the_function(tmp_path):
    right = plain(kept_sine, cosine)
    x = torch.randn(3, 4, requires_grad=True)
    with gradwalk.record(tmp_path / "run", check_steps=[0]):
        made = right.apply(x)
        made.register_hook(lambda g: g * 2)
        made.sum().backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        (verdict,) = [one for one in recording[0].verdicts if one.by == "central differences"]
    assert (verdict.agrees, len(verdict.rows)) == (True, 1)
    assert verdict.sentence.startswith("its gradients in the step are not compared, as a hook of ")
