"""The masks that attention drew: those of torch, kept with the step in every way in which it comes; and training as it was."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import gradwalk
from gradwalk.recorder.graph_walk import sequence_number
from gradwalk.recorder.lead import Lead
from gradwalk.recorder.masks import mask_of
from gradwalk.recorder.state import State
from gradwalk.recording.retention import Keep
from gradwalk.reference.whole import check_step

sys.path.insert(0, str(Path(__file__).parent))
from conftest import recording


def drawn(trace):
    return {number: kept.data for (kind, number), kept in trace.tensors.items() if kind == "mask"}


def test_a_mask_is_what_torch_multiplied_with():
    q = torch.eye(4).requires_grad_()
    seen = []
    with recording() as sink:
        made = F.scaled_dot_product_attention(q, q, torch.eye(4), dropout_p=0.5)
        seen.append(made.detach() != 0)
        made.sin().sum().backward()
    (mask,) = drawn(sink.traces[0]).values()
    np.testing.assert_array_equal(mask, seen[0].numpy(), "of V = 1 the output is what is left of the weights")


def test_an_op_without_dropout_has_none():
    q = torch.randn(2, 4, 8, requires_grad=True)
    heads = nn.MultiheadAttention(8, 2, dropout=0.5).eval()
    with recording() as sink:
        (F.scaled_dot_product_attention(q, q, q).sum() + heads(q, q, q)[0].sum() + F.dropout(q, 0.5).sum()).backward()
    assert sink.traces[0].graph.ops
    assert not drawn(sink.traces[0])


def test_only_the_nodes_of_the_op_are_looked_at():
    weights = (torch.randn(3, 3, requires_grad=True)).softmax(-1) * torch.ones(3, 3)
    assert mask_of([weights * 1], range(0)) is None


@pytest.mark.parametrize("level", ["structure", "statistics"])
def test_a_step_that_keeps_no_tensors_keeps_no_mask(level):
    q = torch.randn(2, 4, 8, requires_grad=True)
    with recording(level=level, keep=Keep.NONE) as sink:
        F.scaled_dot_product_attention(q, q, q, dropout_p=0.5).sum().backward()
    assert not sink.traces[0].tensors


def train(steps, net, x):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        loss = net(x).pow(2).sin().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield [one.detach().clone() for one in net.parameters()]


def layer():
    torch.manual_seed(0)
    return nn.TransformerEncoderLayer(8, 2, 16), torch.randn(5, 3, 8)


@pytest.fixture
def followed(monkeypatch):
    """The numbers of the steps that were followed."""
    steps = []
    original = State.close_followed
    monkeypatch.setattr(State, "close_followed", lambda self, run: (steps.append(self.step_number), original(self, run))[1])
    return steps


def test_a_step_that_is_followed_keeps_the_masks_of_the_slow_way(followed, monkeypatch):
    def run():
        net, x = layer()
        with recording(keep=Keep.SMALL) as sink:
            list(train(8, net, x))
        return [drawn(trace) for trace in sink.traces]

    quick = run()
    assert len(followed) >= 3
    monkeypatch.setattr(Lead, "_learn", lambda *_: None)
    slow = run()
    assert [set(one) for one in quick] == [set(one) for one in slow]
    assert all(quick)
    for one, other in zip(quick, slow, strict=True):
        for op, mask in one.items():
            np.testing.assert_array_equal(mask, other[op])


def test_a_step_that_is_left_half_way_keeps_the_masks_it_had():
    net, x = layer()
    with recording(keep=Keep.SMALL) as sink:
        for step, _ in enumerate(train(8, net, x)):
            if step == 5:  # something that was not expected, after the next step's layer could be followed
                net.linear2.register_forward_hook(lambda module, given, made: made * 1)
    assert all(drawn(trace) for trace in sink.traces)


@pytest.mark.parametrize("level", ["statistics", "tensors"])
def test_training_is_the_same_to_the_last_bit(level, tmp_path):
    net, x = layer()
    twin = copy.deepcopy(net)
    torch.manual_seed(7)
    plain = list(train(6, net, x))
    state = torch.get_rng_state()
    torch.manual_seed(7)
    with gradwalk.record(tmp_path / "run", level=level):
        seen = list(train(6, twin, x))
    assert torch.equal(torch.get_rng_state(), state)
    for ours, theirs in zip(seen, plain, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_the_last_steps_of_a_run_are_checked_with_their_masks(tmp_path):
    net, x = layer()
    with gradwalk.record(tmp_path / "run"):
        list(train(12, net, x))
    with gradwalk.open_recording(tmp_path / "run") as read:
        last = [trace for trace in read if trace.step in (6, 7)]
        assert all(drawn(trace) for trace in last)
        for trace in last:
            assert not check_step(trace).wrong


def test_the_mask_of_a_fused_dropout_is_read_as_well():
    weights, v = torch.randn(3, 4, requires_grad=True), torch.randn(4, 2)
    first = sequence_number()
    kept, mask = torch.native_dropout(weights.softmax(-1), 0.5, True)
    found = mask_of([kept @ v], range(first, sequence_number()))
    assert found is not None
    assert torch.equal(found, mask)
