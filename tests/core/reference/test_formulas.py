"""Every formula against torch's autograd in float64 and against central differences, one line per case."""

from __future__ import annotations

import subprocess
import sys

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
SOME_IGNORED = np.array([0, -100, 1, -100, 2])
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
    ("rsub", torch.rsub, [normal(4, 3), normal(3)], {}),
    ("rdiv", lambda x, y: y / x, [positive(4, 3), normal(3)], {}),
    ("rpow", lambda x, y: y**x, [normal(4, 3), positive(3)], {}),
    ("reciprocal", torch.reciprocal, [positive(4)], {}),
    ("rsqrt", torch.rsqrt, [positive(4)], {}),
    ("pow", torch.pow, [normal(4, 3)], {"exponent": 2}),
    ("pow", torch.pow, [positive(4)], {"exponent": 0.5}),
    ("pow", torch.pow, [normal(4)], {"exponent": 0}),
    ("pow", torch.pow, [positive(4, 3), normal(3)], {}),
    ("pow", torch.pow, [np.array([0.0, 0.0, -2.0, 3.0]), np.array([0.0, 2.0, 3.0, 0.0])], {}),
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
    ("gelu", F.gelu, [normal(8)], {"approximate": "tanh"}),
    ("sum", torch.sum, [normal(4, 3)], {}),
    ("sum", torch.sum, [normal(4, 3, 2)], {"dim": (0, 2), "keepdim": True}),
    ("mean", torch.mean, [normal(4, 3)], {}),
    ("mean", torch.mean, [normal(4, 3)], {"dim": -1}),
    ("softmax", torch.softmax, [normal(4, 3)], {"dim": 1}),
    ("softmax", torch.softmax, [normal(4, 3)], {"dim": 0}),
    ("log_softmax", torch.log_softmax, [normal(4, 3) * 500], {"dim": 1}),
    ("view", torch.reshape, [normal(4, 3)], {"shape": (2, 6)}),
    ("permute", torch.permute, [normal(2, 3, 4)], {"dims": (2, 0, -2)}),
    ("T", lambda x: x.T, [normal(4, 3)], {}),
    ("flatten", torch.flatten, [normal(2, 3, 4)], {"start_dim": 1}),
    ("squeeze", torch.squeeze, [normal(1, 3, 1)], {}),
    ("squeeze", torch.squeeze, [normal(1, 3, 1)], {"dim": 1}),
    ("unsqueeze", torch.unsqueeze, [normal(4, 3)], {"dim": 1}),
    ("clone", torch.clone, [normal(4)], {}),
    ("nll_loss", F.nll_loss, [normal(5, 4), CLASSES], {}),
    ("cross_entropy", F.cross_entropy, [normal(5, 4), CLASSES], {}),
    ("cross_entropy", F.cross_entropy, [normal(5, 4), CLASSES], {"reduction": "none"}),
    ("nll_loss", F.nll_loss, [normal(5, 4), SOME_IGNORED], {"reduction": "none"}),
    ("cross_entropy", F.cross_entropy, [normal(5, 4), SOME_IGNORED], {}),
    ("cross_entropy", F.cross_entropy, [normal(5, 4), CLASSES], {"reduction": "mean", "ignore_index": 3}),
    ("cross_entropy", F.cross_entropy, [normal(5, 4), RANDOM.dirichlet(np.ones(4), 5)], {}),
    ("mse_loss", F.mse_loss, [normal(4, 3), normal(4, 3)], {}),
    ("mse_loss", F.mse_loss, [normal(4, 3), normal(4, 3)], {"reduction": "sum"}),
]
IDS = [f"{name}-{number}" for number, (name, *_) in enumerate(CASES)]


@pytest.mark.parametrize(("name", "function", "inputs", "arguments"), CASES, ids=IDS)
def test_forward_and_every_vjp_equal_torch(name, function, inputs, arguments):
    formula = formula_of(name)
    tensors = [torch.tensor(x, requires_grad=symbol in formula.vjps) for symbol, x in zip(formula.inputs, inputs, strict=False)]
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


