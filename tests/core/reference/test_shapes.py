"""Shapes that hypothesis makes up (broadcast against each other, sizes of zero included), laid out in memory in several ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from gradwalk.reference.registry import formula_of

PAIRS = mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3).map(lambda made: made.input_shapes)
LAYOUTS = {
    "plain": lambda x: x,
    "columns": np.asfortranarray,
    "turned round": lambda x: np.flip(np.flip(x).copy()),
}
QUICK = settings(max_examples=15, deadline=None, derandomize=True)


def as_torch(x):
    return torch.tensor(x.copy(), requires_grad=True)


def compare(formula, inputs, expected, tensors, **arguments):
    """Output and gradients of the formula against those of torch's ``expected``."""
    out = formula.compute(*inputs, **arguments)
    np.testing.assert_allclose(out, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    g = np.ones(np.shape(out)) + 0.5 * np.asarray(out)
    expected.backward(torch.tensor(g.copy()))
    for symbol, x, tensor in zip(formula.inputs, inputs, tensors, strict=True):
        gradient = formula.vjps[symbol](g, out, *inputs, **arguments)
        assert np.shape(gradient) == x.shape
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "minimum", "pow"])
@QUICK
@given(shapes=PAIRS, layout=st.sampled_from(sorted(LAYOUTS)), seed=st.integers(0, 999))
def test_two_inputs_broadcast(name, shapes, layout, seed):
    random = np.random.default_rng(seed)
    inputs = [LAYOUTS[layout](np.asarray(random.uniform(0.5, 2.0, shape))) for shape in shapes]
    tensors = [as_torch(x) for x in inputs]
    compare(formula_of(name), inputs, getattr(torch, name)(*tensors), tensors)


@pytest.mark.parametrize("name", ["neg", "exp", "log", "sqrt", "tanh", "sigmoid", "relu", "abs", "square", "sum"])
@QUICK
@given(shapes=PAIRS, layout=st.sampled_from(sorted(LAYOUTS)), seed=st.integers(0, 999))
def test_one_input(name, shapes, layout, seed):
    x = LAYOUTS[layout](np.asarray(np.random.default_rng(seed).uniform(0.5, 2.0, shapes[0])))
    tensor = as_torch(x)
    compare(formula_of(name), [x], getattr(torch, name)(tensor), [tensor])


@QUICK
@given(sizes=st.tuples(*[st.integers(0, 4)] * 3), layout=st.sampled_from(sorted(LAYOUTS)), seed=st.integers(0, 999))
def test_products_of_matrices(sizes, layout, seed):
    random, (n, m, k) = np.random.default_rng(seed), sizes
    inputs = [LAYOUTS[layout](random.standard_normal(shape)) for shape in ((n, m), (m, k))]
    tensors = [as_torch(x) for x in inputs]
    compare(formula_of("mm"), inputs, torch.mm(*tensors), tensors)
