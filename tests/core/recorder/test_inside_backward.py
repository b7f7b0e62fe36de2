"""Pictures of what runs inside a backward: recomputed forwards, custom backwards, hooks, updates, backwards of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from gradwalk import tape
from gradwalk.trace import NONE, Trace

sys.path.insert(0, str(Path(__file__).parent))
from programs import MyReLU, assert_same_bits

Program = Callable[[], dict[str, Any]]
SHORT = {"recomputed": "recomputed", "in backward": "inside"}


def block() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Dropout(0.5), nn.Linear(3, 3))


def loop(net: nn.Module, forward: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, Any]:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(2):
        loss = forward(torch.randn(2, 3, requires_grad=True)).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        optimizer.zero_grad()
    return {"losses": losses, "parameters": list(net.parameters()), "rng": torch.get_rng_state()}


def reentrant() -> dict[str, Any]:
    net = block()
    return loop(net, lambda x: checkpoint(net, x, use_reentrant=True))


def not_reentrant() -> dict[str, Any]:
    net = block()
    return loop(net, lambda x: checkpoint(net, x, use_reentrant=False) * 2)


def nested_checkpoints() -> dict[str, Any]:
    net = block()

    def outer(x: torch.Tensor) -> torch.Tensor:
        return checkpoint(net[0], x, use_reentrant=False).tanh().exp()

    return loop(net, lambda x: checkpoint(outer, x, use_reentrant=False) * 2)


def a_function_in_a_checkpoint() -> dict[str, Any]:
    net = block()
    return loop(net, lambda x: checkpoint(lambda h: MyReLU.apply(net[0](h)).exp(), x, use_reentrant=False) * 2)


def sequential() -> dict[str, Any]:
    net = block()
    return loop(net, lambda x: checkpoint_sequential(net, 2, x, use_reentrant=False) * 2)


class Squares(torch.autograd.Function):
    """Its backward computes with torch."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return gradient * 2 * x


def a_custom_backward() -> dict[str, Any]:
    net = block()[:1]
    return loop(net, lambda x: Squares.apply(net(x)))


