"""Custom Functions checked while they run: planted errors and their correct twins, registered formulas, what is not checked."""

from __future__ import annotations

import random
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import Function

import gradwalk
from gradwalk.reference.own import input_names
from gradwalk.reference.whole import check_step
from gradwalk.trace import AGAIN

sys.path.insert(0, str(Path(__file__).parent))
from own_functions import checked, cosine, plain
from planted import CASES, function_of

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def train(functions, cast=None):
    """One step through all of them; under autocast their inputs come out of a product."""
    torch.manual_seed(0)
    total = torch.zeros(())
    with torch.autocast("cpu", cast) if cast else nullcontext():
        for function, case in functions:
            inputs = [torch.randn(shape).abs() + 0.1 if case.positive else torch.randn(shape) for shape in case.shapes]
            for tensor in inputs:
                tensor.requires_grad_()
            if cast:
                inputs = [x @ torch.eye(x.shape[-1]) for x in inputs]
            total = total + function.apply(*inputs).float().pow(2).sum()
    total.backward()


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """The verdicts on the twenty wrong and the twenty correct Functions, by name, in each precision."""
    folder = tmp_path_factory.mktemp("planted")
    pairs = [(function_of(case, wrong=wrong), case) for wrong in (True, False) for case in CASES]
    found = {}
    for name, cast in PRECISIONS.items():
        with gradwalk.record(folder / name, check_steps=[0]):
            train(pairs, cast)
        with gradwalk.open_recording(folder / name) as recording:
            assert [(note.kind, note.message) for note in recording.notes] == [("end", "clean")]
            trace = recording[0]
        found[name] = {trace.graph.ops[one.op].name: one for one in trace.verdicts if trace.graph.ops[one.op].custom}
        assert {one.op for one in trace.verdicts} == {op.id for op in trace.graph.ops if op.phase in ("forward", "loss")}
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.error for case in CASES])
def test_a_planted_error_is_caught_and_its_correct_twin_is_not_accused(case, verdicts):
    for name in PRECISIONS:
        wrong = verdicts[name][function_of(case, wrong=True).__name__]
        assert (wrong.by, wrong.agrees) == ("central differences", False), name
        bad = [row for row in wrong.rows if not row.agrees]
        assert not [row for row in bad if row.formula == AGAIN], "it gives the same, and wrong, each time"
        shapes = [case.shapes[n % len(case.shapes)] for n in range(len(wrong.rows))]
        assert all(len(row.place) == len(shape) for row, shape in zip(wrong.rows, shapes, strict=True))
        assert all(row.recorded != row.expected for row in bad)
    for name in PRECISIONS:
        right = verdicts[name][function_of(case, wrong=False).__name__]
        assert right.agrees is True, (name, right)
        assert right.sentence == ""
        first, last = right.rows[: len(case.shapes)], right.rows[len(case.shapes) :]
        assert not any(row.formula == AGAIN for row in first)
        assert last, "its gradients in the step, where there are some"
        assert all(row.formula == AGAIN for row in last)


def test_an_error_in_one_element_is_told_at_its_place(verdicts):
    row, in_the_step = verdicts["float32"]["WrongOneElementLeftOut"].rows
    assert (row.place, row.recorded, row.symbol, row.tensor[0]) == ((39, 49), 0.0, "dL/dinput 0", "gradient")
    assert row.expected != 0
    assert (in_the_step.symbol, in_the_step.tensor, in_the_step.agrees) == ("dL/dinput 0 in the step", row.tensor, True)


class Scaled(Function):
    @staticmethod
    def forward(ctx, x, factor, power):
        ctx.save_for_backward(x, factor)
        ctx.power = power
        return factor * x**power

    @staticmethod
    def backward(ctx, g):
        x, factor = ctx.saved_tensors
        return g * factor * ctx.power * x ** (ctx.power - 1), (g * x**ctx.power).sum(), None


class Other(Scaled):
    """The same under another name, so that another formula can be registered."""


@gradwalk.reference.vjp(Scaled, "x")
def d_scaled(g, out, x, factor, power):
    """dL/dx = dL/dZ factor power x^(power - 1)"""
    assert x.dtype == factor.dtype == g.dtype == out.dtype == np.float64
    return g * factor * power * x ** (power - 1)


