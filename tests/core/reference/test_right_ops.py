"""Right ops that were once accused, in every precision: each is checked, and agrees."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwalk.reference.checking import check
from gradwalk.reference.whole import check_step

sys.path.insert(0, str(Path(__file__).parent))
from right import agreeing, each_dtype, largest_of, normal, ops, planted, sentences


@each_dtype
def test_rms_norm_without_eps_takes_that_of_the_dtype_in_which_it_computes(dtype, tmp_path):
    inputs = [normal(4, 8, dtype=dtype, size=size) for size in (1e-2, 1e-4, 1e-5)]
    norm = nn.RMSNorm(8, dtype=dtype)
    trace = agreeing(tmp_path / "run", lambda: sum(norm(x).float().sin().sum() for x in inputs).backward(), "rms_norm")
    key = ("value", ops(trace, "rms_norm")[0].outputs[0])
    wrong = planted(trace, key, (1, 2), 0.2)
    assert check(wrong, ops(trace, "rms_norm")[0]).verdict.agrees is False


@each_dtype
def test_a_number_stands_for_the_argument_that_it_was_given_for(dtype, tmp_path):
    x, y = normal(5, 4, dtype=dtype), normal(5, 4, dtype=dtype)

    def program():
        loss = F.huber_loss(x, y, delta=0.5) + F.huber_loss(x, y, reduction="sum", delta=0.3) + torch.pow(2.0, x).sum()
        loss = loss + torch.xlogy(2.0, x.abs()).sum() + torch.xlogy(x.abs(), 2.0).sum() + torch.float_power(x.abs(), 1.5).sum()
        loss = loss + (torch.rsub(x, 0.7) * y).sum() + torch.rsub(x, 0.7, alpha=0.3).sin().sum() + torch.rsub(x, y, alpha=2).sum()
        (loss + torch.where(x > 0, 2.0, y).sum() + torch.where(x > 0, y, 2.0).sum() + torch.mul(x, 3.0).sum()).float().backward()

    agreeing(tmp_path / "run", program, "huber_loss", "pow", "xlogy", "float_power", "rsub", "where", "mul")


def pools(dtype):
    """Windows that overlap, in all kinds of pools that torch has for a dtype on a CPU."""
    maps, volumes, rows = (normal(2, 3, *sizes, dtype=dtype) for sizes in ((16, 16), (8, 8, 8), (40,)))
    yield "max_pool2d", F.max_pool2d(maps, 7, 1)
    yield "max_pool2d", F.max_pool2d(maps, 5, 2, 1, 2)
    yield "max_pool3d", F.max_pool3d(volumes, 3, 1)
    yield "max_pool1d", F.max_pool1d(rows, 9, 1)
    yield "avg_pool2d", F.avg_pool2d(maps, 7, 1, 3)
    yield "avg_pool2d", F.avg_pool2d(maps, 5, 1, 2, count_include_pad=False)
    yield "avg_pool2d", F.avg_pool2d(maps, 5, 1, divisor_override=3)
    yield "avg_pool2d", F.avg_pool2d(maps, 16)
    yield "avg_pool1d", F.avg_pool1d(rows, 9, 1, 4)
    yield "adaptive_avg_pool1d", F.adaptive_avg_pool1d(rows, 13)
    yield "adaptive_max_pool1d", F.adaptive_max_pool1d(rows, 13)
    yield "adaptive_max_pool2d", F.adaptive_max_pool2d(maps, 5)
    yield "adaptive_max_pool3d", F.adaptive_max_pool3d(volumes, 3)
    for size in (1, 5, (7, 3), 40):
        yield "adaptive_avg_pool2d", F.adaptive_avg_pool2d(maps, size)
    for size in (3, 12):
        yield "adaptive_avg_pool3d", F.adaptive_avg_pool3d(volumes, size)
    for mode in ("reflect", "replicate", "circular"):
        yield "pad", F.pad(maps, (5, 5, 5, 5), mode=mode)


@each_dtype
def test_gradients_that_are_added_up_where_they_are_stored_are_granted_so_much(dtype, tmp_path):
    names = set()

    def program():
        for name, z in pools(dtype):
            names.add(name)
            (z * (z.detach().flip(-1) + 0.3).sin()).float().sum().backward()

    trace = agreeing(tmp_path / "run", program)
    found = check_step(trace).verdicts
    assert all(len(found[one.id].rows) == 2 for name in names for one in ops(trace, name))
    for one in ops(trace, "avg_pool2d")[:2] + ops(trace, "adaptive_avg_pool2d")[:2]:
        gradient = found[one.id].rows[1]
        place, largest = largest_of(trace, gradient.tensor)
        wrong = planted(trace, gradient.tensor, place, largest)
        assert not check(wrong, one).verdict.rows[1].agrees, "twice what it should be"


def unrolled(cell, xs):
    """The last states of a cell after it read ``xs`` one after the other."""
    states = None
    for x in xs:
        states = cell(x, states)
    return states if isinstance(states, tuple) else (states,)


@each_dtype
def test_recurrent_layers_under_autocast_compute_in_its_dtype(dtype, tmp_path):
    xs, cells = normal(6, 3, 4, size=2.0), (nn.LSTMCell(4, 8), nn.GRUCell(4, 8), nn.RNNCell(4, 8, nonlinearity="relu"))
    layers = [nn.GRU(4, 8, 2), nn.RNN(4, 8, bidirectional=True), nn.RNN(4, 8, nonlinearity="relu")]
    layers += [nn.LSTM(4, 8)] if dtype != torch.float16 else []  # it has none of float16 on a CPU
    long, slow = normal(100, 2, 4), nn.GRU(4, 2)

    def program():
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            made = [
                *(state for cell in cells for state in unrolled(cell, xs)),
                *(layer(xs)[0] for layer in layers),
                slow(long)[0],
            ]
            with torch.no_grad():
                slow(long + F.linear(long, torch.eye(4)))
        sum((z.float() * torch.linspace(-1, 1, z.numel()).view(z.shape)).sum() for z in made).backward()

    names = ["lstm_cell", "gru_cell", "rnn_relu_cell", "gru", "rnn_tanh", "rnn_relu"]
    trace = agreeing(tmp_path / "run", program, *names)
    for name in names[:4]:
        one = ops(trace, name)[0]
        gradients = [row for row in check(trace, one).verdict.rows if row.symbol == "dL/dW"]
        place, largest = largest_of(trace, gradients[0].tensor)
        wrong = check(planted(trace, gradients[0].tensor, place, 0.4 * largest), one).verdict
        assert [row.tensor for row in wrong.rows if not row.agrees] == [gradients[0].tensor], name


def test_gradients_of_one_backward_are_taken_together(tmp_path):
    net, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), normal(5, 4)

    def penalty():
        out = net(x)
        (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        (((slope.norm(dim=1) - 1) ** 2).mean() + out.mean()).backward()

    trace = agreeing(tmp_path / "run", penalty)
    told = {sentence for name, sentence in sentences(trace) if name == "linear"}
    assert told == {
        f"not checked: the gradient of net.{layer}.weight has a part that came from a backward through the backward, and is not"
        " recorded by itself"
        for layer in (0, 2)
    }
    for number, one in enumerate(ops(trace, "linear")):
        rows = check(trace, one).verdict.rows
        assert [row.symbol for row in rows] == ["Z", "dL/db", "dL/dX"], number
        for row in rows:
            place, largest = largest_of(trace, row.tensor)
            assert check(planted(trace, row.tensor, place, largest), one).verdict.agrees is False, row


def test_backwards_that_go_other_ways_are_not_mixed_up(tmp_path):
    """The second backward goes through what the first one made of the last layer's weight, and never through that layer."""
    net, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)), normal(5, 4)

    def penalty():
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        slope.square().mean().backward()

    trace = agreeing(tmp_path / "run", penalty)
    assert [row.symbol for row in check(trace, ops(trace, "linear")[1]).verdict.rows] == ["Z", "dL/dX"]


