"""Paths of modules, names of parameters and buffers, and which op belongs to which module: one line per case."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import nn

from gradwalk.trace import NONE, Graph


class Shared(nn.Module):
    """One layer under two names, called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.again = self.inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.again(self.inner(self.inner(x)))


class Lists(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.heads = nn.ModuleDict({"one": nn.Linear(3, 1), "two": nn.Linear(3, 1)})
        self.free = nn.ParameterList([nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))])
        self.scales = nn.ParameterDict({"left": nn.Parameter(torch.ones(1))})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.heads["one"](x) * self.free[0] + self.heads["two"](x) * self.free[1] * self.scales["left"]


class Buffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("offset", torch.ones(3))
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x) * self.weight + self.offset


class Functional(nn.Module):
    """Ops of its own between and after its submodules."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = nn.functional.relu(self.first(x))
        return torch.tanh(self.second(h) * 2)


class Tied(nn.Module):
    """One weight in two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.embed(x.abs().long()))


class Raising(nn.Module):
    """A submodule that raises and is caught."""

    class Bad(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError("no")

    def __init__(self) -> None:
        super().__init__()
        self.bad, self.good = Raising.Bad(), nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        try:
            x = self.bad(x)
        except ValueError:
            x = x * 2
        return self.good(x)


class Methods(nn.Module):
    """Not through ``forward``: the loop calls a method of the outermost module."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        return self(x).sum()


def nested() -> nn.Module:
    return nn.Sequential(OrderedDict(body=nn.Sequential(nn.Linear(3, 3), nn.ReLU()), head=nn.Linear(3, 1)))


X = torch.linspace(-1, 1, 6).view(2, 3)
PATHS: list[tuple[Callable[[], nn.Module], str, str]] = [
    (Shared, "net net.inner net.inner#2 net.inner#3", "linear@inner linear@inner#2 linear@inner#3"),
    (
        Lists,
        "net net.layers.0 net.layers.1 net.heads.one net.heads.two",
        "linear@layers.0 linear@layers.1 linear@heads.one mul@net linear@heads.two mul@net mul@net add@net",
    ),
    (Buffers, "net net.norm", "add_@norm batch_norm@norm mul@net add@net"),
    (Functional, "net net.first net.second", "linear@first relu@net linear@second mul@net tanh@net"),
    (Tied, "net net.embed net.out", "abs@net long@net embedding@embed linear@out"),
    (Raising, "net net.good", "mul@net linear@good"),
    (Methods, "Methods Methods.inner", "linear@inner"),
    (nested, "net net.body net.body.0 net.body.1 net.head", "linear@0 relu@1 linear@head"),
]
NAMES: list[tuple[Callable[[], nn.Module], str]] = [
    (Shared, "inner.weight inner.bias"),
    (Lists, "layers.0.weight layers.0.bias layers.1.weight layers.1.bias heads.one.weight heads.one.bias free.0 "
            "heads.two.weight heads.two.bias free.1 scales.left"),
    (Buffers, "norm.num_batches_tracked norm.running_mean norm.running_var norm.weight norm.bias net.weight net.offset"),
    (Tied, "embed.weight"),
    (nested, "body.0.weight body.0.bias head.weight head.bias"),
]  # fmt: skip


def record_of(record: Callable[..., object], make: Callable[[], nn.Module], steps: int = 2) -> Graph:
    net = make()
    with record() as sink:
        for _ in range(steps):
            loss = net.loss(X) if isinstance(net, Methods) else net(X).sum()
            loss.backward()
            net.zero_grad()
    assert len(sink.traces) == steps
    return sink.traces[-1].graph


@pytest.mark.parametrize(("make", "calls", "ops"), PATHS, ids=[make.__name__ for make, _, _ in PATHS])
def test_the_path_of_every_call_and_the_module_of_every_op(record, make, calls, ops):
    graph = record_of(record, make)
    modules = graph.modules
    told = [module.path + (f"#{module.name.partition('#')[2]}" if "#" in module.name else "") for module in modules]
    assert told == calls.split()
    found = [f"{op.name}@{modules[op.module].name}" for op in graph.ops if op.module != NONE and op.phase == "forward"]
    assert found == ops.split()
    parents = {module.path: modules[module.parent].path for module in modules if module.parent != NONE}
    assert all(path.startswith(f"{parent}.") for path, parent in parents.items())


@pytest.mark.parametrize(("make", "names"), NAMES, ids=[make.__name__ for make, _ in NAMES])
def test_parameters_and_buffers_have_their_names(record, make, names):
    graph = record_of(record, make)
    parameters = {name for name, _ in make().named_parameters()}
    made = [
        value for value in graph.values if value.op == NONE and value.gradient_of == NONE and value.name not in ("", "x", "X")
    ]
    assert [value.name for value in made] == names.split()
    assert {value.name.removeprefix("net.") for value in made if value.parameter} == parameters


def test_modules_that_are_called_through_one_variable_have_different_names(record):
    """Else two weights are one for whatever goes by names: watches, probes, the heat map."""
    layers, net = [nn.Linear(3, 3) for _ in range(3)], nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    with record() as sink:
        for _ in range(3):
            x = torch.randn(2, 3)
            for layer in layers:
                x = layer(x)
            net[2](net[1](net[0](x))).sum().backward()
    for trace in sink.traces:
        named = [value.name for value in trace.graph.values if value.parameter and value.op < 0]
        assert sorted(named) == sorted(
            f"{module}.{name}" for module in ("layer", "layer_2", "layer_3", "Linear", "Linear_2") for name in ("weight", "bias")
        )
    assert len({trace.graph.key for trace in sink.traces}) <= 2


def test_a_loss_module_made_in_every_step_keeps_its_name(record):
    net, kept = nn.Linear(3, 1), []
    with record() as sink:
        for _ in range(4):
            loss = nn.MSELoss()
            kept.append(loss)
            loss(net(torch.ones(2, 3)), torch.zeros(2, 1)).backward()
            net.zero_grad()
    assert {module.path for trace in sink.traces for module in trace.graph.modules} == {"net", "loss"}
