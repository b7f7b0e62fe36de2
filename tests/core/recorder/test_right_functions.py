"""Custom Functions as people write them, all of them right: none is accused, in any precision, in any step."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable

import gradwalk


class LayerNorm(Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        scale = torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + eps)
        normal = (x - x.mean(-1, keepdim=True)) * scale
        ctx.save_for_backward(normal, scale, weight)
        return normal * weight + bias

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        normal, scale, weight = ctx.saved_tensors
        dx = g * weight
        dx = scale * (dx - dx.mean(-1, keepdim=True) - normal * (dx * normal).mean(-1, keepdim=True))
        return dx, (g * normal).flatten(0, -2).sum(0), g.flatten(0, -2).sum(0), None


class Attention(Function):
    @staticmethod
    def forward(ctx, q, k, v, causal):
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if causal:
            scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), float("-inf"))
        log_sum = scores.logsumexp(-1)
        p = (scores - log_sum[..., None]).exp()
        ctx.save_for_backward(q, k, v, p)
        ctx.mark_non_differentiable(log_sum)
        return p @ v, log_sum

    @staticmethod
    def backward(ctx, g, _):
        q, k, v, p = ctx.saved_tensors
        dp = g @ v.transpose(-1, -2)
        ds = p * (dp - (dp * p).sum(-1, keepdim=True)) * q.shape[-1] ** -0.5
        return ds @ k, ds.transpose(-1, -2) @ q, p.transpose(-1, -2) @ g, None


class Dropout(Function):
    @staticmethod
    def forward(ctx, x, p):
        mask = (torch.rand_like(x) > p).to(x.dtype) / (1 - p)
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0], None


class InPlaceReLU(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        x.clamp_(min=0)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return g * (ctx.saved_tensors[0] > 0).to(g.dtype)


class Recomputed(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x) * x.sigmoid()

    @staticmethod
    def backward(ctx, g):
        with torch.enable_grad():
            x = ctx.saved_tensors[0].detach().requires_grad_()
            out = torch.tanh(x) * x.sigmoid()
        return torch.autograd.grad(out, x, g)


class Linear(Function):
    """Under autocast its forward is computed in fewer bits; its backward is where it runs."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return F.linear(x, weight, bias)

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        return g.to(weight.dtype) @ weight, g.to(x.dtype).t() @ x, g.sum(0)


class Halves(Function):
    @staticmethod
    def forward(ctx, x):
        first, second = x.chunk(2, -1)
        return first.clone(), second * 2

    @staticmethod
    def backward(ctx, first, second):
        return torch.cat([first, 2 * second], -1)


class CrossEntropy(Function):
    @staticmethod
    def forward(ctx, x, target):
        log_p = x.float().log_softmax(-1)
        ctx.save_for_backward(log_p, target)
        ctx.dtype = x.dtype
        return -log_p.gather(1, target[:, None]).mean()

    @staticmethod
    def backward(ctx, g):
        log_p, target = ctx.saved_tensors
        p = log_p.exp()
        p[torch.arange(len(target)), target] -= 1
        return (g * p / len(target)).to(ctx.dtype), None


class Annealed(Function):
    """Its factor is the class's, and changes from step to step."""

    factor = 1.0

    @staticmethod
    def forward(ctx, x):
        return x * Annealed.factor

    @staticmethod
    def backward(ctx, g):
        return g * Annealed.factor


TEMPERATURE = 1.0


class Heated(Function):
    """So is its temperature, a global."""

    @staticmethod
    def forward(ctx, x):
        return x / TEMPERATURE

    @staticmethod
    def backward(ctx, g):
        return g / TEMPERATURE


KINDS = (LayerNorm, Attention, Dropout, InPlaceReLU, Recomputed, Linear, Halves, CrossEntropy, Annealed, Heated)


def loss_of(parameters):
    weight, bias, scale, shift = parameters
    x = (torch.randn(4, 8) @ torch.eye(8)).requires_grad_()
    x = Heated.apply(
        Annealed.apply(InPlaceReLU.apply(Recomputed.apply(Dropout.apply(LayerNorm.apply(x, scale, shift, 1e-5), 0.3))))
    )
    out = Linear.apply(x, weight.to(x.dtype), bias.to(x.dtype))
    q = torch.randn(2, 3, 5, 8).requires_grad_() @ torch.eye(8)
    attended, _ = Attention.apply(q, q * 2, q + 1, True)
    first, second = Halves.apply(x)
    target = torch.randint(0, 6, (4,))
    rest = sum(one.float().pow(2).mean() for one in (attended, first, second))
    return CrossEntropy.apply(out, target) + rest


@pytest.mark.parametrize("inside", [False, True], ids=["backward outside of autocast", "backward under autocast"])
@pytest.mark.parametrize("cast", [None, torch.bfloat16, torch.float16], ids=["float32", "bfloat16", "float16"])
def test_none_is_accused(tmp_path, cast, inside):
    global TEMPERATURE
    if cast is None and inside:
        pytest.skip("there is no autocast")
    torch.manual_seed(0)
    parameters = [torch.randn(shape, requires_grad=True) for shape in ((6, 8), (6,), (8,), (8,))]
    with gradwalk.record(tmp_path / "run", check_steps=range(3)):
        for step in range(3):
            Annealed.factor, TEMPERATURE = 1.0 + step, 1.0 + step / 2
            with torch.autocast("cpu", cast) if cast else nullcontext():
                loss = loss_of(parameters)
                if inside:
                    loss.backward()
            if not inside:
                loss.backward()
            with torch.no_grad():
                for parameter in parameters:
                    parameter -= 0.01 * parameter.grad
                    parameter.grad = None
    with gradwalk.open_recording(tmp_path / "run") as recording:
        assert len(recording) == 3
        for trace in recording:
            found = {trace.graph.ops[one.op].name: one for one in trace.verdicts if trace.graph.ops[one.op].custom}
            assert sorted(found) == sorted(kind.__name__ for kind in KINDS)
            assert {name: (one.agrees, one.sentence) for name, one in found.items()} == dict.fromkeys(found, (True, ""))
            assert not [one for one in trace.verdicts if one.agrees is False]
