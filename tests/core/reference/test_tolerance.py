"""What rounding may explain: right ops are within it in every precision, and errors a few times as large are found."""

from __future__ import annotations

import sys
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import gradwalk
from gradwalk.reference.checking import check
from gradwalk.reference.rounding import LAMBDA, UNIT, growth
from gradwalk.reference.whole import check_step

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
from workloads import GPT, Residual

AUTOCAST = {"float32": nullcontext, "bfloat16": lambda: torch.autocast("cpu", torch.bfloat16)}
AUTOCAST["float16"] = lambda: torch.autocast("cpu", torch.float16)


def recorded(folder, program):
    """The only step of a program, with all its tensors."""
    with gradwalk.record(folder, level="tensors"):
        program()
    with gradwalk.open_recording(folder) as recording:
        trace = recording[0]
        return replace(trace, tensors=MappingProxyType(dict(trace.tensors.items())))


def op(trace, name, place=0):
    return [one for one in trace.graph.ops if one.name == name and one.phase in ("forward", "loss")][place]


def planted(trace, key, place, difference):
    """The same step with one element of one tensor off."""
    data = np.array(trace.tensors[key].data, np.float64)
    data[place] += difference
    return replace(trace, tensors=MappingProxyType({**trace.tensors, key: replace(trace.tensors[key], data=data)}))


def models():
    """A small GPT-2 and a small ResNet, with their inputs."""
    words, pictures = torch.randint(0, 1000, (2, 8)), torch.randn(4, 3, 32, 32)
    layers = (nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1), Residual(8, 16, 2))
    resnet = nn.Sequential(*layers, nn.Dropout(0.3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    return (GPT(2, 32, 2, 8), words, words.view(-1)), (resnet, pictures, torch.randint(0, 10, (4,)))


def odd(x, shared):
    """What is hard: nearly equal numbers, sure chances, tiny numbers, one element alone, a weight that is read twice."""
    pair = torch.tensor([[5.0, 1.0], [5.0001, -1.0]], requires_grad=True)
    sure = F.cross_entropy(torch.eye(4, requires_grad=True) * 40, torch.arange(4))
    alone = F.softmax((x[:, :4] @ x[:, :4].T).masked_fill(torch.ones(4, 4).tril() == 0, float("-inf")), dim=-1)
    norms = F.batch_norm(pair, None, None, training=True).sum() + F.layer_norm(x + 1e4, (6,)).pow(2).sum()
    attended = F.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None], is_causal=True)
    tiny = (x * 1e-30).mul(1e-12).sum() + F.gelu(x - 5).sum() + torch.sigmoid(20 * x).sum() + torch.log_softmax(30 * x, 1).sum()
    return sure + alone.sum() + norms + attended.sum() + tiny + shared(shared(x)).sum() + (x.mean(-1) + x.sum(1)).sum()


@pytest.fixture(scope="module", params=AUTOCAST)
def step(request, tmp_path_factory):
    torch.manual_seed(0)
    trained, hard = models(), (torch.randn(4, 6, requires_grad=True), nn.Linear(6, 6))

    def program():
        with AUTOCAST[request.param]():
            loss = sum(F.cross_entropy(model(x), target) for model, x, target in trained) + odd(*hard)
        loss.backward()

    return recorded(tmp_path_factory.mktemp(request.param) / "run", program)


def test_no_right_op_is_accused(step):
    found = check_step(step)
    assert [(step.graph.ops[v.op].name, row) for v in found.wrong for row in v.rows if not row.agrees] == []
    rows = [row for verdict in found.verdicts.values() for row in verdict.rows]
    assert len(rows) > 350
    assert sum(row.recorded != row.expected for row in rows) > 150, "they do round"
    twice = [one for one in step.graph.ops if one.name == "linear" and one.inputs[1] == op(step, "linear", -1).inputs[1]]
    assert len(twice) == 2, "one weight, which autocast casts once for both"
    assert all("dL/dW" in [row.symbol for row in found.verdicts[one.id].rows] for one in twice)
    without = {step.graph.ops[v.op].name for v in found.verdicts.values() if v.agrees is None and v.sentence}
    assert without <= {"arange", "ones", "eye", "tensor", "add_"}


