"""Shapes and arguments that hypothesis makes up: broadcasting, sizes of zero, no axes at all, several layouts in memory.

Torch has no negative strides: the formula gets the view that is turned round, torch a copy of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from gradwalk.reference.arguments import HOLE

sys.path.insert(0, str(Path(__file__).parent))
from formula_case import case, listed, same_as_torch, torch_function
from formula_cases_arrays import along, read, write
from made_up import FULL, MARKS, PAIRS, QUICK, SHAPES, TRIPLES, F, Maker, examples

pytestmark = MARKS
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