@gradwalk.reference.forward(Scaled)
def scaled(x, factor, power):
    return factor * x**power


@gradwalk.reference.vjp(Other, "x")
def d_other(g, out, x, factor):
    return 2 * g * x


@gradwalk.reference.vjp(Other, "factor")
def d_other_factor(g, out, x, factor):
    return g


def test_a_registered_formula_is_what_the_function_is_compared_with(tmp_path):
    x, factor = torch.randn(3, 4, requires_grad=True), torch.tensor(1.5, requires_grad=True)
    agrees, differs = checked(tmp_path, (Scaled, x, factor, 3), (Other, x, factor, 3))
    assert (agrees.by, agrees.agrees) == ("registered formula", True)
    of_forward, of_x, of_factor, *in_the_step = agrees.rows
    assert [row.symbol for row in in_the_step] == ["dL/dx in the step", "dL/dfactor in the step"]
    assert (of_forward.symbol, of_forward.tensor[0]) == ("Z", "value")
    assert (of_x.symbol, of_x.formula) == ("dL/dx", "dL/dx = dL/dZ factor power x^(power - 1)")
    assert (of_factor.symbol, of_factor.formula) == ("dL/dfactor", "(f(x + h d) - f(x - h d)) / 2h")
    assert max(row.off for row in agrees.rows) < 1
    assert (differs.by, differs.agrees) == ("registered formula", None)
    assert differs.sentence == "not checked: its formula gives the shape (3, 4) for dL/dfactor, which is ()"


def test_registering_is_refused_with_a_sentence():
    assert input_names(Scaled) == ("x", "factor", "power")
    with pytest.raises(ValueError, match=r"Scaled\.forward has no input 'y'; its inputs are x, factor, power"):
        gradwalk.reference.vjp(Scaled, "y")
    with pytest.raises(ValueError, match="a formula for x of Scaled is registered already"):
        gradwalk.reference.vjp(Scaled, "x")(d_scaled)
    with pytest.raises(ValueError, match="a forward formula of Scaled is registered already"):
        gradwalk.reference.forward(Scaled)(scaled)
    for no_function in (nn.ReLU, Function, Scaled.apply, "Scaled"):
        with pytest.raises(TypeError, match=r"is no custom torch\.autograd\.Function; give the class itself"):
            gradwalk.reference.vjp(no_function, "x")


def in_float32(ctx, x):
    assert x.dtype is torch.float32
    ctx.save_for_backward(x)
    return x.sin()


def fails_at_times(ctx, x):
    if x.dtype is torch.float64:
        raise FloatingPointError("no float64 here")
    raise_once.count += 1
    if raise_once.count > 1:
        raise ZeroDivisionError("the second time\nit fails")
    return x * 1


def raise_once():
    """Counts."""


def cast_inside(ctx, x):
    low = x.to(torch.bfloat16)
    ctx.save_for_backward(low)
    return (low.sin()).to(x.dtype)


def test_what_can_be_checked_in_another_way_or_not_is_said(tmp_path):
    x = torch.randn(4, 5, requires_grad=True)
    raise_once.count = 0
    calls = [
        (plain(in_float32, cosine), x),
        (plain(in_float32, lambda ctx, g: -cosine(ctx, g)), x),
        (plain(cast_inside, lambda ctx, g: cosine(ctx, g).to(g.dtype)), x),
        (plain(cast_inside, lambda ctx, g: -cosine(ctx, g).to(g.dtype)), x),
        (plain(lambda ctx, x: x.round(), lambda ctx, g: g.clone()), x),
        (plain(fails_at_times, lambda ctx, g: g.clone()), x),
        (plain(lambda ctx, x, module: module(x), lambda ctx, g: (g.clone(), None)), x, nn.Identity()),
        (plain(lambda ctx, x, act: act(x), lambda ctx, g: (g.clone(), None)), x, lambda x: x * 1),
        (plain(lambda ctx, x: x.relu(), lambda ctx, g: g * 0), torch.zeros(3, requires_grad=True)),
    ]
    found = checked(tmp_path, *calls)
    assert [one.agrees for one in found] == [True, False, True, False, None, None, None, None, False]
    assert [one.sentence for one in found[4:8]] == [
        "not checked: dL/dx, as its forward moves in steps, as rounding does",
        "not checked: run again in float64 it raises ZeroDivisionError: the second time",
        "not checked: it is given a module, which running it again could change",
        "not checked: it is given a function, which could change more than its result",
    ]


