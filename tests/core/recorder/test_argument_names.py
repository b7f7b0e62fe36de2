"""Arguments that are no tensors are recorded under torch's names, however they were given."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import gradwalk

CALLS = {
    "a dim is no dtype": (lambda x, i: x.mean(-1, keepdim=True), "mean", {"dim": "-1", "keepdim": "True"}),
    "sum": (lambda x, i: x.sum(0), "sum", {"dim": "0"}),
    "one int for a list": (lambda x, i: x.var(1, False), "var", {"dim": "1", "unbiased": "False"}),
    "ints as a list": (lambda x, i: x.view(2, 6), "view", {"size": "(2, 6)"}),
    "a size for new zeros": (lambda x, i: x.new_zeros(2, 3) + x.sum(), "new_zeros", {"size": "(2, 3)"}),
    "two lists of one int": (lambda x, i: x.roll(1, 0), "roll", {"shifts": "1", "dims": "0"}),
    "stride and padding": (
        lambda x, i: F.conv1d(x, x.view(3, 1, 4)[..., :3].expand(3, 3, 3), None, 2, 1), "conv1d", {"stride": "2", "padding": "1"},
    ),
    "a pool": (lambda x, i: F.avg_pool1d(x, 2, 1), "avg_pool1d", {"kernel_size": "2", "stride": "1"}),
    "as many arguments as tensors": (lambda x, i: torch.stack([x, x], 1), "stack", {"tensors": "(tensor, tensor)", "dim": "1"}),
    "an equation": (
        lambda x, i: torch.einsum("ij,kj->ik", x, x), "einsum", {"equation": "ij,kj->ik", "tensors": "(tensor, tensor)"},
    ),
    "a number of repeats": (lambda x, i: x.repeat_interleave(2, dim=0), "repeat_interleave", {"repeats": "2", "dim": "0"}),
    "a dtype is no device": (lambda x, i: x.to(torch.float64), "to", {"dtype": "float64"}),
    "a device": (lambda x, i: x.double().to("cpu", torch.float32), "to", {"device": "cpu", "dtype": "float32"}),
    "a tensor in an index": (lambda x, i: x[:, i], "getitem", {"#1": "(:, tensor)"}),
    "a new axis": (lambda x, i: x[None], "getitem", {"#1": "None"}),
    "tensors alone": (lambda x, i: x[i], "getitem", {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """One step that makes every call."""
    folder = tmp_path_factory.mktemp("arguments") / "run"
    x, i = torch.randn(3, 4, requires_grad=True), torch.tensor([0, 2])
    with gradwalk.record(folder, level="structure"):
        sum(call(x, i).sum() for call, _, _ in CALLS.values()).backward()
    return gradwalk.open_recording(folder)[0].graph


@pytest.mark.parametrize("what", CALLS)
def test_arguments_have_their_names(graph, what):
    _, name, arguments = CALLS[what]
    assert tuple(arguments.items()) in {op.arguments for op in graph.ops if op.name == name}
