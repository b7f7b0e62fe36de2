"""Shapes and arguments that hypothesis makes up: broadcasting, sizes of zero, no axes at all, several layouts in memory.

Torch has no negative strides: the formula gets the view that is turned round, torch a copy of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from gradwalk.reference.arguments import HOLE

sys.path.insert(0, str(Path(__file__).parent))
from formula_case import case, listed, same_as_torch, torch_function
from formula_cases_arrays import along, read, write
from formula_cases_losses import weighed, with_logits
from formula_cases_nets import groups, heads, layer, projections, rms

F = torch.nn.functional
LAYOUTS = {
    "plain": lambda x: x,
    "columns": lambda x: np.asfortranarray(x) if x.ndim else x,
    "turned round": lambda x: np.flip(np.flip(x).copy()),
    "every other": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
}
QUICK = settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
SIZES = st.integers(0, 3)
SHAPES = st.lists(SIZES, max_size=4).map(tuple)
FULL = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
SEEDS = st.integers(0, 999)
PAIRS = mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3).map(lambda made: made.input_shapes)
TRIPLES = mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3).map(lambda made: made.input_shapes)
REDUCTIONS = st.sampled_from(["mean", "sum", "none"])
pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
    pytest.mark.filterwarnings("ignore:Using a target size:UserWarning"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


class Maker:
    """Makes arrays for one example: random numbers, in a layout that is drawn for each."""

    def __init__(self, data):
        self.data, self.random = data, np.random.default_rng(data.draw(SEEDS))

    def laid(self, x):
        return LAYOUTS[self.data.draw(st.sampled_from(sorted(LAYOUTS)))](np.asarray(x))

    def normal(self, *shape):
        return self.laid(self.random.standard_normal(shape))

    def positive(self, *shape):
        return self.laid(self.random.uniform(0.5, 2.0, shape))

    def apart(self, *shape):
        """Numbers none of which is another."""
        return self.laid(self.random.permutation(int(np.prod(shape))).astype(float).reshape(shape))

    def dims(self, ndim):
        """No axes, one, or several; some from the end."""
        some = st.lists(st.integers(0, ndim - 1), min_size=1, max_size=ndim, unique=True)
        axes = self.data.draw(some)
        axes = tuple(axis - ndim if self.data.draw(st.booleans()) else axis for axis in axes)
        return axes if len(axes) > 1 or self.data.draw(st.booleans()) else axes[0]

    def dim(self, ndim):
        return self.data.draw(st.integers(-ndim, ndim - 1))

    def whole(self, high, *shape):
        """Indices, some from the end."""
        return self.random.integers(-high, high, shape) if high else np.zeros(shape, np.int64)


def examples(function):
    """Run a test with a Maker on each example."""

    @QUICK
    @given(st.data())
    def run(data):
        function(Maker(data))

    run.__name__ = function.__name__
    run.hypothesis.inner_test.__name__ = function.__name__
    return run


BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
    "pow",
    "atan2",
    "hypot",
    "fmod",
    "remainder",
    "xlogy",
    "fmax",
    "logaddexp",
]


@pytest.mark.parametrize("name", BINARY)
@QUICK
@given(st.data())
def test_two_inputs_broadcast(name, data):
    make = Maker(data)
    same_as_torch(case(name, *[make.positive(*shape) for shape in data.draw(PAIRS)]))


@pytest.mark.parametrize("name", ["addcmul", "addcdiv", "lerp", "clamp", "where"])
@QUICK
@given(st.data())
def test_three_inputs_broadcast(name, data):
    make = Maker(data)
    inputs = [make.positive(*shape) for shape in data.draw(TRIPLES)]
    if name == "where":
        inputs[0] = inputs[0] > 1
    if name == "clamp":  # torch has no gradient of a bound that is larger than what it bounds
        assume(np.broadcast_shapes(*(x.shape for x in inputs)) == inputs[0].shape and inputs[0].size)
    same_as_torch(case(name, *inputs))


UNARY = "neg exp log sqrt tanh sigmoid relu abs square reciprocal rsqrt sin cos erf log1p silu gelu softplus elu mish leaky_relu"


@pytest.mark.parametrize("name", [*UNARY.split(), "hardswish", "selu", "celu", "softsign", "floor"])
@QUICK
@given(st.data())
def test_one_input(name, data):
    x = Maker(data).positive(*data.draw(SHAPES))
    same_as_torch(
        case(name, x, function=getattr(F, name, None) if name != "tanh" and name != "sigmoid" else torch_function(name)),
        rtol=1e-6,
    )


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "prod", "logsumexp", "amax", "amin", "norm"])
@QUICK
@given(st.data())
def test_reductions(name, data):
    make = Maker(data)
    x = make.normal(*data.draw(FULL if name in ("var", "std", "logsumexp", "amax", "amin", "norm") else SHAPES))
    arguments = {}
    if x.ndim and data.draw(st.booleans()):
        arguments = {"dim": make.dim(x.ndim) if name == "prod" else make.dims(x.ndim), "keepdim": data.draw(st.booleans())}
    elif name == "logsumexp":
        arguments = {"dim": tuple(range(x.ndim))}
    if name in ("var", "std") and arguments:
        arguments["correction"] = 0
    elif name in ("var", "std"):
        assume(x.size > 1)
    if name == "norm":
        arguments["p"] = data.draw(st.sampled_from([1, 2, 3.0, float("inf")]))
    if name == "mean":
        assume(x.size)
    same_as_torch(case(name, x, **arguments))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "cumsum", "cumprod", "max", "min", "sort", "cummax"])
@QUICK
@given(st.data())
def test_along_an_axis(name, data):
    make = Maker(data)
    x = make.apart(*data.draw(FULL))
    function = (lambda x, dim: tuple(getattr(torch, name)(x, dim))) if name in ("max", "min", "sort", "cummax") else None
    same_as_torch(case(name, x / 4, dim=make.dim(x.ndim), function=function))


@examples
def test_topk_kthvalue_and_median(make):
    x = make.apart(*make.data.draw(FULL))
    dim = make.dim(x.ndim)
    k, largest, keep = make.data.draw(st.integers(1, x.shape[dim])), make.data.draw(st.booleans()), make.data.draw(st.booleans())
    same_as_torch(case("topk", x, k=k, dim=dim, largest=largest))
    same_as_torch(case("kthvalue", x, k=k, dim=dim, keepdim=keep))
    same_as_torch(case("median", x, dim=dim, keepdim=keep))


@examples
def test_products_of_matrices(make):
    n, m, k, batch = (make.data.draw(st.integers(0, 4)) for _ in range(4))
    same_as_torch(case("mm", make.normal(n, m), make.normal(m, k)))
    same_as_torch(case("addmm", make.normal(k), make.normal(n, m), make.normal(m, k), beta=0.5, alpha=2.0))
    same_as_torch(case("baddbmm", make.normal(n, k), make.normal(batch, n, m), make.normal(batch, m, k), alpha=0.5))
    same_as_torch(case("linear", make.normal(batch, n, m), make.normal(k, m), make.normal(k), function=F.linear))
    same_as_torch(case("outer", make.normal(n), make.normal(m)))
    same_as_torch(case("einsum", make.normal(batch, n, m), make.normal(m, k), equation="bij,jk->bik", function=equation))


def equation(*xs, equation):
    return torch.einsum(equation, *xs)


@examples
def test_matmul_of_any_shapes(make):
    batches = make.data.draw(PAIRS)
    n, m, k = (make.data.draw(st.integers(0, 3)) for _ in range(3))
    left = (m,) if make.data.draw(st.booleans()) else (*batches[0], n, m)
    right = (m,) if make.data.draw(st.booleans()) else (*batches[1], m, k)
    same_as_torch(case("matmul", make.normal(*left), make.normal(*right)))


SLICES = [slice(None), slice(1, None), slice(None, None, 2), slice(-2, 3), slice(2, 1)]


def drawn_index(make, shape):
    """An index of slices, whole numbers, new axes and one list, mask or several tensors; and its tensors."""
    broadcast = make.data.draw(mutually_broadcastable_shapes(num_shapes=3, max_dims=2, max_side=3)).input_shapes
    kinds = ["slice", "number", *make.data.draw(st.sampled_from([["tensor"] * 2, ["list"], ["mask"]]))]
    index, tensors = [], []
    for size in shape[: make.data.draw(st.integers(0, len(shape)))]:
        if make.data.draw(st.integers(0, 3)) == 0:
            index.append(None)
        kind = make.data.draw(st.sampled_from(kinds)) if len(tensors) < 3 else "slice"
        made = {
            "slice": lambda: make.data.draw(st.sampled_from(SLICES)),
            "number": lambda size=size: make.data.draw(st.integers(-size, size - 1)),
            "list": lambda: [0, -1, 0],
        }.get(kind, lambda: HOLE)()
        index.append(made)
        if made is HOLE:
            tensor = make.whole(size, *broadcast[len(tensors)]) if kind == "tensor" else make.random.random(size) > 0.5
            tensors.append(tensor)
        if kind in ("list", "mask"):
            kinds = ["slice", "number"]
    return (*index, *make.data.draw(st.sampled_from([(), (Ellipsis,)]))), tensors


@examples
def test_indices(make):
    x = make.normal(*make.data.draw(FULL))
    index, tensors = drawn_index(make, x.shape)
    same_as_torch(case("getitem", x, *tensors, index=index, function=read))
    if all(t.dtype == bool for t in tensors) and not any(isinstance(part, list) for part in index):  # no place twice
        taken = read(torch.tensor(x.copy()), *map(torch.tensor, tensors), index=index)
        same_as_torch(case("setitem", x, *tensors, make.normal(*taken.shape), index=index, function=write))
        same_as_torch(case("setitem", x, *tensors, make.normal(), index=index, function=write))


@examples
def test_gather_and_scatter(make):
    ndim = make.data.draw(st.integers(1, 3))
    shape = tuple(make.data.draw(st.integers(1, 4)) for _ in range(ndim))
    small = tuple(make.data.draw(st.integers(0, size)) for size in shape)
    dim = make.dim(ndim)
    index = make.random.integers(0, shape[dim], small)
    same_as_torch(case("gather", make.normal(*shape), index, dim=dim, function=along("gather")))
    same_as_torch(case("scatter_add", make.normal(*shape), index, make.normal(*small), dim=dim, function=along("scatter_add")))
    one = make.random.integers(0, shape[dim], make.data.draw(st.integers(0, 5)))
    part = list(shape)
    part[dim] = len(one)
    same_as_torch(case("index_select", make.normal(*shape), one, dim=dim, function=along("index_select")))
    same_as_torch(
        case("index_add", make.normal(*shape), one, make.normal(*part), dim=dim, alpha=2.0, function=along("index_add"))
    )
    mask = make.random.random(shape) > 0.5
    same_as_torch(case("masked_select", make.normal(*shape), mask))
    same_as_torch(case("masked_fill", make.normal(*shape), mask, make.normal(), function=torch.Tensor.masked_fill))


@examples
def test_moved_and_repeated_elements(make):
    x = make.normal(*make.data.draw(FULL))
    dims = make.dims(x.ndim)
    dims = dims if isinstance(dims, tuple) else (dims,)
    same_as_torch(case("flip", x, dims=dims))
    same_as_torch(case("roll", x, shifts=tuple(make.data.draw(st.integers(-5, 5)) for _ in dims), dims=dims))
    same_as_torch(case("permute", x, dims=tuple(make.random.permutation(x.ndim).tolist())))
    same_as_torch(
        case("tile", x, dims=tuple(make.data.draw(st.integers(1, 2)) for _ in range(make.data.draw(st.integers(1, 4)))))
    )
    same_as_torch(case("repeat_interleave", x, repeats=make.data.draw(st.integers(0, 3)), dim=make.dim(x.ndim)))
    size = make.data.draw(st.integers(1, x.shape[dims[0]]))
    same_as_torch(
        case("unfold", x, dimension=dims[0], size=size, step=make.data.draw(st.integers(1, 3)), function=torch.Tensor.unfold)
    )
    pad = make.data.draw(st.lists(st.integers(0, 2), min_size=2 * x.ndim, max_size=2 * x.ndim))
    same_as_torch(case("pad", x, pad=tuple(pad[: 2 * make.data.draw(st.integers(1, x.ndim))]), value=0.5))


@examples
def test_joined_and_parted_tensors(make):
    x = make.normal(*make.data.draw(FULL))
    dim, ways = make.dim(x.ndim), make.data.draw(st.integers(1, 4))
    same_as_torch(case("cat", x, make.normal(*x.shape), x, dim=dim, function=listed(torch.cat)))
    same_as_torch(case("stack", x, make.normal(*x.shape), dim=dim, function=listed(torch.stack)))
    same_as_torch(case("split", x, split_size_or_sections=ways, dim=dim))
    same_as_torch(case("chunk", x, chunks=ways, dim=dim))
    same_as_torch(case("unbind", x, dim=dim))
    same_as_torch(case("expand", x, size=(2, *x.shape), function=lambda x, size: x.expand(size)))
    same_as_torch(case("flatten", x, start_dim=dim))


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
