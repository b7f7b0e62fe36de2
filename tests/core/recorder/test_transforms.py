"""functorch: each call of a transformed function is one op, and gives the same bits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo.testing
from torch import nn
from torch.func import functional_call

from gradwalk.trace import NONE

sys.path.insert(0, str(Path(__file__).parent))
from programs import MyReLU, assert_same_bits

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),  # torch's own, where it first uses forward mode
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
Tensors = list[torch.Tensor]


def f(x: torch.Tensor) -> torch.Tensor:
    return (x.sin() * x).sum()


def g(x: torch.Tensor) -> torch.Tensor:
    return x.sin() * x


X = torch.linspace(-1, 1, 6).view(2, 3)
W = torch.linspace(0, 1, 3)


NET = nn.Linear(3, 1)
PARAMETERS = {name: torch.ones_like(p) for name, p in NET.named_parameters()}


def sample_loss(parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return functional_call(NET, parameters, (x.unsqueeze(0),)).pow(2).sum()


CASES: dict[str, tuple[Callable[[], Any], int, int]] = {
    "grad": (lambda: torch.func.grad(f)(X), 1, 1),
    "grad_and_value": (lambda: torch.func.grad_and_value(f)(X), 1, 2),
    "vmap": (lambda: torch.func.vmap(g)(X), 1, 1),
    "vmap of two": (lambda: torch.func.vmap(torch.dot, in_dims=(0, None))(X, W), 2, 1),
    "vmap in chunks": (lambda: torch.func.vmap(g, chunk_size=1)(X), 1, 1),
    "vmap of a custom Function": (lambda: torch.func.vmap(lambda x: x.relu())(X), 1, 1),
    "jacrev": (lambda: torch.func.jacrev(g)(X), 1, 1),
    "jacfwd": (lambda: torch.func.jacfwd(g)(X), 1, 1),
    "hessian": (lambda: torch.func.hessian(f)(X), 1, 1),
    "jvp": (lambda: torch.func.jvp(g, (X,), (X,)), 2, 2),
    "vjp": (lambda: torch.func.vjp(g, X)[0], 1, 1),
    "vmap of per-sample gradients": (
        lambda: torch.func.vmap(torch.func.grad(sample_loss), in_dims=(None, 0))(PARAMETERS, X),
        3,
        2,
    ),
}


class Calls(nn.Module):
    def forward(self, function: Callable[[], Any]) -> Any:
        return function()


def tensors(thing: Any) -> Tensors:
    if isinstance(thing, torch.Tensor):
        return [thing]
    return [tensor for part in (thing.values() if isinstance(thing, dict) else thing) for tensor in tensors(part)]


@pytest.mark.parametrize("name", CASES)
def test_a_call_is_one_op(record, name):
    call, inputs, outputs = CASES[name]
    plain = tensors(call())
    with record() as sink:
        recorded = tensors(Calls()(call))
    assert_same_bits([t.contiguous() for t in recorded], [t.contiguous() for t in plain])
    (trace,) = sink.traces
    op = [op for op in trace.graph.ops if op.parent == NONE][-1]
    assert op.name == name.split()[0]
    assert [op.name for op in trace.graph.ops] == [op.name]
    assert (len(op.inputs), len(op.outputs)) == (inputs, outputs)
    assert [trace.graph.values[v].shape for v in op.outputs] == [tuple(t.shape) for t in recorded]
    assert all(trace.values[0, v] > 0 for v in op.outputs)
    assert trace.graph.sites[op.site].file == __file__


def test_a_step_through_vmap_has_its_nodes_and_the_weights_of_its_closure(record):
    def go() -> Tensors:
        w = torch.ones(3, requires_grad=True)
        rows = torch.func.vmap(lambda row: (row * w).sin())
        for _ in range(2):
            y = rows(X)
            y.sum().backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
        return [w]

    plain = go()
    with record() as sink:
        recorded = go()
    assert_same_bits(recorded, plain)
    graph = sink.traces[1].graph
    assert [op.name for op in graph.ops] == ["vmap", "sum", "mul", "sub_", "zero_grad"]
    op = graph.ops[0]
    assert ([graph.values[v].role for v in op.inputs], op.variable) == (["input", "leaf"], "y")
    assert all(node.op != NONE for node in graph.nodes if node.leaf == NONE)
    assert {"SinBackward0", "MulBackward0"} <= {node.name for node in graph.nodes if node.op == 0}


def test_the_pullback_of_vjp_may_be_called_later(record):
    def go() -> Tensors:
        y, pull = torch.func.vjp(g, X)
        return [y, *pull(torch.ones_like(y))]

    plain = go()
    with record():
        recorded = go()
    assert_same_bits(recorded, plain)


def test_an_exception_inside_passes(record):
    with pytest.raises(ValueError, match="mine"), record() as sink:
        torch.func.vmap(lambda x: int("mine"))(X)
    assert [op.name for op in sink.failures[0].graph.ops] == ["vmap"]


def test_a_custom_function_inside_runs_as_without_us(record):
    class Doubles(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            return gradient * 2

    def call() -> torch.Tensor:
        return torch.func.vmap(torch.func.grad(lambda row: Doubles.apply(row).sum()))(X)

    plain = call()
    with record():
        recorded = call()
    assert_same_bits(recorded, plain)
    assert MyReLU.apply(X).shape == X.shape


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_dynamo_sees_the_transforms_as_without_us(record):
    def go() -> tuple[Tensors, int]:
        torch._dynamo.reset()
        counter = torch._dynamo.testing.CompileCounter()
        slopes = torch.func.jacrev(g)
        inside = torch.compile(lambda x: torch.func.vmap(torch.func.grad(f))(x) * 2, backend=counter)
        around = torch.compile(slopes, backend=counter)
        return [inside(X), around(X)], counter.frame_count

    plain = go()
    with record():
        recorded = go()
    torch._dynamo.reset()
    assert_same_bits(recorded[0], plain[0])
    assert recorded[1] == plain[1] > 0


def test_the_names_are_torchs_again_afterwards(record):
    from torch._functorch import apis, eager_transforms

    before = (torch.func.jacrev, eager_transforms.jacrev, eager_transforms.grad_impl, apis.vmap_impl)
    with record():
        slopes = torch.func.jacrev(g)
        assert torch.func.jacrev is not before[0]
    assert (torch.func.jacrev, eager_transforms.jacrev, eager_transforms.grad_impl, apis.vmap_impl) == before
    assert slopes(X).shape == (2, 3, 2, 3)