def test_an_error_of_four_times_what_is_allowed_is_found_at_its_place(step):
    random = np.random.default_rng(0)
    rows = [(v.op, row) for v in check_step(step).verdicts.values() for row in v.rows if row.place]
    for number in random.permutation(len(rows))[:40]:
        which, row = rows[number]
        data = step.tensors[row.tensor].data
        places = np.argwhere(np.isfinite(data))
        place = tuple(random.choice(places).tolist())
        large = 1e3 * max(float(np.abs(data[np.isfinite(data)]).max()), 1.0)

        def off(difference, which=which, row=row, place=place):
            found = check(planted(step, row.tensor, place, difference), step.graph.ops[which]).verdict
            return next(one for one in found.rows if one.tensor == row.tensor)

        allowed = large / off(large).off
        assert 0 < allowed < large, "it is a bound"
        wrong = off(4 * allowed)
        assert (wrong.agrees, wrong.place) == (False, place), (step.graph.ops[which], row)
        assert 2.9 < wrong.off < 5.1


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 4), st.integers(1, 700), st.sampled_from(["float32", "bfloat16", "float16"]), st.integers(0, 5))
def test_a_product_is_bound_as_the_books_have_it(rows, inside, name, seed):
    """``8 u |z| + min(n, 8 sqrt(n)) u32 |X| |W|``, worked out here by hand for a matrix product of one step."""
    torch.manual_seed(seed)
    x = torch.randn(rows, inside).to(getattr(torch, name)).requires_grad_()
    w = torch.randn(inside, 3).to(getattr(torch, name)).requires_grad_()
    trace = _step_of(lambda: x.mm(w).sum().backward())
    mm = op(trace, "mm")
    x64, w64 = (one.detach().double().numpy() for one in (x, w))
    terms = min(inside, LAMBDA * np.sqrt(inside + 1)) * UNIT["float32"]
    allowed = 8 * UNIT[name] * np.abs(x64 @ w64) + terms * (np.abs(x64) @ np.abs(w64))
    place = (rows - 1, 2)
    clean = check(trace, mm).verdict
    assert clean.agrees
    assert clean.rows[0].off < 1
    for times, agrees in ((0.4, True), (2.5, False)):
        off = x64 @ w64 - np.array(trace.tensors["value", mm.outputs[0]].data, np.float64)
        wrong = planted(trace, ("value", mm.outputs[0]), place, off[place] + times * allowed[place])
        assert check(wrong, mm).verdict.rows[0].agrees is agrees, (times, allowed[place])


def _step_of(program):
    with tempfile.TemporaryDirectory() as folder:
        return recorded(Path(folder) / "run", program)


def test_long_sums_may_be_off_by_more():
    assert growth(1, 1.0) == 0
    assert growth(10, 1.0) == 9, "for certain"
    assert growth(10_000, 1.0) == LAMBDA * 100, "with all but certainty"
    assert growth(10_000, UNIT["float32"]) < growth(10_000, UNIT["float16"])


class RightReLU(torch.autograd.Function):
    """A ReLU with the derivative 0 at 0, where that of ``clamp`` is 1: the one is as good as the other."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x > 0)


class Largest(torch.autograd.Function):
    """The largest of each row; of equal ones the first gets the gradient, where the formula shares it."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.amax(1)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return torch.zeros_like(x).scatter(1, x.argmax(1, keepdim=True), g[:, None])


