"""The formulas that place, order, cast and bend, next to torch in float64: forwards and backwards."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gradwalk.reference.registry import formula_of

INDEX = torch.tensor([[0, 2, 1], [1, 1, 0]])
CASES = [
    ("pad", lambda x: F.pad(x, (1, 2)), {"pad": (1, 2)}),
    ("pad", lambda x: F.pad(x, (-1, 2, 0, 1), value=0.5), {"pad": (-1, 2, 0, 1), "value": 0.5}),
    ("topk", lambda x: x.topk(2), {"k": 2}),
    ("topk", lambda x: x.topk(1, dim=0, largest=False), {"k": 1, "dim": 0, "largest": False}),
    ("sort", lambda x: x.sort(dim=0, descending=True), {"dim": 0, "descending": True}),
    ("sort", lambda x: x.sort(), {}),
    ("cumsum", lambda x: x.cumsum(1), {"dim": 1}),
    ("cumsum", lambda x: x.cumsum(0), {"dim": 0}),
    ("to", lambda x: x.to(torch.float64, copy=True), {}),
    ("float", lambda x: x.double().clone(), {}),
    ("min", lambda x: x.min(), {}),
    ("min", lambda x: x.min(dim=1), {"dim": 1}),
    ("floor", torch.floor, {}),
    ("sin", torch.sin, {}),
    ("cos", torch.cos, {}),
    ("softplus", lambda x: F.softplus(x, 3.0, 2.0), {"beta": 3.0, "threshold": 2.0}),
    ("hardtanh", lambda x: F.hardtanh(x, -0.5, 0.7), {"min_val": -0.5, "max_val": 0.7}),
    ("relu6", lambda x: F.relu6(8 * x) / 8, None),
]
PAIRS = [
    ("gather", lambda x: x.gather(1, INDEX), (INDEX,), {"dim": 1}),
    ("gather", lambda x: x.gather(0, INDEX[:, :2] % 2), (INDEX[:, :2] % 2,), {"dim": 0}),
]


def numbers(made):
    return [np.asarray(part.detach().numpy()) for part in (made if isinstance(made, tuple) else (made,))]


@pytest.mark.parametrize(("name", "function", "arguments"), CASES)
def test_as_torch_does_it(name, function, arguments):
    torch.manual_seed(1)
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    if arguments is None:
        x64 = 8 * x.detach().numpy()
        np.testing.assert_allclose(formula_of(name).compute(x64) / 8, function(x).detach().numpy())
        return
    made, formula = function(x), formula_of(name)
    out = formula.compute(x.detach().numpy(), **arguments)
    outs = out if isinstance(out, tuple) else (out,)
    for one, other in zip(outs, numbers(made), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    first = made[0] if isinstance(made, tuple) else made
    g = torch.randn_like(first)
    first.backward(g)
    given = (g.numpy(), None) if isinstance(out, tuple) else g.numpy()
    np.testing.assert_allclose(formula.vjps["X"](given, out, x.detach().numpy(), **arguments), x.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize(("name", "function", "others", "arguments"), PAIRS)
def test_with_an_index(name, function, others, arguments):
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    made, formula, rest = function(x), formula_of(name), [one.numpy() for one in others]
    np.testing.assert_allclose(formula.compute(x.detach().numpy(), *rest, **arguments), made.detach().numpy())
    g = torch.randn_like(made)
    made.backward(g)
    np.testing.assert_allclose(formula.vjps["X"](g.numpy(), None, x.detach().numpy(), *rest, **arguments), x.grad.numpy())


def test_what_takes_several_tensors():
    double = {"dtype": torch.float64, "requires_grad": True}
    x, src = torch.randn(2, 3, **double), torch.randn(2, 3, **double)
    agree("scatter_add", lambda: x.scatter_add(1, INDEX, src), [x, src], {"X": 0, "Y": 1}, between=[INDEX.numpy()], dim=1)
    b, left, right = torch.randn(1, 2, 3, **double), torch.randn(5, 2, 4, **double), torch.randn(5, 4, 3, **double)
    made = {"beta": 0.5, "alpha": 2.0}
    agree("baddbmm", lambda: torch.baddbmm(b, left, right, **made), [b, left, right], {"b": 0, "X": 1, "W": 2}, **made)
    v, s = torch.randn(3, 2, 2, **double), torch.randn(3, 1, 1, **double)
    agree("_weight_norm", lambda: torch._weight_norm(v, s, 0), [v, s], {"V": 0, "s": 1}, dim=0)


def agree(name, function, leaves, symbols, between=(), **arguments):
    formula, made = formula_of(name), function()
    arrays = [leaf.detach().numpy() for leaf in leaves]
    inputs = [arrays[0], *between, *arrays[1:]]
    np.testing.assert_allclose(formula.compute(*inputs, **arguments), made.detach().numpy())
    g = torch.randn_like(made)
    made.backward(g)
    for symbol, number in symbols.items():
        np.testing.assert_allclose(
            formula.vjps[symbol](g.numpy(), made.detach().numpy(), *inputs, **arguments), leaves[number].grad.numpy(), atol=1e-14
        )
