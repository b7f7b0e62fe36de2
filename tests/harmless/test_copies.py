"""Pickle, deepcopy, torch.save, jit and export of what is on record: equal to the byte, and nothing of ours in it."""

from __future__ import annotations

import copy
import io
import pickle
import re

import pytest
import torch
from loops import randn, train
from scenario import Row, rows
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx


class Net(nn.Module):
    """Two layers, a buffer and a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.norm = nn.Linear(4, 5), nn.Linear(5, 2), nn.BatchNorm1d(5)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(torch.relu(self.norm(self.fc1(x)))) * self.scale


def trained(steps=2):
    """A net with gradients, between two steps: the forward of the next one is on record."""
    net = Net()
    result = train(net, randn(6, 4), steps=steps, optimizer=torch.optim.Adam)
    return net, result["optimizer"], net(randn(6, 4))


def go_on(net, optimizer=None):
    """Train what was loaded, so that it is on record as well."""
    return train(net, randn(6, 4), steps=2), optimizer


def pickled():
    net, optimizer, _ = trained()
    data = pickle.dumps((net, optimizer, net.state_dict(), net.fc1.weight, net.fc1.weight.grad))
    assert b"gradwalk" not in data
    loaded = pickle.loads(data)
    return loaded, go_on(loaded[0]), net


def deeply_copied():
    net, optimizer, out = trained()
    twin, its = copy.deepcopy((net, optimizer))
    out.sum().backward()
    return twin, its, go_on(twin), copy.copy(net), copy.deepcopy(net.fc1.weight), copy.deepcopy(net.fc1.weight.grad), net


def saved(what, weights_only):
    net, optimizer, out = trained()
    file = io.BytesIO()
    torch.save(what(net, optimizer, out), file)
    data = file.getvalue()
    assert b"gradwalk" not in data
    loaded = torch.load(io.BytesIO(data), weights_only=weights_only)
    return data, loaded, go_on(net), [value.clone() for value in loaded.values()] if isinstance(loaded, dict) else loaded


def loaded_back():
    net, _, _ = trained()
    other = Net()
    missing = other.load_state_dict(copy.deepcopy(net.state_dict()))
    return list(missing), go_on(other), go_on(net)


def written(module):
    file = io.BytesIO()
    torch.jit.save(module, file)
    return torch.jit.load(io.BytesIO(file.getvalue()))


def scripted():
    net, _, _ = trained()
    script = torch.jit.script(net)
    back = written(script)
    return (
        script.code,
        back.code,
        back.state_dict(),
        back(randn(3, 4)).detach(),
        torch.jit.freeze(torch.jit.script(net.eval())).code,
    )


def traced():
    net, _, _ = trained()
    trace = torch.jit.trace(net.eval(), randn(3, 4))
    back = written(trace)
    graph = re.sub(r"___torch_mangle_\d+\.", "", str(trace.inlined_graph))
    return trace.code, graph, back.code, back.state_dict(), back(randn(3, 4)).detach()


def halved(x: torch.Tensor) -> torch.Tensor:
    return x / 2 if bool(x.sum() > 0) else x * 2


def scripted_function():
    w = randn(4, requires_grad=True)
    function = torch.jit.script(halved)
    for _ in range(3):
        function(w).sum().backward()
    return w, function.code


def symbolic():
    net, _, _ = trained()
    module = torch.fx.symbolic_trace(net)
    return module.code, str(module.graph), go_on(copy.deepcopy(module))


def functional():
    net, _, _ = trained()
    graph = make_fx(lambda x: net(x) + 1)(randn(3, 4))
    return graph.code, str(graph.graph), graph(randn(3, 4))


def exported(**settings):
    net, _, _ = trained()
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(net.eval(), (randn(3, 4),), dynamic_shapes=({0: batch},), **settings)
    file = io.BytesIO()
    torch.export.save(program, file)
    back = torch.export.load(io.BytesIO(file.getvalue()))
    frames = [str(node.meta.get("stack_trace")) for node in program.graph.nodes]
    return (
        str(program.graph),
        frames,
        program.state_dict,
        back.module()(randn(5, 4)),
        go_on(program.module())["model"] if settings else None,
    )


TABLE = [
    Row("pickle", pickled, "linear batch_norm relu"),
    Row("deepcopy and copy", deeply_copied, "linear batch_norm relu"),
    Row("torch.save of a state", lambda: saved(lambda net, optimizer, out: net.state_dict(), True), "linear batch_norm"),
    Row("torch.save of a model", lambda: saved(lambda net, optimizer, out: net, False), "linear batch_norm"),
    Row(
        "torch.save of an optimizer's state",
        lambda: saved(lambda net, optimizer, out: list(optimizer.state_dict().values()), True),
        "linear",
    ),
    Row("torch.save of results", lambda: saved(lambda net, optimizer, out: [out, net.fc1.weight.grad], True), "linear"),
    Row("load_state_dict", loaded_back, "linear batch_norm"),
    Row("torch.jit.script", scripted, "linear batch_norm"),
    Row("torch.jit.trace", traced, "linear batch_norm"),
    Row("a scripted function", scripted_function, "sum"),
    Row("torch.fx.symbolic_trace", symbolic, "linear batch_norm"),
    Row("make_fx", functional, "linear batch_norm"),
    Row("torch.export", exported, "linear batch_norm"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*to_dense.*|.*TracerWarning.*|.*a leaf.*|.*pytree.*")
@rows(TABLE)
def test_same_bits(harmless, row):
    harmless(row.program, row.ops)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("program", [traced, exported], ids=["torch.jit.trace", "torch.export"])
def test_what_runs_to_be_traced_is_not_on_record(harmless, program):
    recording = harmless(program, "linear")
    assert {value.device for trace in recording for value in trace.graph.values} == {"cpu"}
