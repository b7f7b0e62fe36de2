"""Recorded ops in the ways that people call them: every one that has a formula is checked, and none is accused."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import gradwalk
from gradwalk.reference.checking import check
from gradwalk.reference.whole import to_check


def arrays(x, y, i):
    yield x[:, i].sum() + x[i, i].sum() + x[[0, 2]].sum() + x[:, [0, 2]].sum() + x[0, :2].sum() + x[..., None, -1].sum()
    yield x[x > 0].sum() + x[None].sum() + x[i, None].sum() + x[-1].prod() + x.gather(1, i[:, None]).sum()
    z = x.clone()
    z[:, 1:] = y[:, 1:] * 2
    z[i, 0] = 0.5
    yield z.sum() + x.where(x > 0, y).sum() + torch.where(x > 0, x, 0.0).sum() + x.where(x > 0, 0.0).sum()
    yield torch.stack([x, y], 1).square().sum() + torch.cat([x, y], 1).square().sum() + torch.split(x, 2)[1].sum()
    yield x.mean(-1, True).square().sum() + x.var(0).sum() + x.std(1, False).sum() + x.norm(dim=1).sum() + x.sum(0).square().sum()
    yield torch.einsum("ij,kj->ik", x, y).sum() + x.roll(1, 0).mul(y).sum() + x.repeat_interleave(2, dim=0).square().sum()
    yield x.max(1).values.sum() + torch.max(x, y).sum() + x.topk(2).values.sum() + x.sort(dim=0).values.mul(y).sum()
    yield torch.clamp(x, max=y).sum() + torch.clamp(x, y - 1, y).sum() + x.clamp(min=0).sum() + F.pad(x, (1, 1)).square().sum()
    yield x.cumsum(1).square().sum() + x.logsumexp(1).sum() + F.normalize(x).mul(y).sum() + F.cosine_similarity(x, y).sum()
    yield (
        x.double().mul(2).float().sum() + x.to(torch.float64).sum().float() + torch.lerp(x, y, 0.3).sum() + x.addcmul(x, y).sum()
    )
    yield x.scatter_add(1, i[:, None], y[:2, :1]).square().sum() + torch.index_select(x, 1, i).square().sum()


def layers(x, y, i):
    images = torch.randn(2, 4, 6, 6, requires_grad=True)
    yield F.conv2d(images, torch.randn(3, 4, 3, 3, requires_grad=True), None, 1, 1).square().sum()
    yield F.max_pool2d(images, 2).square().sum() + nn.AvgPool2d(3, 2, 1)(images).square().sum()
    yield nn.ConvTranspose2d(4, 2, 2, 2)(images).square().sum() + F.interpolate(images, scale_factor=2).square().sum()
    yield nn.InstanceNorm2d(4, affine=True)(images).mul(images.detach() + 1).sum() + nn.GroupNorm(2, 4)(images).square().mean()
    yield F.pixel_shuffle(images, 2).square().sum() + nn.ReflectionPad2d(1)(images).square().sum()
    words = torch.randn(5, 2, 4, requires_grad=True)
    for net in (nn.LSTM(4, 3, 2, bidirectional=True), nn.GRU(4, 3), nn.RNN(4, 3, nonlinearity="relu")):
        yield net(words)[0].square().sum()
    yield nn.GRUCell(4, 3)(x).square().sum() + nn.RNNCell(4, 3)(x).square().sum()
    cell, state = nn.LSTMCell(4, 3), (torch.zeros(5, 3), torch.zeros(5, 3))
    for word in words.unbind(1):
        state = cell(word, state)
    yield state[0].square().sum() + state[1].exp().sum() + nn.LSTMCell(4, 3)(x)[1].square().sum()
    yield nn.MultiheadAttention(4, 2)(words, words, words)[0].square().sum()
    yield nn.RMSNorm(4)(x).mul(y).sum() + nn.PReLU(4)(x).sum() + F.glu(x).sum() + F.softplus(x).sum() + F.elu(x).sum()


def numbers(x, y, i):
    large = torch.randn(100, 100, requires_grad=True)
    for one in (large, large.bfloat16(), large.half()):
        yield (one + 0.1).float().square().sum() + (one - 0.1307).float().sum() + (0.1 - one).float().square().sum()
        yield torch.add(one, one.flip(0), alpha=0.1).float().sum() + one.sub(one.flip(1), alpha=0.3).float().square().sum()
        yield one.add(3, alpha=0.1).float().sum() + (one - 1).float().sum()


def losses(x, y, i):
    t = torch.rand(3, 4)
    yield F.l1_loss(x, t) + F.smooth_l1_loss(x, t, beta=0.5) + F.huber_loss(x, t) + F.mse_loss(x[:, :1], t)
    yield F.binary_cross_entropy(torch.sigmoid(x), t) + F.kl_div(F.log_softmax(x, 1), t.softmax(1), reduction="batchmean")
    yield F.binary_cross_entropy_with_logits(x, t, pos_weight=torch.rand(4)) + F.poisson_nll_loss(x, t)
    yield F.binary_cross_entropy_with_logits(x, t, weight=torch.rand(4)) + F.soft_margin_loss(x, t.sign())
    yield F.triplet_margin_loss(x, y, x + t) + F.cosine_embedding_loss(x, y, torch.tensor([1, -1, 1]))
    yield F.margin_ranking_loss(x, y, t.sign()) + F.gaussian_nll_loss(x, t, t + 1)


@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
@pytest.mark.parametrize("calls", [arrays, layers, numbers, losses])
def test_no_call_is_accused_and_nearly_all_are_checked(calls, tmp_path):
    torch.manual_seed(1)
    x, y = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    with gradwalk.record(tmp_path / "run", level="tensors"):
        sum(calls(x, y, torch.tensor([0, 2]))).backward()
    trace = gradwalk.open_recording(tmp_path / "run")[0]
    verdicts = {op.id: check(trace, op).verdict for op in to_check(trace)}
    wrong = {trace.graph.ops[op]: verdict for op, verdict in verdicts.items() if verdict.agrees is False}
    assert not wrong
    unchecked = {(trace.graph.ops[op].name, verdict.sentence) for op, verdict in verdicts.items() if not verdict.rows}
    made_of_nothing = {"tensor", "rand", "zeros", "randn", "ones", "empty", "constant_", "uniform_", "kaiming_uniform_"}
    assert not {(name, why) for name, why in unchecked if name not in made_of_nothing and "are not kept" not in why}
    assert sum(verdict.agrees is True for verdict in verdicts.values()) > 20


@pytest.mark.parametrize("scale", [0.0, 3e-4, 0.3])
def test_weight_and_bias_of_a_norm_are_not_taken_for_running_statistics(scale, tmp_path):
    """Of three tensors the last two may be either: near 1 and 0 both ways to call give about the same."""
    torch.manual_seed(0)
    norms = torch.nn.InstanceNorm2d(4, affine=True), torch.nn.BatchNorm2d(4, track_running_stats=False)
    x = torch.randn(2, 4, 3, 3, requires_grad=True)
    for norm in norms:
        norm.weight.data += scale * torch.randn(4)
        norm.bias.data += scale * torch.randn(4)
    with gradwalk.record(tmp_path / "run", level="tensors"):
        sum(norm(x).pow(2).sum() for norm in norms).backward()
    trace = gradwalk.open_recording(tmp_path / "run")[0]
    for name in ("instance_norm", "batch_norm"):
        op = next(op for op in trace.graph.ops if op.name == name)
        verdict = check(trace, op).verdict
        assert verdict.agrees is True, verdict
        assert [row.symbol for row in verdict.rows] == ["Z", "dL/dX", "dL/dw", "dL/db"]
