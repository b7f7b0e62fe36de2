"""Ops that choose: where nothing goes back, nothing goes back, not even of an Inf or NaN that comes in, as in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradwalk.reference.registry import formula_of

BAD = [float("inf"), -float("inf"), float("nan"), 2.0]
X = [-1.5, -0.5, 0.0, 0.25, 3.0, 7.0, float("nan"), float("inf"), -float("inf")]
CHOICES = {
    "relu": (torch.relu, {}),
    "relu6": (torch.nn.functional.relu6, {}),
    "hardtanh": (lambda x: torch.nn.functional.hardtanh(x, -1.0, 0.5), {"min_val": -1.0, "max_val": 0.5}),
    "clamp": (lambda x: x.clamp(-1.0, 0.5), {"min": -1.0, "max": 0.5}),
    "threshold": (lambda x: torch.nn.functional.threshold(x, 0.1, -3.0), {"threshold": 0.1, "value": -3.0}),
}
AS_IT_COMES = ("relu6", "hardtanh")
"""Of a NaN their gradient is 0 or what came in, by whether the processor takes the elements one by one or in groups."""


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("bad", BAD)
def test_what_is_not_chosen_gets_no_gradient(name, bad):
    function, arguments = CHOICES[name]
    numbers = [x for x in X if x == x or name not in AS_IT_COMES]
    x = torch.tensor(numbers, dtype=torch.float64, requires_grad=True)
    g = torch.full_like(x, bad)
    formula = formula_of(name)
    with np.errstate(all="ignore"):
        out = formula.compute(np.array(numbers), **arguments)
        back = formula.vjps["X"](g.numpy(), out, np.array(numbers), **arguments)
    np.testing.assert_array_equal(out, function(x).detach().numpy())
    np.testing.assert_array_equal(back, torch.autograd.grad(function(x), x, g)[0].numpy())


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("bad", BAD)
def test_the_other_of_two_gets_no_gradient(name, bad):
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([2.0, 2.0, 2.0], dtype=torch.float64, requires_grad=True)
    g = torch.full_like(x, bad)
    wanted = torch.autograd.grad(getattr(torch, name)(x, y), (x, y), g)
    pair = x.detach().numpy(), y.detach().numpy()
    formula = formula_of(name)
    out = formula.compute(*pair)
    for symbol, right in zip("XY", wanted, strict=True):
        np.testing.assert_array_equal(formula.vjps[symbol](g.numpy(), out, *pair), right.numpy())
