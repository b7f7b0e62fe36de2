"""The gradient table and the saved tensors of recorded steps, against torch's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gradwalk import open_recording, record, tape
from gradwalk.gradients import EXACTLY_ZERO, NONE_AT_ALL, NOT_YET, gradients_of
from gradwalk.saved import held, saved_by_module, saved_of


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 5), nn.Tanh())
        self.head, self.spare = nn.Linear(5, 1), nn.Linear(2, 2)

    def forward(self, x):
        return self.head(self.body(x)) * torch.tensor(1.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A step, and per parameter torch's gradient and the weights before and after."""
    folder = tmp_path_factory.mktemp("gradients") / "run"
    torch.manual_seed(0)
    net, x, seen = Net(), torch.randn(4, 6), {}
    zeros = torch.zeros(3, requires_grad=True)
    with record(folder):
        optimizer = torch.optim.SGD([*net.parameters(), zeros], lr=0.1)
        loss = net(x).pow(2).mean() + (zeros * 0).sum()
        loss.backward()
        before = {name: p.detach().clone() for name, p in net.named_parameters()}
        optimizer.step()
    for name, p in net.named_parameters():
        seen[name] = (p.grad, before[name], p.detach())
    with open_recording(folder) as recording:
        yield recording[0], seen


def test_the_table_says_what_torch_says(trained):
    trace, seen = trained
    rows = {row.name: row for row in gradients_of(trace)}
    assert set(rows) == {*seen, "zeros"}
    for name, (gradient, before, after) in seen.items():
        row = rows[name]
        assert row.shape == tuple(before.shape)
        if gradient is None:
            assert (row.said, row.rms, row.update_ratio) == (NONE_AT_ALL, None, None)
            assert row.why == f"{name} is never used: no op of this step reads it."
            continue
        assert (row.said, row.why, row.nan, row.inf, row.zeros) == ("", "", 0, 0, 0.0)
        assert row.rms == pytest.approx(gradient.pow(2).mean().sqrt().item(), rel=1e-6)
        assert row.norm == pytest.approx(gradient.norm().item(), rel=1e-6)
        assert row.absmax == gradient.abs().max().item()
        assert row.exact
        assert row.update_ratio == pytest.approx(((after - before).norm() / before.norm()).item(), rel=1e-4)
        assert row.module == {"body": "net.body.0", "head": "net.head"}[name.partition(".")[0]]
    assert (rows["zeros"].said, rows["zeros"].rms, rows["zeros"].zeros) == (EXACTLY_ZERO, 0.0, 1.0)


def test_at_a_playhead_what_comes_later_is_not_yet_there(trained):
    trace, _ = trained
    (loss,) = [p for p in range(len(trace.tape)) if tape.event_at(trace, p).kind == "loss"]
    assert {row.said for row in gradients_of(trace, loss)} == {NOT_YET, NONE_AT_ALL}
    assert all(row.update_ratio is None for row in gradients_of(trace, loss))
    assert gradients_of(trace, len(trace.tape)) == gradients_of(trace)


def test_where_no_elements_were_kept_the_update_is_at_least_so_large(trained):
    from dataclasses import replace

    trace, _ = trained
    for exact, least in zip(gradients_of(trace), gradients_of(replace(trace, tensors={})), strict=True):
        assert not least.exact
        if exact.update_ratio and least.update_ratio is not None:
            assert 0 < least.update_ratio <= exact.update_ratio * (1 + 1e-6)


def test_saved_tensors_per_op_and_module(trained):
    trace, _ = trained
    rows = {(row.name, row.module): row for row in saved_of(trace)}
    tanh, linear, head = rows["tanh", "net.body.1"], rows["linear", "net.body.0"], rows["linear", "net.head"]
    assert (tanh.nodes, tanh.tensors, tanh.bytes, tanh.own) == (("TanhBackward0",), 1, 80, 80)
    assert (linear.bytes, linear.own) == (4 * 6 * 4, 0)  # the input; x needs no gradient, so the weight is not kept
    assert (head.bytes, head.own) == (4 * 5 * 4 + 5 * 4, 80)  # tanh's output and the weight, which is there anyway
    modules = {row.module: row for row in saved_by_module(trace)}
    assert modules["net.body"].bytes == tanh.bytes + linear.bytes
    assert modules["net"].own >= modules["net.head"].own == 80
    assert modules["net"].bytes < sum(row.bytes for row in rows.values())  # tanh's output once, though two ops keep it


def test_the_line_of_held_bytes(trained):
    trace, _ = trained
    line = held(trace)
    assert line.shape == (len(trace.tape) + 1,)
    assert line[0] == 0 == line[-1]
    ran = {tape.name_of(trace.graph, tape.event_at(trace, p)): p for p in range(len(trace.tape))}
    assert line[ran["tanh"] + 1] - line[ran["tanh"]] == 80
    assert line[ran["TanhBackward0"]] - line[ran["TanhBackward0"] + 1] == 80
    assert (np.diff(line[: ran["loss"] + 1]) >= 0).all()
    assert (np.diff(line[ran["loss"] + 1 :]) <= 0).all()
    assert line.max() == line[ran["loss"]]
