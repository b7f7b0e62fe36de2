"""What ``torch.compile`` made stays compiled while it is recorded (as many graphs, the same bits) and each call is one op."""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

from gradwalk.trace import NONE, Op, Trace

sys.path.insert(0, str(Path(__file__).parent))
from programs import MyReLU, assert_same_bits

Model = Callable[[torch.Tensor], torch.Tensor]
BACKEND = "inductor" if shutil.which("g++") is not None else "aot_eager"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.fc2 = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(torch.relu(self.fc1(x)))


class Breaks(Net):
    """Dynamo breaks the graph in its middle."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.fc1(x)
        torch._dynamo.graph_break()
        return self.fc2(torch.relu(h))


class HasAnUncompiledPart(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.middle(self.fc1(x)))

    @torch.compiler.disable
    def middle(self, h: torch.Tensor) -> torch.Tensor:
        return torch.tanh(h)


class HasACustomFunction(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(MyReLU.apply(self.fc1(x)))


def whole(net: nn.Module, backend: Any) -> Model:
    return torch.compile(net, backend=backend)


def in_place(net: nn.Module, backend: Any) -> Model:
    net.compile(backend=backend)
    return net


def function(net: nn.Module, backend: Any) -> Model:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return net(x)

    return torch.compile(forward, backend=backend)


def a_part(net: nn.Module, backend: Any) -> Model:
    net.fc2 = torch.compile(net.fc2, backend=backend)
    return net


def fullgraph(net: nn.Module, backend: Any) -> Model:
    return torch.compile(net, backend=backend, fullgraph=True)


def nested(net: nn.Module, backend: Any) -> Model:
    inner = torch.compile(net, backend=backend)
    return torch.compile(lambda x: inner(x) * 2, backend=backend)


def train(model: Model, net: nn.Module, sizes: tuple[int, ...] = (4, 4, 4)) -> dict[str, Any]:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for size in sizes:
        x = torch.randn(size, 6)
        optimizer.zero_grad()
        loss = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    parameters = list(net.parameters())
    return {
        "losses": losses,
        "parameters": parameters,
        "grads": [p.grad for p in parameters],
        "rng": torch.get_rng_state(),
    }


def run(kind: type[Net], way: Callable[[nn.Module, Any], Model], backend: str) -> tuple[dict[str, Any], int]:
    """What training gives, and how many graphs Dynamo made of it."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    counter = CompileCounterWithBackend(backend)
    net = kind()
    return train(way(net, counter), net), counter.frame_count


@pytest.fixture(autouse=True)
def _fresh_dynamo() -> Iterator[None]:
    with warnings.catch_warnings():
        for category in (DeprecationWarning, UserWarning):  # Dynamo's own, with or without recording
            warnings.filterwarnings("ignore", category=category)
        warnings.filterwarnings("error", message="Using `torch.compile")
        yield
    torch._dynamo.reset()


def compiled(trace: Trace) -> list[Op]:
    return [op for op in trace.graph.ops if "compiled" in op.tags]


CASES: list[tuple[type[Net], Callable[[nn.Module, Any], Model], str, list[str]]] = [
    (Net, whole, "eager", ["compiled Net"]),
    (Net, whole, "aot_eager", ["compiled Net"]),
    (Net, in_place, "aot_eager", ["compiled Net"]),
    (Net, function, "aot_eager", ["compiled forward"]),
    (Net, a_part, "aot_eager", ["compiled Linear"]),
    (Net, fullgraph, "aot_eager", ["compiled Net"]),
    (Net, nested, "aot_eager", ["compiled region"]),
    (Breaks, whole, "eager", ["compiled Breaks"]),
    (Breaks, in_place, "aot_eager", ["compiled Breaks"]),
    (HasAnUncompiledPart, whole, "aot_eager", ["compiled HasAnUncompiledPart"]),
    (HasACustomFunction, whole, "aot_eager", ["compiled HasACustomFunction"]),
]


