from __future__ import annotations

import itertools

import numpy as np
import pytest

from gradwalk.statistics import statistics_of
from gradwalk.tape import moments, name_of, phases, site_of
from gradwalk.trace import NONE

from .conftest import edges, events_of_edges, lines, roles, two_layers

STEP = """
forward dot(x, w1) -> h
forward maximum(h) -> h_relu
forward dot(h_relu, w2) -> y_pred
forward subtract(y_pred, y) -> -
forward square(-) -> -
forward sum(-) -> loss
loss loss
backward subtract(y_pred, y) -> -
backward multiply(-) -> grad_y_pred = dL/dy_pred
backward transpose(h_relu) -> h_relu.T
backward dot(h_relu.T, grad_y_pred) -> grad_w2 = dL/dw2
backward transpose(w2) -> w2.T
backward dot(grad_y_pred, w2.T) -> grad_h_relu = dL/dh_relu
backward copy(grad_h_relu) -> grad_h = dL/dh
backward less(h) -> -
backward setitem(grad_h, -) -> grad_h.1 = dL/dh
backward transpose(x) -> x.T
backward dot(x.T, grad_h.1) -> grad_w1 = dL/dw1
update multiply(grad_w1) -> -
update (update) subtract(w1, -) -> w1.1
update multiply(grad_w2) -> -
update (update) subtract(w2, -) -> w2.1
""".strip().splitlines()

EXPRESSIONS = {
    "h": "x.dot(w1)",
    "h_relu": "np.maximum(h, 0)",
    "loss": "np.square(y_pred - y).sum()",
    "grad_y_pred": "2.0 * (y_pred - y)",
    "grad_h_relu": "grad_y_pred.dot(w2.T)",
    "grad_h": "grad_h_relu.copy()",
    "grad_w1": "x.T.dot(grad_h)",
    "w1": "w1 -= learning_rate * grad_w1",
}


def test_five_hundred_steps_have_the_same_output_and_the_same_bits(scripts):
    text = two_layers(500)
    plain, taped = scripts.plain(text), scripts.taped(text)
    assert taped.out == plain.out
    assert taped.names["w1"].tobytes() == plain.names["w1"].tobytes()
    assert taped.names["w2"].tobytes() == plain.names["w2"].tobytes()
    assert len(taped.traces) == 500
    assert [f"{step} {loss}" for step, loss in enumerate(taped.losses)] == plain.out.splitlines()
    assert len({id(trace.graph) for trace in taped.traces}) == 1


@pytest.fixture
def steps(scripts):
    return scripts.taped(two_layers(4, "8, 20, 6, 3")).traces


def test_every_step_has_its_ops_in_order_with_gradients_and_versions(steps):
    assert len(steps) == 4
    for trace in steps:
        assert lines(trace) == STEP
        assert [phase for phase, _, _ in phases(trace)] == ["forward", "loss", "backward", "update"]


def test_leaves_and_inputs(steps):
    for trace in steps:
        assert roles(trace, "leaf") == ["w1", "w2"]
        assert roles(trace, "input") == ["x", "y"]
    values = {value.name: value for value in steps[0].graph.values if value.version == 0 and value.name}
    assert all(values[name].requires_grad for name in ("w1", "h", "h_relu", "y_pred", "w2", "loss"))
    assert not any(values[name].requires_grad for name in ("x", "y", "grad_h", "x.T"))


def test_sites_are_the_exact_expressions_and_variables_those_of_the_script(steps):
    graph = steps[-1].graph
    made = [(graph.ops[event.ref].variable, site_of(graph, event).expression) for event in graph.events if event.kind != "loss"]
    assert set(EXPRESSIONS.items()) <= set(made)
    assert ("grad_h", "grad_h[h < 0] = 0") in made
    site = next(site for site in graph.sites if site.expression == "np.maximum(h, 0)")
    assert (site.line, site.column, site.function) == (13, 13, "<module>")


def test_arguments_are_named_texts(steps):
    ops = {op.variable: op for op in steps[0].graph.ops}
    assert ops["h_relu"].arguments == (("x2", "0"),)
    assert ops["grad_y_pred"].arguments == (("x1", "2.0"),)


