"""What the hover says of tensors that have no statistics."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradwalk.trace import Trace, empty_table
from gradwalk_gui.graph.hover_text import _edge_text, _tensor_rows


def changed(trace: Trace, value: int, *, counted: bool, **facts: str) -> Trace:
    values = list(trace.graph.values)
    values[value] = replace(values[value], **facts)
    graph = replace(trace.graph, values=tuple(values))
    return replace(trace, graph=graph, values=trace.values if counted else empty_table(len(values)))


@pytest.mark.parametrize(
    ("facts", "counted", "said"),
    [
        ({"layout": "nested"}, False, "no statistics: nested tensor"),
        ({"device": "meta"}, False, "no statistics: a meta tensor has no elements"),
        ({"dtype": "complex64"}, False, "no statistics: complex numbers"),
        ({}, False, "not counted"),
        ({"layout": "sparse_coo"}, True, "elements that it stores (sparse_coo)"),
    ],
)
def test_a_value_says_why(traces, facts, counted, said):
    trace = traces["mlp"]()
    rows = _tensor_rows(changed(trace, 0, counted=counted, **facts), 0, there=True)
    assert said in rows[-1][1]
    assert len(_tensor_rows(changed(trace, 0, counted=counted, **facts), 0, there=False)) == 1


def test_a_gradient_says_why(traces):
    trace = traces["mlp"]()
    edge = next(edge for edge in trace.graph.edges if edge.value >= 0)
    meta = replace(changed(trace, edge.value, counted=True, device="meta"), gradients=empty_table(len(trace.graph.edges)))
    assert _edge_text(meta, edge.id) == "no statistics: a meta tensor has no elements"
