"""What is recorded of the programs that Gradwalk must show first, and that recording changes no bit of them."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from gradwalk import tape
from gradwalk.recording.retention import Keep
from gradwalk.trace import NONE, Trace

sys.path.insert(0, str(Path(__file__).parent))
from programs import assert_same_bits, autograd_net, function_net, mlp

PROGRAMS = {
    "autograd": autograd_net,
    "function": function_net,
    "sgd": partial(mlp, torch.optim.SGD, lr=0.1, momentum=0.9),
    "sgd foreach": partial(mlp, torch.optim.SGD, lr=0.1, foreach=True),
    "adam": partial(mlp, torch.optim.Adam, lr=0.01),
    "adam foreach": partial(mlp, torch.optim.Adam, lr=0.01, foreach=True),
    "adam fused": partial(mlp, torch.optim.Adam, lr=0.01, fused=True),
}


def events(trace: Trace) -> list[str]:
    return [tape.name_of(trace.graph, tape.event_at(trace, i)) for i in range(len(trace.tape))]


@pytest.mark.parametrize("level", ["structure", "statistics", "tensors"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_recording_changes_no_bit(record, name, level):
    plain = PROGRAMS[name]()
    with record(level=level) as sink:
        recorded = PROGRAMS[name]()
    assert_same_bits(recorded, plain)
    assert [trace.loss for trace in sink.traces] == plain["losses"]
    assert [trace.step for trace in sink.traces] == list(range(6))
    assert all(trace.done and trace.error is None for trace in sink.traces)


def test_the_tape_of_the_autograd_net(record):
    with record() as sink:
        autograd_net()
    assert events(sink.traces[2]) == [
        *("mm", "clamp", "mm", "sub", "pow", "sum", "loss"),
        *("SumBackward0", "PowBackward0", "SubBackward0", "MmBackward0", "AccumulateGrad", "ClampBackward1", "MmBackward0"),
        *("AccumulateGrad", "clone", "clone", "mul", "sub_", "mul", "sub_", "zero_grad", "zero_grad"),
    ]
    runs = [(phase, end - begin) for phase, begin, end in tape.phases(sink.traces[2])]
    assert runs == [("forward", 6), ("loss", 1), ("backward", 8), ("update", 8)]


def test_every_step_shares_one_graph_and_says_so_by_its_key(record):
    with record() as sink:
        autograd_net(20)
    assert len(sink.traces) == 20
    assert len({id(trace.graph) for trace in sink.traces}) == 1


def test_expressions_are_exact_and_variables_are_named(record):
    with record() as sink:
        autograd_net()
    graph = sink.traces[-1].graph
    expressions = [graph.sites[op.site].expression for op in graph.ops]
    assert expressions[:6] == [
        "x.mm(w1)",
        "x.mm(w1).clamp(min=0)",
        "x.mm(w1).clamp(min=0).mm(w2)",
        "y_pred - y",
        "(y_pred - y).pow(2)",
        "(y_pred - y).pow(2).sum()",
    ]
    assert expressions[8:] == [
        "1e-4 * w1.grad",
        "w1 -= 1e-4 * w1.grad",
        "1e-4 * w2.grad",
        "w2 -= 1e-4 * w2.grad",
        "w1.grad.zero_()",
        "w2.grad.zero_()",
    ]
    assert [op.variable for op in graph.ops if op.variable] == ["y_pred", "loss", "w1", "w2", "w1", "w2"]
    assert [op.arguments for op in graph.ops[:6]] == [(), (("min", "0"),), (), (), (("exponent", "2"),), ()]
    named = [(value.name, value.role) for value in graph.values if value.role != "result"]
    assert named == [("x", "input"), ("w1", "leaf"), ("w2", "leaf"), ("y", "input"), ("w1.grad", "input"), ("w2.grad", "input")]
    site = graph.sites[graph.ops[0].site]
    source = Path(site.file).read_text(encoding="utf-8").splitlines()
    assert source[site.line - 1][site.column : site.end_column] == "x.mm(w1)"
    assert site.function == "autograd_net"
    assert [frame.function for frame in site.stack][-2:] == ["test_expressions_are_exact_and_variables_are_named", "autograd_net"]
    assert not any("/torch/" in frame.file or "/gradwalk/recorder" in frame.file for frame in site.stack)
    assert "def autograd_net" in sink.sources[site.file]


def test_an_update_is_a_new_version_of_the_leaf(record):
    with record() as sink:
        autograd_net()
    graph = sink.traces[3].graph
    updates = [op for op in graph.ops if op.name == "sub_"]
    for op, name in zip(updates, ("w1", "w2"), strict=True):
        before, after = graph.values[op.inputs[0]], graph.values[op.outputs[0]]
        assert (before.name, before.role, before.version, before.base) == (name, "leaf", 0, NONE)
        assert (after.name, after.version, after.base) == (name, 1, before.id)
    gradient = next(value for value in graph.values if value.name == "w1.grad")
    assert graph.values[gradient.gradient_of].name == "w1"


def test_nodes_belong_to_the_ops_that_made_them_and_know_what_they_saved(record):
    with record() as sink:
        autograd_net()
    graph = sink.traces[-1].graph
    owners = {node.name: graph.ops[node.op].name for node in graph.nodes if node.op != NONE}
    assert owners == {
        "SumBackward0": "sum",
        "PowBackward0": "pow",
        "SubBackward0": "sub",
        "MmBackward0": "mm",
        "ClampBackward1": "clamp",
    }
    leaves = [graph.values[node.leaf].name for node in graph.nodes if node.leaf != NONE]
    assert sorted(leaves) == ["w1", "w2"]
    second = next(node for node in graph.nodes if node.name == "MmBackward0")
    kept = {saved.name: (graph.values[saved.value].op, graph.values[saved.value].name, saved.bytes) for saved in second.saved}
    assert kept == {"self": (1, "", 8 * 10 * 4), "mat2": (NONE, "w2", 10 * 3 * 4)}


def test_gradients_per_edge_are_torchs_own_to_the_last_bit(record):
    torch.manual_seed(3)
    x, w1, w2 = torch.randn(6, 5), torch.randn(5, 4, requires_grad=True), torch.randn(4, 2, requires_grad=True)
    seen: dict[str, torch.Tensor] = {}
    with record() as sink:
        h = x.mm(w1)
        h.retain_grad()
        relu = h.clamp(min=0)
        relu.register_hook(lambda gradient: seen.__setitem__("relu", gradient.clone()))
        left, right = relu.mm(w2), relu * 3
        loss = left.sum() + right.sum()
        loss.backward()
    (trace,) = sink.traces
    graph = trace.graph

    def gradients_of(name: str) -> list[np.ndarray]:
        return [
            trace.tensors["gradient", edge.id].data
            for edge in graph.edges
            if edge.value != NONE and graph.values[edge.value].name == name and edge.target != NONE
        ]

    assert gradients_of("h")[0].tobytes() == h.grad.numpy().tobytes()
    assert gradients_of("w1")[0].tobytes() == w1.grad.numpy().tobytes()
    assert gradients_of("w2")[0].tobytes() == w2.grad.numpy().tobytes()
    to_relu = gradients_of("relu")
    assert len(to_relu) == 2  # one per reader, though the engine passes on their sum
    assert (to_relu[0] + to_relu[1]).tobytes() == seen["relu"].numpy().tobytes()
    into_grad = [edge for edge in graph.edges if edge.target == NONE]
    assert sorted(tape.target_of(graph, edge) for edge in into_grad) == ["w1.grad", "w2.grad"]
    (seed,) = [edge for edge in graph.edges if edge.source == NONE]
    assert (graph.values[seed.value].name, trace.tensors["gradient", seed.id].data.item()) == ("loss", 1.0)


def test_statistics_are_those_of_the_kept_tensors(record):
    with record() as sink:
        autograd_net()
    trace = sink.traces[-1]
    counted = 0
    for (kind, index), kept in trace.tensors.items():
        stats = tape.stats_of(trace.values if kind == "value" else trace.gradients, index)
        data = kept.data.astype(np.float64)
        assert stats is not None
        assert (stats.count, stats.min, stats.max) == (data.size, data.min(), data.max())
        assert (stats.nan, stats.inf, stats.zero) == (0, 0, int((data == 0).sum()))
        assert stats.rms == pytest.approx(np.sqrt(np.square(data).mean()), rel=1e-5)
        assert stats.mean == pytest.approx(data.mean(), abs=1e-5 * stats.rms)
        counted += 1
    assert counted == len(trace.graph.values) + len(trace.graph.edges)


def test_tensors_are_copied_at_the_time(record):
    with record() as sink:
        autograd_net()
    first, second = sink.traces[0], sink.traces[1]
    leaf = next(value for value in first.graph.values if value.name == "w1" and value.version == 0)
    after = next(value for value in first.graph.values if value.name == "w1" and value.version == 1)
    assert not np.array_equal(first.tensors["value", leaf.id].data, first.tensors["value", after.id].data)
    assert np.array_equal(first.tensors["value", after.id].data, second.tensors["value", leaf.id].data)
    assert not first.tensors["value", leaf.id].data.flags.writeable


def test_only_what_is_to_be_kept_is_kept(record):
    with record(keep=Keep.NONE) as sink:
        autograd_net(2)
    assert not sink.traces[0].tensors
    with record(level="structure") as sink:
        autograd_net(2)
    assert not sink.traces[0].tensors
    assert (sink.traces[0].gradients[0] == -1).all()
    big = torch.randn(200, 200, requires_grad=True)
    with record(keep=Keep.SMALL) as sink:
        big.mul(2).sum().backward()
    kept = {sink.traces[0].graph.values[i].shape for kind, i in sink.traces[0].tensors if kind == "value"}
    assert kept == {()}


def test_large_tensors_of_a_large_step_are_sampled(record):
    big = torch.randn(3000, 3000, requires_grad=True)
    with record() as sink:
        big.mul(2).sum().backward()
    samples = [kept for kept in sink.traces[0].tensors.values() if not kept.complete]
    assert samples
    assert {(kept.data.shape, kept.shape) for kept in samples} == {((1024,), (3000, 3000))}


def test_a_custom_function_is_an_op_with_the_ops_in_its_forward_inside(record):
    with record() as sink:
        function_net()
    graph = sink.traces[-1].graph
    (custom,) = [op for op in graph.ops if op.custom]
    (inside,) = [op for op in graph.ops if op.parent != NONE]
    assert (custom.name, inside.name, inside.parent) == ("MyReLU", "clamp", custom.id)
    assert graph.sites[custom.site].expression == "relu(x.mm(w1))"
    assert graph.sites[inside.site].expression == "input.clamp(min=0)"
    (node,) = [node for node in graph.nodes if node.op == custom.id]
    assert node.name == "MyReLUBackward"
    assert graph.values[node.saved[0].value].op == 0
    reader = graph.ops[custom.id + 2]
    assert (reader.name, reader.inputs[0]) == ("mm", custom.outputs[0])


def test_an_alias_made_before_the_recording_is_seen(record):
    torch.manual_seed(1)
    from programs import MyReLU

    alias, w = MyReLU.apply, torch.randn(3, 3, requires_grad=True)
    with record() as sink:
        h = alias(w * 2)
        h.sum().backward()
    ops = sink.traces[0].graph.ops
    assert [op.name for op in ops if op.phase == "forward"] == ["mul", "MyReLU", "clamp", "sum"]
    assert [(op.name, op.tags) for op in ops if op.phase == "backward"] == [
        ("clone", ("in backward",)),
        ("lt", ("in backward",)),
        ("setitem", ("in backward",)),
    ]
    assert sink.traces[0].graph.ops[1].variable == "h"


def test_the_mlp_has_its_modules_parameters_and_optimizer(record):
    with record() as sink:
        PROGRAMS["adam"]()
    graph = sink.traces[2].graph
    assert [(call.name, call.path, call.kind) for call in graph.modules] == [
        ("net", "net", "Net"),
        ("fc1", "net.fc1", "Linear"),
        ("relu", "net.relu", "ReLU"),
        ("drop", "net.drop", "Dropout"),
        ("relu#2", "net.relu", "ReLU"),
        ("fc2", "net.fc2", "Linear"),
        ("criterion", "criterion", "CrossEntropyLoss"),
    ]
    assert all(call.parent == (NONE if "." not in call.path else 0) for call in graph.modules)
    forward = [op for op in graph.ops if op.module != NONE]
    assert [(op.name, graph.modules[op.module].name) for op in forward] == [
        *(("linear", "fc1"), ("relu", "relu"), ("dropout", "drop"), ("relu", "relu#2"), ("linear", "fc2")),
        ("cross_entropy", "criterion"),
    ]
    assert [op.variable for op in forward] == ["", "", "h", "", "logits", "loss"]
    leaves = [value.name for value in graph.values if value.role == "leaf"]
    assert leaves == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    steps = [op for op in graph.ops if op.name == "Adam.step"]
    assert [op.variable for op in steps] == leaves
    assert {graph.sites[op.site].expression for op in steps} == {"optimizer.step()"}
    assert [[graph.values[value].name for value in op.inputs] for op in steps] == [[name, f"{name}.grad"] for name in leaves]
    zeroed = [graph.values[op.inputs[0]].name for op in graph.ops if op.name == "zero_grad"]
    assert zeroed == leaves
    nodes = Counter(node.name for node in graph.nodes)
    assert nodes["AddmmBackward0"] == 2
    assert nodes["AccumulateGrad"] == 4
    cross = {node.name for node in graph.nodes if node.op != NONE and graph.ops[node.op].name == "cross_entropy"}
    assert cross == {"NllLossBackward0", "LogSoftmaxBackward0"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_node_that_ran_has_an_event_and_every_edge_a_gradient(record, name):
    with record() as sink:
        PROGRAMS[name]()
    trace = sink.traces[1]
    ran = sorted(event.ref for event in trace.graph.events if event.kind in ("node", "accumulate"))
    assert ran == list(range(len(trace.graph.nodes)))
    assert (trace.gradients[0] >= 0).all()
    moments = tape.moments(trace)
    for edge in trace.graph.edges:
        if edge.source != NONE and edge.target != NONE:
            assert moments.nodes[edge.source] < moments.nodes[edge.target]
    assert (np.diff(trace.times) >= 0).all()
    assert trace.start > 1.7e9


def test_steps_that_are_not_wanted_are_not_handed_over(record):
    with record(every=3) as sink:
        autograd_net(8)
    assert [trace.step for trace in sink.traces] == [0, 3, 6]
    with record(steps=2) as sink:
        plain = autograd_net(5)
    assert [trace.step for trace in sink.traces] == [0, 1]
    assert_same_bits(plain, autograd_net(5))


def test_sizes_that_change_keep_the_graph_and_are_told_by_the_trace(record):
    w = torch.randn(4, 2, requires_grad=True)
    with record() as sink:
        for rows in (3, 5, 7):
            x = torch.ones(rows, 4)
            x.mm(w).sum().backward()
    graphs = {id(trace.graph) for trace in sink.traces}
    assert len(graphs) == 1
    product = next(op for op in sink.traces[0].graph.ops if op.name == "mm").outputs[0]
    assert [tape.shape_of(trace, product) for trace in sink.traces] == [(3, 2), (5, 2), (7, 2)]