class ByAutograd(torch.autograd.Function):
    """Its backward runs a forward and a backward of its own."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = x.sin()
        return torch.autograd.grad(y, x, gradient)


def a_backward_inside() -> dict[str, Any]:
    net = block()[:1]
    return loop(net, lambda x: ByAutograd.apply(net(x)))


def a_hook() -> dict[str, Any]:
    net = block()[:1]

    def forward(x: torch.Tensor) -> torch.Tensor:
        h = net(x)
        h.register_hook(lambda gradient: gradient * 3)
        return h.tanh()

    return loop(net, forward)


def an_optimizer_in_the_backward() -> dict[str, Any]:
    net = block()[:1]
    optimizers = {p: torch.optim.SGD([p], lr=0.1, momentum=0.9) for p in net.parameters()}

    def step(parameter: torch.Tensor) -> None:
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in net.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    losses = []
    for _ in range(2):
        loss = net(torch.randn(2, 3)).pow(2).sum()
        loss.backward()
        losses.append(loss.item())
    return {"losses": losses, "parameters": list(net.parameters())}


def a_double_backward() -> dict[str, Any]:
    net = block()[:1]

    def forward(x: torch.Tensor) -> torch.Tensor:
        (slope,) = torch.autograd.grad(Squares.apply(net(x)).sum(), x, create_graph=True)
        return slope.pow(2)

    return loop(net, forward)


def picture(trace: Trace) -> str:
    """The tape from the loss on, in words: ops with their tag, Nodes as runs of dots, further losses with their backward."""
    words: list[str] = []
    for position in range(len(trace.tape)):
        event = tape.event_at(trace, position)
        name = tape.name_of(trace.graph, event)
        if event.kind == "loss":
            words.append(f"loss{event.backward}")
        elif event.kind in ("node", "accumulate"):
            word = name.removesuffix("0").removesuffix("Backward") if "Function" in name or "Squares" in name else "."
            if word != "." or not words[-1].startswith("."):
                words.append(word)
        elif words and any(word.startswith("loss") for word in words):
            tags = trace.graph.ops[event.ref].tags
            words.append(f"{name}!{SHORT[tags[0]]}" if tags else name)
    return " ".join(words)


UPDATE = "SGD.step SGD.step"
PICTURES: dict[Program, str] = {
    reentrant: "loss0 . linear!recomputed tanh!recomputed dropout!recomputed linear!recomputed loss1 . CheckpointFunction . ",
    not_reentrant: "loss0 . linear!recomputed tanh!recomputed dropout!recomputed . ",
    nested_checkpoints: "loss0 . linear!recomputed tanh!recomputed . ",
    a_function_in_a_checkpoint: "loss0 . linear!recomputed clamp!recomputed MyReLU!recomputed . "
    "clone!inside lt!inside setitem!inside . ",
    sequential: "loss0 . linear!recomputed . ",
    a_custom_backward: "loss0 . mul!inside mul!inside Squares . ",
    a_backward_inside: "loss0 . detach!inside sin!inside loss1 . ",
    a_hook: "loss0 . mul!inside . ",
    an_optimizer_in_the_backward: "loss0 . SGD.step!inside zero_grad!inside . SGD.step!inside zero_grad!inside .",
    a_double_backward: "loss0 . mul!inside mul!inside Squares . pow sum loss1 . ",
}


@pytest.mark.parametrize("program", PICTURES, ids=lambda program: program.__name__)
def test_what_ran_inside_stands_where_it_ran_and_starts_no_step(record, program):
    plain = program()
    with record() as sink:
        recorded = program()
    assert_same_bits(recorded, plain)
    assert [trace.label for trace in sink.traces] == ["", ""]
    for trace in sink.traces:
        assert picture(trace).startswith(PICTURES[program].rstrip()), picture(trace)
        graph = trace.graph
        for op in graph.ops:
            assert (op.phase == "backward") <= bool({"recomputed", "in backward"} & set(op.tags)), op
            assert bool({"recomputed", "in backward"} & set(op.tags)) <= (op.phase in ("backward", "update")), op
        ran = [event.ref for event in graph.events if event.kind == "node"]
        assert all(graph.nodes[node].op != NONE for node in ran) or program is a_double_backward  # the engine made some
    assert len({trace.graph.key for trace in sink.traces}) == 1 or program is a_double_backward


def test_a_recomputed_op_has_its_module_and_its_nodes(record):
    with record() as sink:
        reentrant()
    trace = sink.traces[1]
    graph = trace.graph
    again = [op for op in graph.ops if "recomputed" in op.tags]
    assert [graph.modules[op.module].path for op in again] == [f"Sequential.{i}" for i in range(4)]
    inside = [graph.nodes[event.ref] for event in graph.events if event.kind == "node" and event.backward == 1]
    assert {node.op for node in inside} == {op.id for op in again}
    assert {node.name for node in inside} == {"AddmmBackward0", "TBackward0", "MulBackward0", "TanhBackward0"}
    (outer,) = [node for node in graph.nodes if node.name == "CheckpointFunctionBackward"]
    order = [(event.kind, event.ref) for event in graph.events]
    assert order.index(("node", inside[-1].id)) < order.index(("node", outer.id))
    assert graph.ops[outer.op].custom


def test_a_leaf_that_two_checkpoints_share_gets_its_gradient_once_in_each_backward(record):
    net = block()[:1]

    def forward(x: torch.Tensor) -> torch.Tensor:
        return checkpoint(net, checkpoint(net, x, use_reentrant=True), use_reentrant=True) + net(x)

    with record() as sink:
        loop(net, forward)
    graph = sink.traces[1].graph
    weight = next(value.id for value in graph.values if value.name.endswith("weight"))
    (node,) = [node.id for node in graph.nodes if node.leaf == weight]
    assert [event.backward for event in graph.events if (event.kind, event.ref) == ("accumulate", node)] == [0, 1, 2]
    ran = [(event.ref, event.backward) for event in graph.events if event.phase == "backward" and event.kind != "op"]
    assert len(set(ran)) == len(ran)


def test_the_gradient_that_a_hook_drops_is_measured(record):
    with record() as sink:
        an_optimizer_in_the_backward()
    for trace in sink.traces:
        arrived = [edge.id for edge in trace.graph.edges if edge.target == NONE]
        assert len(arrived) == 2
        assert all(trace.gradients[0, edge] > 0 for edge in arrived)


def test_an_exception_inside_ends_the_step_at_the_node_that_ran_it(record):
    class Raises(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            return (gradient * 2).mm(gradient)

    w = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError), record() as sink:
        Raises.apply(w * 2).sum().backward()
    (failed,) = sink.failures
    event = tape.event_at(failed, failed.error.event)
    assert failed.graph.nodes[event.ref].name == "RaisesBackward"
    assert [op.name for op in failed.graph.ops if "in backward" in op.tags] == ["mul"]


def test_backwards_called_as_a_function_are_seen_in_the_same_way(record):
    w = torch.ones(3, requires_grad=True)
    with record() as sink:
        for _ in range(2):
            torch.autograd.backward([Squares.apply(w).sum()])
            w.grad = None
    assert [picture(trace) for trace in sink.traces] == ["loss0 . mul!inside mul!inside Squares . zero_grad"] * 2
