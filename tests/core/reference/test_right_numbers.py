"""Numbers among arguments, at kinks and out of range: right ops are checked there too, and agree."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwalk.reference.checking import check
from gradwalk.reference.untold import rounded

sys.path.insert(0, str(Path(__file__).parent))
from right import agreeing, each_dtype, normal, ops, planted

CHOOSING = {
    "gt": lambda x, c: (x > c) * x, "lt": lambda x, c: (x < c) * x, "eq": lambda x, c: (x == c) * x,
    "clamp": lambda x, c: x.clamp(-c, c), "clamp_max": lambda x, c: x.clamp_max(c), "hardtanh": lambda x, c: F.hardtanh(x, -c, c),
    "hardshrink": lambda x, c: F.hardshrink(x, c), "softshrink": lambda x, c: F.softshrink(x, c),
    "threshold": lambda x, c: F.threshold(x, c, 9.0), "softplus": lambda x, c: F.softplus(x, 1, c),
    "fmod": lambda x, c: torch.fmod(x, c), "remainder": lambda x, c: x % c, "floor_divide": lambda x, c: (x.detach() // c) + x,
    "div": lambda x, c: torch.div(x, c, rounding_mode="floor") + torch.div(x, c, rounding_mode="trunc") + x,
    "pow": lambda x, c: (20 * x.abs() + 1) ** c, "rpow": lambda x, c: (c + 1) ** (4 * x),
    "xlogy": lambda x, c: torch.xlogy(x, 1 + c / 100),
    "logit": lambda x, c: torch.logit(torch.sigmoid(4 * x), c / 100),
    "hinge_embedding_loss": lambda x, c: F.hinge_embedding_loss(x, x.detach().sign(), margin=c, reduction="none"),
    "margin_ranking_loss": lambda x, c: F.margin_ranking_loss(x, x.flip(0), x.detach().sign(), margin=c, reduction="none"),
}  # fmt: skip
NAMED = set(CHOOSING) - {"threshold"}
"""Those that are recorded under the name that they are called by."""


@each_dtype
@pytest.mark.parametrize("number", [0.1, 0.3, 0.7, 1.1])
def test_numbers_are_those_of_the_dtype_where_they_decide(number, dtype, tmp_path):
    """Elements that are the number itself, as the dtype has it, on both sides of 0."""
    kept = torch.tensor(number, dtype=dtype)
    x = torch.cat([torch.randn(50).to(dtype), kept.repeat(20), -kept.repeat(20), torch.randn(13).to(dtype)]).requires_grad_()
    agreeing(tmp_path / "run", lambda: sum(f(x, number).float().sum() for f in CHOOSING.values()).backward(), *NAMED)


def test_a_margin_among_two_dtypes_is_that_of_the_finer_one(tmp_path):
    x, y = normal(6, 7, dtype=torch.bfloat16), normal(6, 7)

    def program():
        loss = F.margin_ranking_loss(x, y, y.detach().sign(), margin=0.2) + F.triplet_margin_loss(x, y, y.flip(0), margin=0.7)
        (loss + F.hinge_embedding_loss(x, y.detach().sign(), margin=0.3)).backward()

    agreeing(tmp_path / "run", program, "margin_ranking_loss", "triplet_margin_loss", "hinge_embedding_loss")


@each_dtype
def test_a_number_is_rounded_to_the_nearest_of_the_dtype(dtype):
    unit = torch.finfo(dtype).eps / 2
    for number in (0.1, 0.3, -0.7, 1e3 + 0.1, 3e-4, 0.0, 1.0, 257.0, float("inf")):
        assert rounded(number, unit) == torch.tensor(number, dtype=dtype).item()


def test_a_comparison_that_is_wrong_is_found(tmp_path):
    x = torch.tensor([0.1, 0.2, 0.3], requires_grad=True)
    trace = agreeing(tmp_path / "run", lambda: ((x > 0.1) * x).sum().backward(), "gt")
    [compared] = ops(trace, "gt")
    assert check(planted(trace, ("value", compared.outputs[0]), 0, 1), compared).verdict.agrees is False


def test_gradients_of_a_weight_may_be_infinite_in_float16(tmp_path):
    layers, x = (nn.Linear(4, 3), nn.Linear(3, 3)), 100 * normal(5, 4).detach()
    x[:, 0] = 1e-3
    conv, images = nn.Conv2d(2, 3, 3), 100 * normal(5, 2, 6, 6).detach()

    def program():
        with torch.autocast("cpu", torch.float16):
            h = layers[1](layers[0](x))
            z = conv(images)
        ((h.float() * 1e4).sum() + (z.float() * 1e4).sum()).backward()

    trace = agreeing(tmp_path / "run", program, "linear", "conv2d")
    first = ops(trace, "linear")[0]
    rows = check(trace, first).verdict.rows
    [weight] = [row for row in rows if row.symbol == "dL/dW"]
    seen = trace.tensors[weight.tensor].data
    assert np.isinf(seen).any()
    finite = tuple(np.argwhere(np.isfinite(seen))[0])
    for wrong in (np.inf, -2 * seen[finite]):
        assert check(planted(trace, weight.tensor, finite, wrong), first).verdict.agrees is False


def test_what_leaves_the_range_on_its_way_is_not_accused(tmp_path):
    large, tiny = torch.tensor([300.0, 1e3, -2e3]), torch.tensor([1e-3, 3e-3, 2e-2])
    x, y = large.half().requires_grad_(), tiny.half().requires_grad_()
    far = torch.tensor([89.1, -89.2, 3.0], requires_grad=True)
    angles, seeds = torch.tanh(20 * normal(50).detach()).requires_grad_(), torch.full((3,), 0.01)

    def program():
        small = x.atan().float() + x.asinh().float() + (0.7 / y).float() + (y**-1.7).float() + y.rsqrt().float()
        (small @ seeds + far.cosh().sum() + far.sinh().sum() + torch.acos(torch.tanh(20 * angles)).sum()).backward()

    trace = agreeing(tmp_path / "run", program, "atan", "asinh", "rdiv", "pow", "rsqrt", "cosh", "sinh", "acos", "tanh")
    [atan] = ops(trace, "atan")
    [gradient] = [row.tensor for row in check(trace, atan).verdict.rows if row.symbol == "dL/dX"]
    assert (trace.tensors[gradient].data == 0).all(), "torch squares x in float16"
    assert check(planted(trace, gradient, 0, 1e-3), atan).verdict.agrees is False


def test_the_gelu_of_many_numbers_is_not_accused(tmp_path):
    x = normal(10_000, size=2.0)
    agreeing(tmp_path / "run", lambda: F.gelu(x).sum().backward(), "gelu")


@each_dtype
def test_very_small_and_very_large_numbers_are_not_accused(dtype, tmp_path):
    sizes = [1e-22, 1e-42, 1e15, 1e30] if dtype != torch.float16 else [1e-4, 1e-6, 1e3]

    def program():
        for size in sizes:
            x, w = normal(5, 7, dtype=dtype, size=size), normal(7, 3, dtype=dtype, size=size)
            parts = [x @ w, x.norm(dim=1), F.layer_norm(x, (7,)), F.rms_norm(x, (7,)), F.batch_norm(x, None, None, training=True)]
            parts += [x.erf(), F.gelu(x), F.normalize(x), x.var(1), torch.atan2(x, x.flip(0)), torch.logaddexp(x, x.flip(0))]
            sum(part.float().sum() for part in parts).backward()

    agreeing(tmp_path / "run", program, "matmul", "norm", "layer_norm", "rms_norm", "batch_norm", "erf", "gelu", "var")


def test_products_of_very_small_numbers_in_float64_are_bound(tmp_path):
    """1e-22 times 1e-22 is not in float32, where the sizes of sums are added up for what is stored in it."""
    torch.manual_seed(0)
    x, w = (1e-23 * torch.randn(4, 4000, dtype=torch.float64) for _ in range(2))
    x.requires_grad_()
    trace = agreeing(tmp_path / "run", lambda: (x @ (w - x.detach()).T).sum().backward(), "matmul")
    [product] = ops(trace, "matmul")
    key = ("value", product.outputs[0])
    size = float((x.detach().abs() @ (w - x.detach()).abs().T)[1, 2])
    for units, agrees in ((100, True), (2000, False)):
        assert check(planted(trace, key, (1, 2), units * 2.0**-53 * size), product).verdict.agrees is agrees, units


BROKEN = (float("nan"), float("inf"), float("-inf"))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("broken", BROKEN)
def test_quotients_and_attention_of_what_is_no_number_are_not_accused(broken, dtype, tmp_path):
    def bad(*shape):
        x = torch.randn(*shape).to(dtype)
        x.view(-1)[::7] = broken
        return x.requires_grad_()

    def program():
        made = [F.softsign(bad(50)), F.l1_loss(bad(5, 7), bad(5, 7)), F.scaled_dot_product_attention(*(bad(1, 2, 5, 7),) * 3)]
        sum(part.float().sum() for part in made).backward()

    agreeing(tmp_path / "run", program, "softsign", "l1_loss", "scaled_dot_product_attention")


@each_dtype
@pytest.mark.parametrize("broken", BROKEN)
def test_an_op_of_what_is_no_number_is_not_accused(broken, dtype, tmp_path):
    def bad(*shape):
        with torch.no_grad():
            x = torch.randn(*shape).to(dtype)
            x.view(-1)[::7] = broken
        return x.requires_grad_()

    def program():
        flat = (
            F.elu,
            F.selu,
            F.relu6,
            F.hardtanh,
            F.hardswish,
            F.hardsigmoid,
            F.softshrink,
            F.hardshrink,
            F.gelu,
            F.silu,
            torch.abs,
        )
        made = [function(bad(50)) for function in flat] + [F.dropout(bad(200), 0.3), torch.nan_to_num(bad(9)), bad(9) ** 0.5]
        made += [
            bad(5, 7).prod(1),
            bad(5, 7).cumprod(1),
            bad(5, 7).max(),
            bad(5, 7).topk(3, 1).values,
            bad(5, 7).median(1).values,
        ]
        made += [
            torch.maximum(bad(5, 7), bad(5, 7).flip(0)),
            F.max_pool2d(bad(2, 3, 6, 6), 2),
            F.adaptive_max_pool2d(bad(1, 6, 6), 4),
        ]
        made += [
            F.interpolate(bad(2, 3, 6, 6), scale_factor=2, mode="bilinear"),
            torch.logaddexp(bad(5, 7), bad(7)),
            F.softmax(bad(5, 7), 1),
        ]
        made += [
            F.soft_margin_loss(bad(5, 7), torch.ones(5, 7, dtype=dtype)),
            bad(3, 7) @ bad(7, 3),
            F.layer_norm(bad(5, 7), (7,)),
        ]
        sum(part.float().sum() for part in made).backward()

    trace = agreeing(tmp_path / "run", program, "elu", "prod", "topk", "max_pool2d", "interpolate", "matmul")
    one = ops(trace, "elu")[0]
    for place in (1, 2, 8):
        assert check(planted(trace, ("value", one.outputs[0]), place, 1.0), one).verdict.agrees is False, "it hangs on no other"
