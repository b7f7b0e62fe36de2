"""How tensors lie in memory, and which functions of the script's autograd and modules call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from sinks import ListSink
from torch import nn

from gradwalk.recorder.recorder import Recorder
from gradwalk.recorder.state import State
from gradwalk.recording.retention import Keep
from gradwalk.strides import contiguous, is_contiguous, strides_of
from gradwalk.trace import Graph, Hook, Trace


def strides_by_name(trace: Trace) -> dict[str, tuple[int, ...] | None]:
    names = {op.outputs[0]: op.variable for op in trace.graph.ops if op.variable and op.outputs}
    return {value.name or names.get(value.id, ""): strides_of(trace, value.id) for value in trace.graph.values}


def lying() -> dict[str, tuple[int, ...]]:
    """Tensors of every way of lying in memory; what torch says of each."""
    w = torch.ones(3, 4, requires_grad=True)
    turned = w.t()
    wide = w.sum(0).expand(5, 4)
    picture = (w.sum() * torch.ones(2, 3, 4, 5)).contiguous(memory_format=torch.channels_last)
    cut = w[:, 1:3]
    scalar = w.mean()
    named = {"w": w, "turned": turned, "wide": wide, "picture": picture, "cut": cut, "scalar": scalar}
    loss = sum(tensor.sum() for tensor in named.values())
    loss.backward()
    assert w.grad is not None
    return {name: tensor.stride() for name, tensor in {**named, "w.grad": w.grad}.items()}


def test_strides_are_those_that_torch_has(record):
    with record() as sink:
        said = lying()
    found = strides_by_name(sink.traces[0])
    assert {name: found[name] for name in said if name != "w.grad"} == {n: s for n, s in said.items() if n != "w.grad"}
    assert found["wide"] == (0, 1)
    assert found["picture"] == (60, 1, 15, 3)
    assert not is_contiguous((3, 2), found["turned"])


def test_a_sparse_tensor_has_none(record):
    with record() as sink:
        w = torch.ones(3, 4, requires_grad=True)
        s = torch.eye(3).to_sparse()
        torch.sparse.mm(s, w).sum().backward()
    trace = sink.traces[0]
    assert [strides_of(trace, v.id) for v in trace.graph.values if v.layout] == [None]


@pytest.fixture
def followed(monkeypatch) -> list[int]:
    steps: list[int] = []
    original = State.close_followed

    def close(self: State, running: Any) -> None:
        steps.append(self.step_number)
        original(self, running)

    monkeypatch.setattr(State, "close_followed", close)
    return steps


@pytest.mark.parametrize("level", ["structure", "statistics"])
def test_a_followed_step_that_lies_otherwise_says_so(record, followed, level):
    """Only the memory format and the number of rows change, which no structure tells."""
    w = torch.ones(3, 4, requires_grad=True)
    rows = [5 if step == 9 else 6 for step in range(12)]
    given = [torch.ones(4, n).t() if step % 4 == 3 else torch.ones(n, 4) for step, n in enumerate(rows)]
    said: list[dict[str, tuple[int, ...]]] = []
    with record(level=level, keep=Keep.NONE) as sink:
        for x in given:
            h = x.mul(2)
            t = h.mm(w.t())
            u = t.t()
            (u * 2).sum().backward()
            said.append({name: tensor.stride() for name, tensor in {"x": x, "h": h, "t": t, "u": u, "w": w}.items()})
            w.grad = None
    assert len(followed) >= 6
    assert {3, 7, 9, 11} & set(followed), "a step that lies otherwise has to be followed"
    for trace, wanted in zip(sink.traces, said, strict=True):
        assert {name: strides_by_name(trace)[name] for name in wanted} == wanted
    plain = [trace for trace in sink.traces if trace.step in (5, 6, 8)]
    assert not any(trace.strides for trace in plain)
    assert len({trace.graph.key for trace in sink.traces}) == 1


def test_contiguous_is_what_torch_takes_for_it():
    shapes = [(), (3,), (2, 3), (2, 1, 3), (1, 1), (0, 4), (4, 0, 2)]
    for shape in shapes:
        tensor = torch.zeros(shape)
        assert contiguous(shape) == tensor.stride()
        for turned in (tensor, tensor.t() if tensor.dim() == 2 else tensor, tensor.unsqueeze(0).transpose(0, -1)):
            assert is_contiguous(tuple(turned.shape), turned.stride()) == turned.is_contiguous()


# ---------------------------------------------------------------------- hooks


class Loud:
    """A hook that is an object."""

    def __call__(self, *args: Any) -> None:
        pass

    def method(self, *args: Any) -> None:
        pass


def seen(*args: Any) -> None:
    pass


def line_of(function: Callable[..., Any]) -> int:
    return inspect.getsourcelines(function)[1]


def run(step: Callable[[int], torch.Tensor], steps: int = 1, **settings: object) -> ListSink:
    sink = ListSink(**settings)  # type: ignore[arg-type]
    recorder = Recorder(sink)  # type: ignore[arg-type]
    recorder.start()
    try:
        for number in range(steps):
            step(number).backward()
    finally:
        recorder.stop()
    assert not [note for note in sink.notes if note[0] in ("fault", "off")]
    return sink


def hooks_of_leaf(graph: Graph, name: str) -> list[tuple[str, str]]:
    found = [value.hooks for value in graph.values if value.name == name and value.role == "leaf"]
    return [(hook.kind, hook.function) for hook in found[0]]


def test_hooks_of_tensors(record):
    w, v = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    w.register_hook(seen)
    w.register_hook(partial(seen, 1))
    w.register_post_accumulate_grad_hook(Loud())
    v.register_hook(Loud().method)
    with record() as sink:
        h = w * v
        h.register_hook(lambda gradient: None)
        h.retain_grad()
        h.sum().backward()
    graph = sink.traces[0].graph
    assert hooks_of_leaf(graph, "w") == [("hook", "seen"), ("post_accumulate_grad_hook", "Loud")]
    assert hooks_of_leaf(graph, "v") == [("hook", "Loud.method")]
    made = graph.values[graph.ops[0].outputs[0]]
    assert [hook.kind for hook in made.hooks] == ["hook"]
    assert made.hooks[0].function.endswith("<lambda>")
    assert made.hooks[0].file == __file__
    (known,) = [hook for value in graph.values for hook in value.hooks if hook.function == "seen"]
    assert known == Hook("hook", "seen", __file__, line_of(seen))


def test_hooks_of_modules(record):
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    net[0].register_forward_hook(seen)
    net[0].register_forward_pre_hook(seen)
    net[1].register_full_backward_hook(seen)
    net.register_full_backward_pre_hook(seen)
    with record() as sink:
        net(torch.ones(1, 2, requires_grad=True)).sum().backward()
    assert not any(node.hooks for node in sink.traces[0].graph.nodes)
    found = {call.path.partition(".")[2]: [hook.kind for hook in call.hooks] for call in sink.traces[0].graph.modules}
    assert found == {
        "": ["full_backward_pre_hook"],
        "0": ["forward_pre_hook", "forward_hook"],
        "1": ["full_backward_hook"],
    }


def test_hooks_of_nodes(record):
    w = torch.ones(3, requires_grad=True)
    with record() as sink:
        h = w * 2
        assert h.grad_fn is not None
        h.grad_fn.register_hook(seen)
        h.grad_fn.register_prehook(seen)
        end = torch.autograd.graph.get_gradient_edge(w).node
        end.register_hook(Loud())
        h.sum().backward()
    hooks = {node.name: [(hook.kind, hook.function) for hook in node.hooks] for node in sink.traces[0].graph.nodes}
    assert hooks == {
        "SumBackward0": [],
        "MulBackward0": [("prehook", "seen"), ("hook", "seen")],
        "AccumulateGrad": [("hook", "Loud")],
    }


def test_a_hook_that_comes_or_goes_is_another_structure_even_where_steps_are_followed(followed):
    net = nn.Linear(2, 1)
    handles: list[Any] = []

    def step(number: int) -> torch.Tensor:
        if number == 6:
            handles.append(net.weight.register_hook(seen))
        if number == 12:
            handles.pop().remove()
            handles.append(net.register_forward_hook(seen))
        net.zero_grad()
        h = net(torch.ones(1, 2))
        if number >= 18:
            h.register_hook(seen)
        if number == 23:
            h.grad_fn.register_hook(seen)
        return h.sum()

    sink = run(step, 24, keep=Keep.NONE)
    graphs = [trace.graph for trace in sink.traces]
    of_weight = [bool(value.hooks) for graph in graphs for value in graph.values[:5] if value.name == "net.weight"]
    assert of_weight == [6 <= number < 12 for number in range(24)]
    assert [bool(graph.modules[0].hooks) for graph in graphs] == [number >= 12 for number in range(24)]
    of_results = [any(value.hooks for value in graph.values if value.op >= 0) for graph in graphs]
    assert of_results == [number >= 18 for number in range(24)]
    assert [any(node.hooks for node in graph.nodes) for graph in graphs] == [number == 23 for number in range(24)]
    assert {5, 10, 11, 16, 17, 21, 22} & set(followed) >= {10, 16, 22}
    assert len({graph.key for graph in graphs}) == 5


def test_a_hook_that_is_registered_anew_at_every_step_is_one():
    w = torch.ones(3, requires_grad=True)

    def step(number: int) -> torch.Tensor:
        w.register_hook(lambda gradient: None)
        return (w * 2).sum()

    sink = run(step, 5, keep=Keep.NONE)
    assert len({trace.graph.key for trace in sink.traces}) == 1
    assert len(sink.traces[-1].graph.values[0].hooks) == 1
