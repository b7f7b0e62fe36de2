"""What has no statistics says why, in the record and in ``gradwalk show``; sparse tensors are measured by what they store."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from gradwalk.recording.graph_code import decode_graph, encode_graph
from gradwalk.show import row_of, tape_json
from gradwalk.tape import stats_of, why_not_counted
from gradwalk.trace import Trace


class Calls(nn.Module):
    def forward(self, function: Callable[[], torch.Tensor]) -> torch.Tensor:
        return function()


def quantized() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.1, 0, torch.qint8)


CASES: dict[str, tuple[Callable[[], torch.Tensor], str, float | None, str]] = {
    "sparse_coo": (lambda: torch.tensor([[0.0, 3.0], [0.0, 4.0]]).to_sparse(), "sparse_coo", 7.0, "not counted"),
    "sparse_csr": (lambda: torch.tensor([[0.0, 3.0], [0.0, 4.0]]).to_sparse_csr(), "sparse_csr", 7.0, "not counted"),
    "nested": (
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]) * 2,
        "nested",
        None,
        "no statistics: nested tensor",
    ),
    "quantized": (quantized, "quantized", None, "no statistics: quantized tensor"),
    "meta": (lambda: torch.ones(2, device="meta") * 2, "", None, "no statistics: a meta tensor has no elements"),
    "complex": (lambda: torch.ones(2, dtype=torch.complex64) * 2, "", None, "no statistics: complex numbers"),
    "bfloat16": (lambda: torch.ones(2, dtype=torch.bfloat16) * 2, "", 4.0, "not counted"),
    "half": (lambda: torch.ones(2, dtype=torch.half) * 2, "", 4.0, "not counted"),
    "fp8": (lambda: torch.ones(2).to(torch.float8_e4m3fn), "", 2.0, "not counted"),
    "int": (lambda: torch.ones(2, dtype=torch.int16) * 2, "", 4.0, "not counted"),
    "bool": (lambda: torch.ones(2) > 0, "", 2.0, "not counted"),
    "zero size": (lambda: torch.ones(0, 3) * 2, "", 0.0, "not counted"),
    "0-d": (lambda: torch.ones(()) * 2, "", 2.0, "not counted"),
}


def traced(record: Callable[..., object], make: Callable[[], torch.Tensor]) -> Trace:
    with record() as sink:  # type: ignore[attr-defined]
        Calls()(make)
    return sink.traces[0]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_it_is_measured_or_says_why_not(record, name):
    make, layout, total, why = CASES[name]
    trace = traced(record, make)
    graph = trace.graph
    made = graph.values[graph.ops[-1].outputs[0]]
    stats = stats_of(trace.values, made.id)
    assert made.layout == layout
    assert (None if stats is None else trace.values[3, made.id]) == total
    assert why_not_counted(trace, "value", made.id) == (f"no statistics: {layout} tensor" if layout else why)
    *_, said, _ = row_of(trace, len(trace.tape) - 1)
    assert (why in said) == (total is None)
    assert said.strip()
    assert ("what it stores" in said) == layout.startswith("sparse")
    assert [value["no_stats"] for value in tape_json(trace)[-1]["outputs"]] == [why if total is None else None]
    assert decode_graph(encode_graph(graph)) == graph


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_gradient_of_a_sparse_embedding_is_measured(record):
    table = nn.Embedding(5, 2, sparse=True)
    with record() as sink:
        table(torch.tensor([1, 1, 3])).sum().backward()
        sum_of_gradient = table.weight.grad.coalesce().values().sum().item()
    trace = sink.traces[0]
    (last,) = [edge.id for edge in trace.graph.edges if edge.target == -1]
    assert trace.gradients[3, last] == sum_of_gradient == 6.0


def test_tensors_of_a_subclass_are_recorded(record):
    class Mine(torch.Tensor):
        pass

    with record() as sink:
        w = torch.ones(3, requires_grad=True)
        x = torch.ones(3).as_subclass(Mine)
        (w * x).sum().backward()
    trace = sink.traces[0]
    assert [op.name for op in trace.graph.ops][-2:] == ["mul", "sum"]
    assert all(stats_of(trace.values, value.id) is not None for value in trace.graph.values)
