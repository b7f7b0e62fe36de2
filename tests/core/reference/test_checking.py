"""Recorded ops against their formulas: real trainings agree, a wrong custom Function does not."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
import torch
from custom import Cube, Swish
from torch.nn import functional as F

import gradwalk
from gradwalk.reference.arguments import value_of
from gradwalk.reference.checking import check, elements_of
from gradwalk.reference.code import code_of
from gradwalk.reference.registry import formula_of, formulas
from gradwalk.sample import sample_trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """One step in which ops are called in many ways."""
    folder = tmp_path_factory.mktemp("checked") / "run"
    torch.manual_seed(0)
    x, w = torch.randn(3, 4, requires_grad=True), torch.randn(4, requires_grad=True)
    with gradwalk.record(folder):
        y = Cube.apply(x) + Swish.apply(x)
        z = y[::2, 1:3].sum() + y[0].sum() + y[:, None, torch.tensor([0, 1])].sum() + y[..., -1].mean()
        z = z + F.dropout(F.relu(x), 0.3).sum() + (x * x).sum() + F.batch_norm(x, None, None, w, None, training=True).sum()
        z = z + torch.where(x > 0, x, 0.0).sum() + torch.where(x > 0, 0.0, x).sum() + (2**x).sum() + (1 - x).sum()
        z = z + torch.cat([x, x]).pow(2).sum() + x.max(dim=1).values.sum() + x.clone().relu_().sum()
        a, b = x.split(2, dim=1)
        z = z + F.layer_norm(F.layer_norm(x, (4,)), (4,)).square().mean()  # a gradient that is rounding alone
        z = z + (a * b).sum() + F.softmax(x, dim=1).sum() + F.layer_norm(x, (4,), w).sum() + torch.stack((x, x)).prod()
        z.backward()
    return gradwalk.open_recording(folder)[0]


def op(trace, name, place=0):
    return [op for op in trace.graph.ops if op.name == name and op.phase == "forward"][place]


def test_what_torch_did_is_what_the_formulas_give(trace):
    unknown, compared = set(), 0
    for one in trace.graph.ops:
        if one.phase == "forward" and one.name != "Cube":
            found = check(trace, one)
            assert all(row.agrees for row in found.verdict.rows), (one, found.verdict.rows)
            compared += len(found.verdict.rows)
            if not found.verdict.rows:
                unknown.add(found.verdict.sentence)
    assert compared > 110
    assert unknown == set()


def test_a_custom_function_is_shown_next_to_the_ops_inside_it_which_do_not_accuse_it(trace):
    value, gradient = check(trace, op(trace, "Cube")).verdict.rows
    assert value.agrees
    assert not gradient.agrees
    assert gradient.relative == pytest.approx(1 / 3, rel=1e-4), "2 x ** 2 where 3 x ** 2 is right"
    assert gradient.recorded / gradient.expected == pytest.approx(2 / 3, rel=1e-4)
    made = check(trace, op(trace, "Cube")).verdict
    assert (made.agrees, [made.says(row) for row in made.rows]) == (None, [True, None])
    assert made.sentence.startswith("no reference: custom Function, not checked while it ran; Cube gives another dL/d")
    assert check(trace, op(trace, "Swish")).verdict.agrees
    assert len(check(trace, op(trace, "Swish")).verdict.rows) == 2


@pytest.mark.parametrize(("kind", "broken"), [("value", "Z"), ("gradient", "dL/dX")])
def test_one_wrong_element_is_found_at_its_place(kind, broken):
    trace = sample_trace()
    mm = op(trace, "mm", 1)
    edge = next(edge.id for edge in trace.graph.edges if edge.value == mm.inputs[0])
    key = (kind, mm.outputs[0] if kind == "value" else edge)
    data = trace.tensors[key].data.copy()
    data[5, 7] += 0.01 * np.abs(data).max()
    wrong = replace(trace, tensors=MappingProxyType({**trace.tensors, key: replace(trace.tensors[key], data=data)}))
    assert check(trace, mm).verdict.agrees
    rows = {row.symbol: row for row in check(wrong, mm).verdict.rows}
    assert not rows[broken].agrees
    assert rows[broken].place == (5, 7)
    assert rows[broken].relative == pytest.approx(0.01, rel=0.05)


def test_it_says_what_is_not_there():
    trace = sample_trace()
    mm = op(trace, "mm")
    assert "the elements of x are not kept" in check(replace(trace, tensors=MappingProxyType({})), mm).verdict.sentence
    w1 = trace.tensors["value", mm.inputs[1]]
    sampled = {**trace.tensors, ("value", mm.inputs[1]): replace(w1, data=w1.data.ravel()[:8], complete=False)}
    assert (
        check(replace(trace, tensors=MappingProxyType(sampled)), mm).verdict.sentence
        == "not checked: only a sample of w1 is recorded"
    )
    assert elements_of(trace, mm) == 64 * 1000 + 1000 * 100 + 64 * 100


def test_a_difference_of_nearly_equal_numbers_is_not_blamed(trace):
    softmax = check(trace, op(trace, "softmax"))
    gradient = next(row for row in softmax.verdict.rows if row.symbol == "dL/dX")
    assert gradient.expected == pytest.approx(0, abs=1e-15), "all of the gradient is rounding"
    assert gradient.agrees


def test_arguments_are_read_from_their_texts():
    texts = {"(1, 2)": (1, 2), "-1": -1, "0.5": 0.5, "mean": "mean", "(3,)": (3,), "-inf": float("-inf"), "True": True}
    assert {text: value_of(text) for text in texts} == texts
    assert value_of("(::2, 1:3)") == (slice(None, None, 2), slice(1, 3))
    assert value_of("(..., None, -1)") == (..., None, -1)
    assert value_of("1:") == slice(1, None)
    for untold in ("(1, 2…", "(:, tensor)", "tensor"):
        with pytest.raises(ValueError, match=r"tensor|not all"):
            value_of(untold)


def test_every_formula_has_its_code():
    assert "X.T @ dL/dZ" in code_of(formula_of("mm"))
    assert "def _matmul_dx" in code_of(formula_of("mm"))
    assert all(code_of(formula) for formula in formulas().values())
