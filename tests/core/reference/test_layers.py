"""Layers: dropout by its mask, what has no formula, memory layouts, comparisons and casts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gradwalk.reference.registry import formula_of

sys.path.insert(0, str(Path(__file__).parent))
from formula_case import Ran, case, normal

F = torch.nn.functional


def test_dropout_keeps_what_its_mask_says_and_does_nothing_in_evaluation():
    formula, x, g = formula_of("dropout"), normal(4, 3), normal(4, 3)
    tensor = torch.tensor(x, requires_grad=True)
    z = F.dropout(tensor, 0.25)
    z.backward(torch.tensor(g))
    mask = (z.detach().numpy() != 0) * 1.0
    np.testing.assert_allclose(formula.compute(x, mask, p=0.25), z.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(formula.vjps["X"](g, z, x, mask, p=0.25), tensor.grad.numpy(), rtol=1e-12)
    assert not formula.compute(x, mask * 0, p=1.0).any()
    np.testing.assert_array_equal(formula.compute(x, mask, p=0.25, training=False), x)
    np.testing.assert_array_equal(formula.vjps["X"](g, x, x, mask, p=0.25, training=False), g)


def test_attention_with_dropout_is_refused():
    formula = formula_of("scaled_dot_product_attention")
    with pytest.raises(ValueError, match="mask is not recorded"):
        formula.compute(normal(2, 3), normal(2, 3), normal(2, 3), dropout_p=0.1)


@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_are_torchs_and_have_no_gradient(name):
    x, y = np.array([[1.0, 2.0, np.nan], [0.0, -1.0, 3.0]]), np.array([1.0, 3.0, np.nan])
    formula = formula_of(name)
    assert not formula.vjps
    expected = getattr(torch, name)(torch.tensor(x), torch.tensor(y)).numpy()
    np.testing.assert_array_equal(formula.compute(x, y), expected)


FACTS = {
    "logical_and": lambda x, y: torch.logical_and(x, y),
    "logical_or": lambda x, y: torch.logical_or(x, y),
    "logical_xor": lambda x, y: torch.logical_xor(x, y),
    "floor_divide": lambda x, y: torch.floor_divide(x, y),
    "logical_not": lambda x: torch.logical_not(x),
    "isfinite": lambda x: torch.isfinite(x),
    "isnan": lambda x: torch.isnan(x),
    "isinf": lambda x: torch.isinf(x),
    "all": lambda x: x.all(),
    "any": lambda x: x.any(),
    "argmax": lambda x: x.argmax(),
    "argmin": lambda x: x.argmin(),
    "argsort": lambda x: x.argsort(stable=True),
    "count_nonzero": lambda x: torch.count_nonzero(x),
    "zeros_like": lambda x: torch.zeros_like(x),
    "ones_like": lambda x: torch.ones_like(x),
    "detach": lambda x: x.detach(),
    "bool": lambda x: x.bool(),
    "long": lambda x: x.long(),
}


@pytest.mark.parametrize("name", FACTS)
def test_what_has_no_gradient_is_what_torch_makes(name):
    x, y = np.array([[1.0, 2.0, -2.7], [0.0, -1.0, 3.5]]), np.array([1.0, 3.0, 2.0])
    tensors = [torch.tensor(x), torch.tensor(y)][: len(formula_of(name).inputs)]
    np.testing.assert_array_equal(formula_of(name).compute(*[x, y][: len(tensors)]), FACTS[name](*tensors).numpy())
    assert not formula_of(name).vjps


def test_facts_along_an_axis_and_with_arguments():
    x, t = np.array([[1.0, 0.0, 3.0], [0.0, 0.5, 3.0]]), torch.tensor([[1.0, 0.0, 3.0], [0.0, 0.5, 3.0]])
    compute = lambda name, *args, **named: formula_of(name).compute(*args, **named)  # noqa: E731
    for name in ("all", "any", "argmax", "argmin"):
        np.testing.assert_array_equal(compute(name, x, dim=1, keepdim=True), getattr(torch, name)(t, dim=1, keepdim=True))
    np.testing.assert_array_equal(compute("argsort", x, dim=0, descending=True), t.argsort(dim=0, descending=True, stable=True))
    np.testing.assert_array_equal(compute("histc", x, bins=3, min=0, max=3), torch.histc(t, 3, 0, 3))
    np.testing.assert_array_equal(compute("histc", x, bins=4), torch.histc(t, 4))
    whole = np.array([0, 2, 2])
    np.testing.assert_array_equal(compute("bincount", whole, minlength=4), torch.bincount(torch.tensor(whole), minlength=4))
    np.testing.assert_array_equal(compute("one_hot", whole, num_classes=4), F.one_hot(torch.tensor(whole), 4))
    np.testing.assert_array_equal(compute("invert", whole > 0), ~torch.tensor(whole > 0))
    np.testing.assert_array_equal(compute("and", whole, 2), torch.tensor(whole) & 2)
    np.testing.assert_array_equal(compute("full_like", x, fill_value=3.0), torch.full_like(t, 3.0))
    np.testing.assert_array_equal(compute("to", x, dtype="int64"), t.to(torch.int64))
    np.testing.assert_array_equal(compute("to", x, device="bool"), t.bool())


@pytest.mark.parametrize("name", ["topk", "kthvalue", "median"])
def test_equal_elements_of_which_one_was_picked_are_refused(name):
    x, arguments = np.array([[1.0, 2.0, 2.0, 0.0]]), {"median": {"dim": 1}, "topk": {"k": 1}, "kthvalue": {"k": 3}}[name]
    ran = Ran(case(name, x if name != "median" else np.array([[1.0, 1.0, 2.0]]), **arguments))
    with pytest.raises(ValueError, match="two elements are equal"):
        ran.gradients()


def test_what_is_not_recorded_or_has_no_formula_says_so():
    x = normal(2, 3, 4)
    for name, arguments, words in (
        ("lstm", {"num_layers": 2, "dropout": 0.5, "train": True}, "mask is not recorded"),
        ("gru", {"num_layers": 3}, "not those of one matrix per gate"),
        ("linalg_norm", {"ord": 2}, "no formula for the norm 2 of a matrix"),
        ("norm", {"p": "nuc"}, "no formula for the norm nuc"),
        (
            "interpolate",
            {"scale_factor": 2, "mode": "nearest", "antialias": True},
            "no formula for the mode nearest with antialias",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            formula_of(name).compute(x if name != "linalg_norm" else x[0], **arguments)
    with pytest.raises(ValueError, match="mask is not recorded"):
        formula_of("multi_head_attention_forward").compute(x, x, x, x, num_heads=2, dropout_p=0.1, training=True)