NUMPY_CASES = [
    ("dot", np.dot, [normal(4, 3), normal(3, 5)], {}),
    ("dot", np.dot, [normal(2, 4, 3), normal(3)], {}),
    ("dot", np.dot, [normal(3), normal(2, 3, 4)], {}),
    ("dot", np.dot, [normal(2, 4, 3), normal(5, 3, 6)], {}),
    ("dot", np.dot, [np.asarray(normal()), normal(3, 2)], {}),
    ("add", np.add, [normal(4, 3), normal(3)], {}),
    ("subtract", np.subtract, [normal(4, 3), normal(4, 1)], {}),
    ("multiply", np.multiply, [normal(4, 3), normal(3)], {}),
    ("true_divide", np.true_divide, [normal(4, 3), positive(3)], {}),
    ("negative", np.negative, [normal(4)], {}),
    ("power", np.power, [positive(4), positive(4)], {}),
    ("square", np.square, [normal(4)], {}),
    ("maximum", np.maximum, [normal(4, 3), np.asarray(0.0)], {}),
    ("sum", np.sum, [normal(4, 3)], {"axis": 0, "keepdims": True}),
    ("mean", np.mean, [normal(4, 3, 2)], {"axis": (0, -1)}),
    ("transpose", np.transpose, [normal(2, 3, 4)], {}),
    ("transpose", np.transpose, [normal(2, 3, 4)], {"axes": (1, 2, 0)}),
    ("expand_dims", np.expand_dims, [normal(4)], {"axis": 0}),
    ("ravel", np.ravel, [normal(4, 3)], {}),
    ("copy", np.copy, [normal(4)], {}),
]
TORCH_ONLY_FLOATS = [case for case in CASES if all(x.dtype == np.float64 for x in case[2]) and 0.0 not in case[2][0]]
DROPOUT = ("dropout", lambda x, mask, p: x * mask / (1 - p), [normal(3, 4), np.eye(3, 4)], {"p": 0.25})


@pytest.mark.parametrize(("name", "function", "inputs", "arguments"), NUMPY_CASES)
def test_numpy_ops_compute_what_numpy_computes(name, function, inputs, arguments):
    np.testing.assert_allclose(formula_of(name).compute(*inputs, **arguments), function(*inputs, **arguments), rtol=1e-12)


@pytest.mark.parametrize(("name", "function", "inputs", "arguments"), [*NUMPY_CASES, *TORCH_ONLY_FLOATS, DROPOUT])
def test_every_vjp_equals_central_differences(name, function, inputs, arguments):
    formula = formula_of(name)
    out = np.asarray(formula.compute(*inputs, **arguments))
    incoming, step = np.asarray(normal(*out.shape)), 1e-6
    for place, symbol in enumerate(formula.inputs[: len(inputs)]):
        if symbol not in formula.vjps or name in ("minimum", "maximum"):
            continue
        direction = np.asarray(normal(*inputs[place].shape))
        ahead, behind = (
            np.asarray(formula.compute(*inputs[:place], inputs[place] + move, *inputs[place + 1 :], **arguments))
            for move in (step * direction, -step * direction)
        )
        gradient = formula.vjps[symbol](incoming, out, *inputs, **arguments)
        measured = (incoming * (ahead - behind)).sum() / (2 * step)
        np.testing.assert_allclose((gradient * direction).sum(), measured, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("alias", ["sub_", "add_", "mul_", "div_", "relu_", "clamp_", "addmm_", "isub", "iadd", "__sub__"])
def test_in_place_and_operator_names_have_the_formula_of_their_op(alias):
    plain = formula_of(alias.strip("_").removeprefix("i"))
    assert plain is not None
    assert (formula_of(alias).forward, formula_of(alias).compute) == (plain.forward, plain.compute)


def test_any_theme_may_be_imported_first():
    script = "import gradwalk.reference.loss; from gradwalk.reference.registry import formula_of; assert formula_of('mm')"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


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