def hooked(way):
    """A layer and a loss, with a hook that doubles gradients, in one of the ways that torch has."""
    layer, x = nn.Linear(4, 3), normal(5, 4)
    twice = lambda parts: tuple(None if part is None else part * 2 for part in parts)  # noqa: E731
    if way == "module":
        layer.register_full_backward_hook(lambda module, given, came: twice(given))
    h = layer(x)
    if way == "tensor":
        h.register_hook(lambda g: g * 2)
    if way == "Node":
        h.grad_fn.register_hook(lambda given, came: twice(given))
    if way == "Node before":
        h.grad_fn.register_prehook(twice)
    if way == "looks":
        h.register_hook(lambda g: None)
    h.sin().sum().backward()


@pytest.mark.parametrize(
    ("way", "who", "why"),
    [
        ("tensor", "linear", "a hook of h may change its gradient"),
        ("Node", "linear", "a hook of the Node of linear may change its gradients"),
        ("Node before", "linear", "a hook of the Node of linear may change its gradients"),
        ("module", "BackwardHookFunction", "the module's hook may change the gradients here"),
    ],
)
def test_a_hook_that_changes_gradients_is_said(way, who, why, tmp_path):
    trace = agreeing(tmp_path / "run", lambda: hooked(way))
    assert sentences(trace) == {(who, f"not checked: {why}")}


def test_a_hook_that_only_looks_costs_no_check(tmp_path):
    trace = agreeing(tmp_path / "run", lambda: hooked("looks"), "linear", "sin")
    assert len(check(trace, ops(trace, "linear")[0]).verdict.rows) == 4


LAYERS = (nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell)


@pytest.mark.parametrize("size", [4.0, 8.0])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_recurrent_layers_whose_gates_saturate_are_not_accused(layer, size, tmp_path):
    """``1 - tanh ** 2`` is 0 or a unit roundoff there, in the dtype, and all of the gradient."""
    for seed, dtype in enumerate((torch.float32, torch.float32, torch.float32, torch.bfloat16)):
        torch.manual_seed(seed)
        xs = (2 * torch.randn(5, 3, 8)).to(dtype).requires_grad_()
        made = layer(8, 6)
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.mul_(size)
        made = made.to(dtype)

        def program(made=made, xs=xs):
            z = unrolled(made, xs)[0] if isinstance(made, nn.RNNCellBase) else made(xs)[0]
            (z.float() * torch.linspace(-1, 1, z.numel()).view(z.shape)).sum().backward()

        agreeing(tmp_path / str(seed), program)