@pytest.mark.parametrize(
    ("kind", "way", "backend", "names"), CASES, ids=lambda part: getattr(part, "__name__", part if isinstance(part, str) else "")
)
def test_it_stays_compiled_and_is_one_op(record, kind, way, backend, names):
    plain, graphs = run(kind, way, backend)
    with record() as sink:
        recorded, graphs_recorded = run(kind, way, backend)
    assert_same_bits(recorded, plain)
    assert graphs_recorded == graphs > 0
    assert [trace.label for trace in sink.traces] == [""] * 3
    for trace in sink.traces:
        graph, found = trace.graph, compiled(trace)
        assert [op.name for op in found if op.parent == NONE] == names
        assert [graph.values[value].name for value in found[0].outputs] in ([""], ["y"])
        assert all(node.op != NONE for node in graph.nodes if node.leaf == NONE)
        owned = {node.name for node in graph.nodes if node.op == found[0].id}
        assert ("CompiledFunctionBackward" in owned) == (backend == "aot_eager")
        assert any(event.kind == "accumulate" for event in graph.events)
        inside = [op.name for op in graph.ops if "in backward" in op.tags]  # a compiled backward is a Node, and no more
        assert inside == (["clone", "lt", "setitem"] if kind is HasACustomFunction and backend == "eager" else [])
        read = [graph.values[value] for value in found[0].inputs]
        assert sum(value.role == "leaf" for value in read) == (2 if way is a_part else 4)
    assert len({id(trace.graph) for trace in sink.traces[:-1]}) == 1  # no zero_grad follows the last


def test_another_size_and_evaluation_compile_as_often_as_without_us(record):
    def go() -> tuple[dict[str, Any], list[float], int]:
        torch._dynamo.reset()
        torch.manual_seed(0)
        counter, net = CompileCounterWithBackend("eager"), Net()
        model = torch.compile(net, backend=counter)
        trained = train(model, net, (4, 5, 6))
        with torch.no_grad():
            evaluated = [model(torch.ones(4, 6)).sum().item() for _ in range(2)]
        return trained, evaluated, counter.frame_count

    plain = go()
    with record() as sink:
        recorded = go()
    assert_same_bits(recorded[0], plain[0])
    assert recorded[1:] == plain[1:]
    assert [trace.label for trace in sink.traces] == ["", "", "", "forward only", "forward only"]
    assert len({id(trace.graph) for trace in sink.traces[:2]}) == 1
    assert all(compiled(trace) for trace in sink.traces)


def test_ops_of_a_part_that_is_not_compiled_are_inside_the_region(record):
    with record() as sink:
        run(HasAnUncompiledPart, whole, "aot_eager")
    graph = sink.traces[0].graph
    (region,) = compiled(sink.traces[0])
    (tanh,) = [op for op in graph.ops if op.name == "tanh"]
    assert (tanh.parent, tanh.tags) == (region.id, ())
    assert [node.op for node in graph.nodes if node.name == "TanhBackward0"] == [tanh.id]
    assert [node.name for node in graph.nodes if node.op == region.id] == ["CompiledFunctionBackward"] * 2


def test_the_call_has_its_module_its_variable_and_its_weights(record):
    torch.manual_seed(0)
    net = Net()
    model = torch.compile(net, backend="aot_eager")
    with record() as sink:
        x = torch.ones(3, 6)
        y = model(x)
        y.sum().backward()
    (op,) = compiled(sink.traces[0])
    graph = sink.traces[0].graph
    assert [graph.values[value].name for value in op.inputs] == ["x", *(name for name, _ in net.named_parameters())]
    assert (op.variable, graph.modules[op.module].path, graph.modules[op.module].kind) == ("y", "model", "Net")
    assert graph.sites[op.site].expression == "model(x)"


def test_what_was_compiled_before_the_recording_is_not_compiled_again(record):
    counter = CompileCounterWithBackend("aot_eager")
    net = Net()
    f, model = torch.compile(lambda x: torch.sin(x).sum(), backend=counter), torch.compile(net, backend=counter)
    x = torch.ones(3, 6, requires_grad=True)
    (f(x) + model(x).sum()).backward()
    before = counter.frame_count
    with record() as sink:
        (f(x) + model(x).sum()).backward()
    (f(x) + model(x).sum()).backward()
    assert counter.frame_count == before == 2
    assert [op.name for op in compiled(sink.traces[0])] == ["compiled region", "compiled Net"]