class Draws(Function):
    """Draws from three generators, counts its calls and writes to its input."""

    calls = 0

    @staticmethod
    def forward(ctx, x):
        Draws.calls += 1
        factor = random.random() + np.random.random() + torch.rand(())
        ctx.factor = factor
        ctx.mark_dirty(x)
        return x.mul_(factor)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor


def draws():
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    Draws.calls = 0
    w = torch.randn(4, 5, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(4):
            optimizer.zero_grad()
            (Draws.apply(w * 1) @ torch.randn(5, 2)).float().pow(2).sum().backward()
            optimizer.step()
    states = torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()
    return w.detach().tolist(), w.grad.tolist(), w._version, w.grad._version, Draws.calls, states


def test_a_check_changes_nothing_of_the_training(tmp_path):
    unrecorded = draws()
    with gradwalk.record(tmp_path / "run", check_steps=[0, 2, 3]):
        assert draws() == unrecorded
    with gradwalk.open_recording(tmp_path / "run") as recording:
        assert recording.checked_steps().tolist() == [0, 2, 3]
        assert [(note.kind, note.message) for note in recording.notes] == [("end", "clean")]
        (verdict,) = [one for one in recording[2].verdicts if recording[2].graph.ops[one.op].custom]
        assert (verdict.by, verdict.agrees) == ("central differences", True)
        assert recording[1].verdicts == ()
        whole = check_step(recording[3])
        assert whole.verdicts[verdict.op] == next(one for one in recording[3].verdicts if one.op == verdict.op)


def test_steps_that_repeat_are_checked_from_their_first_op_on(tmp_path):
    right = function_of(CASES[0], wrong=False)
    x = torch.randn(4, 5, requires_grad=True)
    with gradwalk.record(tmp_path / "run", check_steps=[20, 31], every=1):
        for _ in range(33):
            right.apply(x).sum().backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        assert recording.checked_steps().tolist() == [20, 31]
        for step in (20, 31):
            assert next((one.by, one.agrees) for one in recording[step].verdicts) == ("central differences", True)


def test_settings_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(ValueError, match="pinned and checked steps from 0"), gradwalk.record(tmp_path, check_steps=[-1]):
        pass
    refused = pytest.raises(ValueError, match="which the level structure does not keep")
    with refused, gradwalk.record(tmp_path, check_steps=[1], level="structure"):
        pass


def summed_over_processes(ctx, x):
    made = x * 1
    torch.distributed.all_reduce(made)
    return made


class OneOfTwo(Function):
    """Its backward is right as long as only one output is used."""

    @staticmethod
    def forward(x):
        return x.sin(), x.cos(), x.argmax()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(output[2])
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, a, b, c):
        (x,) = ctx.saved_tensors
        return -b * x.sin() if a is None else a * x.cos()


def test_only_outputs_that_got_a_gradient_take_part(tmp_path):
    x = torch.randn(3, 4, requires_grad=True)
    with gradwalk.record(tmp_path / "run", check_steps=[0]):
        sine, cosine = OneOfTwo.apply(x)[:2], OneOfTwo.apply(x)[1]
        (sum(sine).sum() + cosine.sum()).backward()
    with gradwalk.open_recording(tmp_path / "run") as recording:
        found = [one.agrees for one in recording[0].verdicts if one.by == "central differences"]
    assert found == [False, True]
    assert input_names(OneOfTwo) == ("x",)


def test_a_function_that_talks_to_other_processes_is_not_run_again(tmp_path):
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        inputs = torch.randn(3, requires_grad=True)
        forward, backward = checked(
            tmp_path,
            (plain(summed_over_processes, lambda ctx, g: g.clone()), inputs),
            (plain(lambda ctx, x: x * 1, lambda ctx, g: summed_over_processes(ctx, g)), inputs),
        )
    finally:
        torch.distributed.destroy_process_group()
    assert forward.sentence == backward.sentence == "not checked: it talks to the other processes"
