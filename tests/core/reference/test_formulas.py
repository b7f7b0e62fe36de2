"""Every formula against torch's autograd in float64 and against central differences, one line per case."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradwalk.reference.registry import formula_of, formulas, unbroadcast

F = torch.nn.functional
RANDOM = np.random.default_rng(7)


def normal(*shape):
    return RANDOM.standard_normal(shape)


def positive(*shape):
    return RANDOM.uniform(0.5, 2.0, shape)


CLASSES = np.array([0, 3, 1, 3, 2])
CASES = [
    ("mm", torch.mm, [normal(4, 3), normal(3, 5)], {}),
    ("matmul", torch.matmul, [normal(2, 4, 3), normal(3, 5)], {}),
    ("matmul", torch.matmul, [normal(4, 3), normal(3)], {}),
    ("matmul", torch.matmul, [normal(3), normal(2, 3, 5)], {}),
    ("dot", torch.dot, [normal(6), normal(6)], {}),
    ("addmm", torch.addmm, [normal(5), normal(4, 3), normal(3, 5)], {}),
    ("addmm", torch.addmm, [normal(4, 5), normal(4, 3), normal(3, 5)], {"beta": 0.5, "alpha": 2.0}),
    ("linear", F.linear, [normal(4, 3), normal(5, 3), normal(5)], {}),
    ("linear", F.linear, [normal(2, 4, 3), normal(5, 3), normal(5)], {}),
    ("linear", F.linear, [normal(4, 3), normal(5, 3)], {}),
    ("t", torch.t, [normal(4, 3)], {}),
    ("transpose", torch.transpose, [normal(2, 4, 3)], {"dim0": 0, "dim1": 2}),
    ("add", torch.add, [normal(4, 3), normal(3)], {}),
    ("add", torch.add, [normal(4, 3), normal(4, 1)], {"alpha": 2}),
    ("sub", torch.sub, [normal(3), normal(4, 3)], {}),
    ("mul", torch.mul, [normal(4, 3), normal(1, 3)], {}),
    ("div", torch.div, [normal(4, 3), positive(3)], {}),
    ("maximum", torch.maximum, [np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 1.0])], {}),
    ("minimum", torch.minimum, [normal(4, 3), normal(4, 3)], {}),
    ("neg", torch.neg, [normal(4)], {}),
    ("pow", torch.pow, [normal(4, 3)], {"exponent": 2}),
    ("pow", torch.pow, [positive(4)], {"exponent": 0.5}),
    ("pow", torch.pow, [normal(4)], {"exponent": 0}),
    ("square", torch.square, [normal(4)], {}),
    ("exp", torch.exp, [normal(4)], {}),
    ("log", torch.log, [positive(4)], {}),
    ("sqrt", torch.sqrt, [positive(4)], {}),
    ("abs", torch.abs, [normal(4)], {}),
    ("tanh", torch.tanh, [normal(4)], {}),
    ("sigmoid", torch.sigmoid, [np.array([-800.0, -1.0, 0.0, 2.0, 800.0])], {}),
    ("relu", torch.relu, [normal(4, 3)], {}),
    ("clamp", torch.clamp, [normal(8)], {"min": 0}),
    ("clamp", torch.clamp, [normal(8)], {"min": -0.5, "max": 0.5}),
    ("silu", F.silu, [normal(8)], {}),
    ("gelu", F.gelu, [normal(8)], {}),
    ("sum", torch.sum, [normal(4, 3)], {}),
    ("sum", torch.sum, [normal(4, 3, 2)], {"dim": (0, 2), "keepdim": True}),
    ("mean", torch.mean, [normal(4, 3)], {}),
    ("mean", torch.mean, [normal(4, 3)], {"dim": -1}),
    ("softmax", torch.softmax, [normal(4, 3)], {"dim": 1}),
    ("softmax", torch.softmax, [normal(4, 3)], {"dim": 0}),
    ("log_softmax", torch.log_softmax, [normal(4, 3) * 500], {"dim": 1}),
    ("view", torch.reshape, [normal(4, 3)], {"shape": (2, 6)}),
    ("clone", torch.clone, [normal(4)], {}),
    ("nll_loss", F.nll_loss, [normal(5, 4), CLASSES], {}),
    ("cross_entropy", F.cross_entropy, [normal(5, 4), CLASSES], {}),
    ("cross_entropy", F.cross_entropy, [normal(5, 4), CLASSES], {"reduction": "none"}),
    ("mse_loss", F.mse_loss, [normal(4, 3), normal(4, 3)], {}),
    ("mse_loss", F.mse_loss, [normal(4, 3), normal(4, 3)], {"reduction": "sum"}),
]
IDS = [f"{name}-{number}" for number, (name, *_) in enumerate(CASES)]


@pytest.mark.parametrize(("name", "function", "inputs", "arguments"), CASES, ids=IDS)
def test_forward_and_every_vjp_equal_torch(name, function, inputs, arguments):
    formula = formula_of(name)
    tensors = [torch.tensor(x, requires_grad=x.dtype == np.float64) for x in inputs]
    expected = function(*tensors, **arguments)
    out = formula.compute(*inputs, **arguments)
    np.testing.assert_allclose(out, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    incoming = np.asarray(normal(*np.shape(out)))
    expected.backward(torch.tensor(incoming))
    for symbol, x, tensor in zip(formula.inputs, inputs, tensors, strict=False):
        if tensor.requires_grad:
            gradient = formula.vjps[symbol](incoming, out, *inputs, **arguments)
            assert np.shape(gradient) == x.shape
            np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["mm", "sub", "pow", "tanh", "sum", "softmax", "cross_entropy", "dropout"])
def test_vjp_equals_central_differences(name):
    formula = formula_of(name)
    x = normal(3, 4)
    second = {
        "mm": normal(4, 2),
        "sub": normal(3, 4),
        "cross_entropy": np.array([0, 1, 3]),
        "dropout": np.eye(3, 4),
    }
    inputs = [x, second[name]] if name in second else [x]
    out = np.asarray(formula.compute(*inputs))
    incoming, direction = np.asarray(normal(*out.shape)), normal(3, 4)
    gradient = formula.vjps[formula.inputs[0]](incoming, out, *inputs)
    step = 1e-6
    ahead, behind = (np.asarray(formula.compute(x + sign * step * direction, *inputs[1:])) for sign in (1, -1))
    np.testing.assert_allclose((gradient * direction).sum(), (incoming * (ahead - behind)).sum() / (2 * step), rtol=1e-6)


def test_every_formula_shows_what_it_computes():
    assert len(formulas()) > 60
    for name, formula in formulas().items():
        assert formula.forward.startswith(f"{formula.output} = "), name
        assert set(formula.vjps) == {symbol for symbol, _ in formula.gradients} <= set(formula.inputs), name
        for symbol, text in formula.gradients:
            assert text.startswith(f"dL/d{symbol} = "), name
        assert formula.source, name


def test_an_unknown_op_has_no_formula():
    assert formula_of("MyReLU") is None


def test_unbroadcast_sums_the_stretched_axes():
    assert unbroadcast(np.ones((2, 4, 3)), (4, 1)).tolist() == [[6.0]] * 4