def test_a_compiled_step_of_an_optimizer_is_an_update(record):
    def go() -> list[torch.Tensor]:
        torch._dynamo.reset()
        torch.manual_seed(0)
        net = nn.Linear(3, 2)
        optimizer = torch.optim.SGD(net.parameters(), lr=torch.tensor(0.1), foreach=False)

        @torch.compile(backend="eager")
        def update() -> None:
            optimizer.step()

        for _ in range(3):
            net(torch.ones(4, 3)).pow(2).mean().backward()
            update()
            optimizer.zero_grad()
        return list(net.parameters())

    plain = go()
    with record() as sink:
        recorded = go()
    assert_same_bits(recorded, plain)
    for trace in sink.traces:
        graph = trace.graph
        written = {graph.values[v].name for e in graph.events if e.kind == "update" for v in graph.ops[e.ref].outputs}
        assert written == {"net.weight", "net.bias"} or written == {"weight", "bias"}


def test_an_exception_inside_passes_and_is_the_regions(record):
    @torch.compile(backend="eager")
    def bad(x: torch.Tensor) -> torch.Tensor:
        return x.sum() + fails(x)

    @torch.compiler.disable
    def fails(x: torch.Tensor) -> torch.Tensor:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"), record() as sink:  # noqa: PT012
        w = torch.ones(2, requires_grad=True)
        bad(w * 2)
    (failed,) = sink.failures
    assert [op.name for op in failed.graph.ops] == ["mul", "compiled bad"]
    assert failed.error.event == 1


def test_a_fault_of_ours_changes_nothing(monkeypatch):
    import gradwalk.recorder.compiled as ours
    from gradwalk.recorder import Recorder, modes, regions

    sys.path.insert(0, str(Path(__file__).parent))
    from sinks import ListSink

    torch.manual_seed(0)
    net, counter = Net(), CompileCounterWithBackend("eager")
    model, start = torch.compile(net, backend=counter), {name: value.clone() for name, value in net.state_dict().items()}

    def go() -> tuple[dict[str, Any], int]:
        net.load_state_dict(start)
        torch.manual_seed(1)
        return train(model, net, (4,)), counter.frame_count

    plain = go()
    functions = [(ours.CompiledRegions, name) for name in ("_open", "_close")]
    functions += [(regions.Region, name) for name in ("open", "close")]
    functions += [(modes, "stack")]
    for owner, name in functions:

        def faulty(*args: Any, **kwargs: Any) -> Any:
            raise ZeroDivisionError("injected")

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, faulty)
            recorder = Recorder(ListSink())
            recorder.start()
            recorded = go()
        recorder.stop()
        assert_same_bits(recorded[0], plain[0])


def test_nothing_of_ours_stays(record):
    switch = torch._dynamo.eval_frame.set_eval_frame
    warns = torch.nn.modules.module._has_any_global_hook
    model, x = torch.compile(Net(), backend="eager"), torch.ones(3, 6)
    finders = list(sys.meta_path)
    with record():
        assert torch._dynamo.eval_frame.set_eval_frame is not switch
        y = model(x)
        y.sum().backward()
        dead = weakref.ref(y)
        del y
        gc.collect()
        assert dead() is None
    assert torch._dynamo.eval_frame.set_eval_frame is switch
    assert torch._dynamo.eval_frame._maybe_set_eval_frame is switch
    assert torch.nn.modules.module._has_any_global_hook is warns
    assert sys.meta_path == finders
    handle = torch.nn.modules.module.register_module_forward_hook(lambda *args: None)
    with record(), pytest.warns(UserWarning, match="global hooks"):  # those of the user's are still warned of
        model(x)
    handle.remove()


SCRIPT = """
import torch
def f(x):
    return torch.sin(x).pow(2).sum()
def train(backend):
    g = torch.compile(f, backend=backend)
    w = torch.ones(3, requires_grad=True)
    for _ in range(3):
        g(w * 2).backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    return w.tolist()
if __name__ == "__main__":
    import sys
    print(train(sys.argv[1]))
"""


def test_a_script_that_compiles_after_the_recording_began(tmp_path):
    import gradwalk

    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "gradwalk", "run", "--no-window", "--record", tmp_path / "out", script, BACKEND]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("[1.5")
    traces = list(gradwalk.open_recording(tmp_path / "out"))
    assert [[op.name for op in trace.graph.ops][:2] for trace in traces] == [["mul", "compiled f"]] * 3
    assert all("CompiledFunctionBackward" in [node.name for node in trace.graph.nodes] for trace in traces)
