"""The error map of a tensor: element by element what the row of a verdict says of it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
import torch
from custom import Cube
from torch.nn import functional as F

import gradwalk
from gradwalk.reference.checking import check
from gradwalk.reference.error_map import errors, sides
from gradwalk.reference.whole import to_check
from gradwalk.sample import sample_trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mapped") / "run"
    torch.manual_seed(0)
    x, w = torch.randn(3, 4, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    with gradwalk.record(folder):
        z = Cube.apply(x).sum() + F.dropout(F.relu(x), 0.3).sum() + (x * x).sum() + F.linear(x, w).square().mean()
        a, b = x.split(2, dim=1)
        z = z + (a * b).sum() + F.layer_norm(x, (4,)).square().sum() + x.max(dim=1).values.sum()
        z.backward()
    return gradwalk.open_recording(folder)[0]


def test_the_largest_error_of_a_map_is_that_of_its_row(trace):
    seen = 0
    for op in trace.graph.ops:
        for row in check(trace, op).verdict.rows if op.phase == "forward" else ():
            made = errors(trace, op, row.tensor)
            assert made.shape == trace.tensors[row.tensor].shape
            assert float(made.max()) == pytest.approx(row.absolute, rel=1e-12, abs=0), (op.name, row)
            both = sides(trace, op, row.tensor)
            assert (both.recorded[row.place], both.expected[row.place]) == (row.recorded, row.expected)
            seen += 1
    assert seen > 25
    cube = next(op for op in trace.graph.ops if op.name == "Cube")
    value, gradient = check(trace, cube).verdict.rows
    x = trace.tensors["value", cube.inputs[0]].data
    assert errors(trace, cube, value.tensor).max() < 1e-6
    np.testing.assert_allclose(errors(trace, cube, gradient.tensor), x.astype(float) ** 2, rtol=1e-5)


def test_nan_and_inf_count_where_they_stand_on_one_side_only():
    trace = sample_trace()
    mm = next(op for op in trace.graph.ops if op.name == "mm")
    key = ("value", mm.outputs[0])
    data = trace.tensors[key].data.copy()
    data[0, 0], data[1, 2] = np.nan, np.inf
    wrong = replace(trace, tensors=MappingProxyType({**trace.tensors, key: replace(trace.tensors[key], data=data)}))
    made = errors(wrong, mm, key)
    assert np.argwhere(np.isinf(made)).tolist() == [[0, 0], [1, 2]]
    assert made[~np.isinf(made)].max() < 1e-3


def test_the_largest_error_of_a_map_is_that_of_its_row_also_of_a_weight_that_autocast_casts_once_for_two(tmp_path):
    torch.manual_seed(0)
    shared, x = torch.nn.Linear(6, 6), torch.randn(4, 6)
    with gradwalk.record(tmp_path / "run"), torch.autocast("cpu", torch.bfloat16):
        shared(shared(x).tanh()).float().square().sum().backward()
    trace = gradwalk.open_recording(tmp_path / "run")[0]
    rows = [(op, row) for op in to_check(trace) for row in check(trace, op).verdict.rows]
    assert [row.symbol for op, row in rows if op.name == "linear"].count("dL/dW") == 2
    assert sum(row.absolute > 0 for _, row in rows) > 5
    for op, row in rows:
        assert errors(trace, op, row.tensor).max() == pytest.approx(row.absolute, rel=1e-12), (op.name, row.symbol)


def test_what_cannot_be_mapped_says_why():
    trace = sample_trace()
    mm = next(op for op in trace.graph.ops if op.name == "mm")
    with pytest.raises(ValueError, match=r"^the elements of x are not kept in this step$"):
        errors(replace(trace, tensors=MappingProxyType({})), mm, ("value", mm.outputs[0]))
    unknown = replace(mm, name="erfinv")
    with pytest.raises(ValueError, match="there is no formula for erfinv"):
        errors(trace, unknown, ("value", mm.outputs[0]))
