"""Recording a step and finding that no right op of it is accused."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
import torch

import gradwalk
from gradwalk.reference.whole import check_step

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))


def recorded(folder, program):
    """The only step of a program, with all its tensors."""
    torch.manual_seed(0)
    with gradwalk.record(folder, level="tensors"):
        program()
    with gradwalk.open_recording(folder) as recording:
        trace = recording[0]
        return replace(trace, tensors=MappingProxyType(dict(trace.tensors.items())))


def agreeing(folder, program, *names):
    """The step, after it is found that no op of it is accused, and that all rows of those called ``names`` are there."""
    trace = recorded(folder, program)
    found = check_step(trace)
    assert [(trace.graph.ops[v.op], row) for v in found.wrong for row in v.rows if not row.agrees] == []
    for name in names:
        verdicts = [found.verdicts[one.id] for one in ops(trace, name)]
        assert verdicts, f"{name} ran"
        assert not [verdict.sentence for verdict in verdicts if verdict.sentence or not verdict.rows], name
    return trace


def ops(trace, name):
    return [one for one in trace.graph.ops if one.name == name and one.phase in ("forward", "loss")]


def planted(trace, key, place, difference):
    """The same step with one element of one tensor off."""
    data = np.array(trace.tensors[key].data, np.float64)
    data[place] += difference
    return replace(trace, tensors=MappingProxyType({**trace.tensors, key: replace(trace.tensors[key], data=data)}))


def normal(*shape, dtype=torch.float32, size=1.0):
    return (torch.randn(*shape) * size).to(dtype).requires_grad_()


def largest_of(trace, key):
    size = np.abs(trace.tensors[key].data.astype(np.float64))
    return np.unravel_index(size.argmax(), size.shape), size.max()


def sentences(trace):
    """What is said of the ops of which not all was checked."""
    return {
        (trace.graph.ops[number].name, verdict.sentence)
        for number, verdict in check_step(trace).verdicts.items()
        if verdict.sentence
    }