def test_the_backward_by_hand_is_a_chain_of_edges(steps):
    assert edges(steps[2]) == [
        "subtract > dot y_pred by grad_y_pred",
        "dot > w2 w2 by grad_w2",
        "w2 > - w2 by grad_w2",
        "dot > maximum h_relu by grad_h_relu",
        "maximum > dot h by grad_h.1",
        "dot > w1 w1 by grad_w1",
        "w1 > - w1 by grad_w1",
    ]
    names = [node.name for node in steps[2].graph.nodes]
    assert all(name.endswith("(by hand)") for name in names)
    assert names.count("gradient (by hand)") == 2
    assert {"sum (by hand)", "square (by hand)", "maximum (by hand)"} <= set(names)


def test_each_edge_happens_with_the_event_that_finished_its_gradient(steps):
    trace = steps[0]
    graph, when = trace.graph, moments(trace)
    for edge, event in events_of_edges(trace).items():
        assert graph.events[event].ref == graph.values[graph.edges[edge].by].op
        assert when.edges[edge] == when.ops[graph.events[event].ref]
    masked = next(edge for edge in graph.edges if graph.values[edge.by].name == "grad_h")
    assert name_of(graph, graph.events[events_of_edges(trace)[masked.id]]) == "setitem"
    assert len(events_of_edges(trace)) == len(graph.edges)


def test_an_updated_leaf_is_the_next_version_of_itself(steps):
    graph = steps[0].graph
    after = [value for value in graph.values if value.name in ("w1", "w2") and value.version == 1]
    assert [(value.role, graph.values[value.base].role) for value in after] == [("result", "leaf")] * 2


def test_statistics_and_kept_tensors_are_those_of_the_moment(steps):
    trace = steps[1]
    for (kind, number), kept in trace.tensors.items():
        table = trace.values if kind == "value" else trace.gradients
        assert kept.complete
        np.testing.assert_allclose(table[:, number], statistics_of(kept.data), rtol=1e-12)
        assert not kept.data.flags.writeable
    assert len(trace.tensors) == len(trace.graph.values) + len(trace.graph.edges)
    before, after = (i for i, value in enumerate(trace.graph.values) if value.name == "w1")
    rate = next(i for i, value in enumerate(trace.graph.values) if value.op == trace.graph.values[after].op - 1)
    data = {i: trace.tensors["value", i].data for i in (before, after, rate)}
    np.testing.assert_array_equal(data[after], data[before] - data[rate])
    np.testing.assert_array_equal(steps[2].tensors["value", before].data, data[after])


def test_a_gradient_has_the_statistics_of_the_value_that_holds_it(steps):
    graph = steps[3].graph
    for edge in graph.edges:
        np.testing.assert_array_equal(steps[3].gradients[:, edge.id], steps[3].values[:, edge.by])


def test_times_go_forward_and_the_loss_comes_when_its_op_has_ended(steps):
    for trace in steps:
        assert trace.times[0] == 0
        assert (np.diff(trace.times) >= 0).all()
        assert (trace.durations >= 0).all()
        loss = next(i for i, event in enumerate(trace.graph.events) if event.kind == "loss")
        assert trace.durations[loss] == 0
    assert [trace.step for trace in steps] == [0, 1, 2, 3]
    assert all(earlier.start <= later.start for earlier, later in itertools.pairwise(steps))


def test_a_batch_of_another_size_is_the_same_graph_with_other_shapes(scripts):
    text = two_layers(3, "8, 20, 6, 3").replace("    h = x.dot(w1)", "    x, y = x[:8 - t], y[:8 - t]\n    h = x.dot(w1)")
    traces = scripts.taped(text).traces
    assert len({id(trace.graph) for trace in traces}) == 1
    assert traces[0].shapes == {}
    h = next(value.id for value in traces[0].graph.values if value.name == "h")
    assert [trace.shapes.get(h, trace.graph.values[h].shape) for trace in traces] == [(8, 6), (7, 6), (6, 6)]
    assert NONE not in [edge.by for edge in traces[0].graph.edges]


def test_the_source_is_handed_over(scripts):
    ran = scripts.taped(two_layers(2, "8, 20, 6, 3"))
    assert list(ran.sink.sources.values()) == [two_layers(2, "8, 20, 6, 3")]