class Doubled(Largest):
    """Wrong at the kink: both of two equal elements get all of it."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g[:, None] * (x == x.amax(1, keepdim=True)) * 1.5


def test_kinks_are_counted_and_not_failed(tmp_path):
    x = torch.tensor([[0.0, 1.0, -2.0], [3.0, 3.0, 0.0]], requires_grad=True)

    def program():
        loss = 3 * RightReLU.apply(x).sum() + Largest.apply(x).sum() + Doubled.apply(x).sum()
        loss.backward()

    trace = recorded(tmp_path / "run", program)
    relu, largest = check(trace, op(trace, "RightReLU")).verdict, check(trace, op(trace, "Largest")).verdict
    assert relu.agrees
    assert [row.kinks for row in relu.rows] == [0, 2], "two elements are 0"
    assert largest.agrees
    assert largest.rows[1].kinks == 2, "two elements are equal"
    wrong = check(trace, op(trace, "Doubled")).verdict
    assert not wrong.agrees
    assert wrong.rows[1].kinks == 0
    assert wrong.rows[1].recorded == 1.5


def test_a_gpu_may_round_the_factors_of_float32_products(tmp_path):
    x, w = torch.randn(4, 8, requires_grad=True), torch.randn(8, 3, requires_grad=True)
    trace = recorded(tmp_path / "run", lambda: x.mm(w).sin().sum().backward())
    values = tuple(replace(value, device="cuda:0") for value in trace.graph.values)
    away = replace(trace, graph=replace(trace.graph, values=values))
    for name, agrees in (("mm", True), ("sin", False)):
        of = op(trace, name)
        key = ("value", of.outputs[0])
        size = float(np.abs(trace.tensors[key].data[1, 1])) * 2.0**-11
        assert not check(planted(trace, key, (1, 1), size), of).verdict.rows[0].agrees, "on the CPU it may not"
        assert check(planted(away, key, (1, 1), size), of).verdict.rows[0].agrees is agrees


def test_a_custom_function_on_a_file_alone(tmp_path):
    class Through(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.from_numpy(np.cosh(x.detach().numpy()))

        @staticmethod
        def backward(ctx, g):
            return g

    x = torch.randn(3, requires_grad=True)
    trace = recorded(tmp_path / "run", lambda: Through.apply(x).sum().backward())
    verdict = check(trace, op(trace, "Through")).verdict
    assert verdict.agrees is None
    assert verdict.sentence == "no reference: custom Function, not checked while it ran"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_overflows_its_dtype_is_not_accused(dtype, tmp_path):
    large = 200.0 if dtype == torch.float16 else 1e19
    x = torch.tensor([[1.0, -large, large], [0.5, 2.0, -large]], dtype=dtype, requires_grad=True)
    w = torch.tensor([[1.0, 2.0], [-3.0, large], [large, 0.25]], dtype=dtype, requires_grad=True)

    def program():
        h = (x @ w * 3).relu() * x.square().sum(1, keepdim=True)
        (h.clamp(max=large).mean() + (x * x).exp().sum().sqrt() + x.pow(3).sum()).backward()

    trace = recorded(tmp_path / "run", program)
    found = check_step(trace)
    infinite = [value for value in trace.tensors.values() if value.data.dtype.kind == "f" and np.isinf(value.data).any()]
    assert len(infinite) > 5
    assert [(trace.graph.ops[v.op].name, row) for v in found.wrong for row in v.rows if not row.agrees] == []
    [square] = [one for one in trace.graph.ops if one.name == "square"]
    wrong = planted(trace, ("value", square.outputs[0]), (0, 0), np.inf)
    assert check(wrong, square).verdict.agrees is False, "1 squared is in range"


def test_exponentials_of_twenty_units_and_a_kept_logarithm_are_not_accused(tmp_path):
    """torch's softmax down the columns takes a fast exponential; the gradient of ``logsumexp`` is made of a rounded sum."""
    torch.manual_seed(0)
    inputs = [(size * torch.randn(n, 3000)).requires_grad_() for n in (2, 3, 8) for size in (0.1, 1.0, 10.0)]
    far = (torch.randn(3, 2) + 3000).requires_grad_()

    def program():
        chances = [(x, function(x, dim)) for x in inputs for dim in (0, 1) for function in (torch.softmax, torch.log_softmax)]
        loss = sum((p * torch.sin(x)).sum() for x, p in chances)
        (loss + torch.logsumexp(far, 1).sin().sum()).backward()

    found = check_step(recorded(tmp_path / "run", program))
    assert not found.wrong
    assert sum(len(verdict.rows) for verdict in found.verdicts.values()) > 200


def test_the_gradients_of_heads_that_share_keys_have_rows(tmp_path):
    q, k, v = (torch.randn(1, heads, 4, 8, requires_grad=True) for heads in (4, 2, 2))
    attended = recorded(tmp_path / "run", lambda: F.scaled_dot_product_attention(q, k, v, enable_gqa=True).sin().sum().backward())
    verdict = check(attended, op(attended, "scaled_dot_product_attention")).verdict
    assert verdict.agrees
    assert [row.symbol for row in verdict.rows] == ["Z", "dL/dQ", "dL/dK", "dL/dV"]
