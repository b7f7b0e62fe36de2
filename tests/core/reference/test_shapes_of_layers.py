"""Layers and losses with shapes and arguments that hypothesis makes up."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

sys.path.insert(0, str(Path(__file__).parent))
from formula_case import case, same_as_torch
from formula_cases_losses import weighed, with_logits
from formula_cases_nets import groups, heads, layer, projections, rms
from made_up import FULL, MARKS, QUICK, REDUCTIONS, SHAPES, F, Maker, examples

pytestmark = MARKS
AXES = st.integers(1, 3)


def numbers(make, axes, low, high):
    """One number for all axes, or one for each."""
    if make.data.draw(st.booleans()):
        return make.data.draw(st.integers(low, high))
    return tuple(make.data.draw(st.integers(low, high)) for _ in range(axes))


@examples
def test_convolutions(make):
    axes, groups_, batch = make.data.draw(AXES), make.data.draw(st.integers(1, 2)), make.data.draw(st.integers(0, 2))
    window = tuple(make.data.draw(st.integers(1, 3)) for _ in range(axes))
    sizes = tuple(make.data.draw(st.integers(5, 7)) for _ in range(axes))
    x = make.normal(*([batch] if batch else []), 2 * groups_, *sizes)
    w = make.normal(2 * groups_, 2, *window)
    stride, dilation = numbers(make, axes, 1, 2), numbers(make, axes, 1, 2)
    padding = make.data.draw(st.sampled_from(["same", "valid", "number"]))
    padding = numbers(make, axes, 0, 2) if padding == "number" else padding
    arguments = {"stride": 1 if padding == "same" else stride, "padding": padding, "dilation": dilation, "groups": groups_}
    bias = [make.normal(2 * groups_)] if make.data.draw(st.booleans()) else []
    same_as_torch(case(f"conv{axes}d", x, w, *bias, **arguments, function=getattr(F, f"conv{axes}d")))
    back = {"stride": stride, "padding": numbers(make, axes, 0, 1), "dilation": dilation, "groups": groups_}
    assume(all(k > 1 for k in window))
    same_as_torch(case(f"conv_transpose{axes}d", x, w, **back, function=getattr(F, f"conv_transpose{axes}d")))


@examples
def test_pools(make):
    axes = make.data.draw(AXES)
    sizes = tuple(make.data.draw(st.integers(4, 6)) for _ in range(axes))
    x = make.apart(2, 1, *sizes) / 8
    window, stride = numbers(make, axes, 2, 3), numbers(make, axes, 1, 3)
    padding, ceil = make.data.draw(st.integers(0, 1)), make.data.draw(st.booleans())
    shared = {"kernel_size": window, "stride": stride, "padding": padding, "ceil_mode": ceil}
    dilation = 1 if ceil else make.data.draw(st.integers(1, 2))
    assume((np.max(window) - 1) * dilation + 1 <= min(sizes) + 2 * padding)
    same_as_torch(case(f"max_pool{axes}d", x, **shared, dilation=dilation, function=getattr(F, f"max_pool{axes}d")))
    named = {**shared, "count_include_pad": make.data.draw(st.booleans())}
    if axes > 1 and make.data.draw(st.booleans()):
        named["divisor_override"] = 5
    same_as_torch(case(f"avg_pool{axes}d", x, **named, function=getattr(F, f"avg_pool{axes}d")))
    size = numbers(make, axes, 1, 4)
    for kind in ("avg", "max"):
        same_as_torch(
            case(f"adaptive_{kind}_pool{axes}d", x, output_size=size, function=getattr(F, f"adaptive_{kind}_pool{axes}d"))
        )


@examples
def test_norms(make):
    shape = make.data.draw(st.lists(st.integers(2, 4), min_size=2, max_size=4).map(tuple))
    x, eps = make.normal(*shape), make.data.draw(st.sampled_from([1e-5, 0.1]))
    affine = make.data.draw(st.booleans())
    last = shape[-make.data.draw(st.integers(1, len(shape) - 1)) :]
    pair = [make.positive(*last), make.normal(*last)] if affine else []
    same_as_torch(case("layer_norm", x, *pair, normalized_shape=last, eps=eps, function=layer))
    same_as_torch(case("rms_norm", x, *pair[:1], normalized_shape=last, eps=eps, function=rms))
    channels = [make.positive(shape[1]), make.normal(shape[1])] if affine else []
    ways = make.data.draw(st.sampled_from([n for n in range(1, 5) if shape[1] % n == 0]))
    same_as_torch(case("group_norm", x, *channels, num_groups=ways, eps=eps, function=groups))
    kept = [make.normal(shape[1]), make.positive(shape[1])]
    training = make.data.draw(st.booleans())
    statistics = [None, None] if training and make.data.draw(st.booleans()) else kept
    momentum = make.data.draw(st.sampled_from([0.1, 0.0]))
    named = {"training": training, "eps": eps, "momentum": momentum}
    same_as_torch(case("batch_norm", x, *statistics, *channels, **named, function=F.batch_norm))
    if len(shape) > 2:
        same_as_torch(case("instance_norm", x, None, None, *channels, eps=eps))


@examples
def test_attention(make):
    batch, times, groups_, length, keys, size = (make.data.draw(st.integers(1, 3)) for _ in range(6))
    q, k, v = (
        make.normal(batch, groups_ * times, length, size),
        make.normal(batch, groups_, keys, size),
        make.normal(batch, groups_, keys, 2),
    )
    arguments = {"enable_gqa": times > 1, "scale": make.data.draw(st.sampled_from([None, 0.3]))}
    kind = make.data.draw(st.sampled_from(["none", "causal", "mask", "bias"]))
    mask = {"mask": [make.random.random((length, keys)) > 0.3], "bias": [make.normal(length, keys)]}.get(kind, [])
    same_as_torch(case("scaled_dot_product_attention", q, k, v, *mask, is_causal=kind == "causal", **arguments))


@examples
def test_heads(make):
    batch, length, keys, per_head, ways = (make.data.draw(st.integers(1, 3)) for _ in range(5))
    size = per_head * ways
    q, k = make.normal(length, batch, size), make.normal(keys, batch, size)
    mask = [None, make.normal(length, keys)] if make.data.draw(st.booleans()) else []
    named = {"num_heads": ways, "need_weights": make.data.draw(st.booleans())}
    same_as_torch(
        case("multi_head_attention_forward", q, k, make.normal(*k.shape), *projections(size), *mask, **named, function=heads)
    )


@examples
def test_losses_over_classes(make):
    count, classes = make.data.draw(st.integers(1, 4)), make.data.draw(st.integers(2, 4))
    more = make.data.draw(st.lists(st.integers(1, 3), max_size=2).map(tuple))
    x = make.normal(count, classes, *more)
    target = make.random.integers(0, classes, (count, *more))
    weight = [make.positive(classes)] if make.data.draw(st.booleans()) else []
    named = {"reduction": make.data.draw(REDUCTIONS), "ignore_index": make.data.draw(st.sampled_from([-100, 0]))}
    assume(named["ignore_index"] != 0 or (target != 0).any())
    same_as_torch(case("nll_loss", x, target, *weight, **named))
    named["label_smoothing"] = make.data.draw(st.sampled_from([0.0, 0.2]))
    same_as_torch(case("cross_entropy", x, target, *weight, **named))
    probable = make.random.dirichlet(np.ones(classes), (count, *more)).transpose(0, -1, *range(1, 1 + len(more)))
    named.pop("ignore_index")
    same_as_torch(case("cross_entropy", x, probable, *weight, **named))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss"])
@QUICK
@given(st.data())
def test_losses_of_pairs(name, data):
    make = Maker(data)
    shapes = data.draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=1, max_side=3)).input_shapes
    if name in ("kl_div", "poisson_nll_loss"):
        shapes = (shapes[0], shapes[0])
    same_as_torch(case(name, make.normal(*shapes[0]), make.positive(*shapes[1]), reduction=data.draw(REDUCTIONS)))


@examples
def test_losses_of_probabilities(make):
    shape = make.data.draw(FULL)
    x, t = make.random.uniform(0.1, 0.9, shape), make.random.uniform(0.1, 0.9, shape)
    weight = [make.laid(make.random.integers(1, 4, shape))] if make.data.draw(st.booleans()) else []
    how = make.data.draw(REDUCTIONS)
    plain = lambda x, t, *w, reduction: F.binary_cross_entropy(x, t, *[one.double() for one in w], reduction=reduction)  # noqa: E731
    logits = lambda x, t, *w, reduction: with_logits(x, t, *[one.double() for one in w], reduction=reduction)  # noqa: E731
    same_as_torch(case("binary_cross_entropy", x, t, *weight, reduction=how, function=plain))
    same_as_torch(case("binary_cross_entropy_with_logits", make.normal(*shape), t, *weight, reduction=how, function=logits))
    same_as_torch(case("mse_loss", x, t, make.positive(*shape), reduction=how, function=weighed("mse_loss")))


@examples
def test_embedding_and_dropout(make):
    words, width = make.data.draw(st.integers(1, 5)), make.data.draw(st.integers(0, 3))
    t = make.random.integers(0, words, make.data.draw(SHAPES))
    named = {"padding_idx": make.data.draw(st.sampled_from([None, 0, -1])), "scale_grad_by_freq": make.data.draw(st.booleans())}
    same_as_torch(case("embedding", t, make.normal(words, width), **named, function=F.embedding))
    x = make.normal(*make.data.draw(SHAPES))
    mask = 1.0 * (make.random.random(x.shape) > 0.5)
    same_as_torch(case("dropout", x, mask, p=0.25, function=lambda x, mask, p: x * mask / (1 - p)))
