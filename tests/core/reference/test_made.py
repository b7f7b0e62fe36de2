"""Tensors that are made of numbers alone are checked against these numbers; those that are drawn at random cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import gradwalk
from gradwalk.reference.checking import check
from gradwalk.reference.whole import check_step

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64]
FLOATS = [dtype for dtype in DTYPES if dtype.is_floating_point]


def recorded(folder, program):
    """The second step: what comes before the first one is set-up."""
    w = torch.ones(3, requires_grad=True)
    with gradwalk.record(folder, level="tensors"):
        for _ in range(2):
            made = [one for some in program() for one in (some if isinstance(some, tuple) else (some,))]
            (sum(one.double().nan_to_num(0, 0, 0).sum() for one in made) * w).sum().backward()
    return gradwalk.open_recording(folder)[1]


def verdicts(trace):
    found = check_step(trace).verdicts
    return [(op.name, found[op.id]) for op in trace.graph.ops if not op.inputs or op.name == "uniform_"]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_torch_makes_of_numbers_agrees(tmp_path, dtype):
    made = {"dtype": dtype}

    def program():
        return [
            torch.zeros(2, 3, **made),
            torch.zeros((0, 2), **made),
            torch.ones((), **made),
            torch.ones(size=[2, 1], **made),
            torch.full((2, 2), 7, **made),
            torch.eye(3, **made),
            torch.eye(2, 3, **made),
            torch.scalar_tensor(3, **made),
            torch.arange(5, **made),
            torch.arange(3, 0, -1, **made),
            torch.arange(end=700, **made),
            torch.arange(0, 100, 7, **made),
            torch.tensor([[1.0, 2.5], [3.0, -4.0]]),
            torch.tensor(2, **made),
            torch.as_tensor([1, 2], **made),
        ]

    found = verdicts(recorded(tmp_path / "run", program))
    assert len(found) == 15
    assert all(verdict.agrees for _, verdict in found), found


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_numbers_at_distances_that_are_rounded_agree(tmp_path, dtype):
    made = {"dtype": dtype}

    def program():
        return [
            torch.arange(0.0, 1.0, 0.1, **made),
            torch.arange(-3.0, 3.0, 0.007, **made),
            torch.full((3,), float("-inf"), **made),
            torch.linspace(-1, 1, 1001, **made),
            torch.linspace(1, 1, 1, **made),
            torch.linspace(0, 1e4, steps=333, **made),
            torch.linspace(-7.3, 0, 50, **made),
            torch.full((2,), 0.1, **made),
            torch.full((2,), float("nan"), **made),
        ]

    found = verdicts(recorded(tmp_path / "run", program))
    assert len(found) == 9
    assert all(verdict.agrees for _, verdict in found), found


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (lambda: [torch.arange(6.0)], lambda x: x + (np.arange(6) == 5)),
        (lambda: [torch.ones(2, 2)], lambda x: x * 1.00001),
        (lambda: [torch.linspace(0, 1, 5)], lambda x: x[::-1]),
        (lambda: [torch.eye(3)], lambda x: np.roll(x, 1, 0)),
        (lambda: [torch.tensor([1.0, 2.0])], lambda x: x[::-1]),
    ],
    ids=["arange", "ones", "linspace", "eye", "tensor"],
)
def test_wrong_numbers_differ(tmp_path, make, wrong):
    trace = recorded(tmp_path / "run", make)
    key = ("value", trace.graph.ops[0].outputs[0])
    kept = trace.tensors[key]
    bad = replace(kept, data=np.ascontiguousarray(wrong(np.asarray(kept.data)), dtype=np.float32))
    assert check(trace, trace.graph.ops[0]).verdict.agrees
    assert check(replace(trace, tensors={**trace.tensors, key: bad}), trace.graph.ops[0]).verdict.agrees is False


def test_why_others_have_no_reference(tmp_path):
    def program():
        return [
            torch.randn(3),
            torch.randperm(4),
            torch.tensor(list(range(200))),
            torch.linspace(0, 10, 4, dtype=torch.int64),
            torch.empty(3).uniform_(),
        ]

    said = {name: verdict.sentence for name, verdict in verdicts(recorded(tmp_path / "run", program)) if not verdict.rows}
    assert said["randn"] == "not checked: randn draws its numbers at random"
    assert said["randperm"] == "not checked: randperm draws its numbers at random"
    assert said["uniform_"] == "not checked: uniform_ draws its numbers at random"
    assert said["tensor"].startswith("not checked: not all of the argument (0, 1, 2, ")
    assert said["linspace"].startswith("not checked: a linspace of whole numbers has no formula")


def test_arguments_that_are_not_there_are_no_crash(tmp_path):
    trace = recorded(tmp_path / "run", lambda: (torch.tensor([1.0]), torch.ones(4).split(2), torch.ones(2), torch.arange(3)))
    bare = tuple(replace(op, arguments=()) for op in trace.graph.ops)
    trace = replace(trace, graph=replace(trace.graph, ops=bare), arguments=None)
    rows = {op.name: check(trace, op).verdict for op in trace.graph.ops if op.name in ("tensor", "split", "ones", "arange")}
    assert {name: (verdict.agrees, bool(verdict.sentence)) for name, verdict in rows.items()} == dict.fromkeys(rows, (None, True))
    assert len(rows) == 4
