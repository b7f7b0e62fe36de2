"""What a step is, and what its tape holds, for every way to run a backward: one program and its defined picture per row."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.autograd.function import once_differentiable

from gradwalk import tape
from gradwalk.trace import NONE, Trace

sys.path.insert(0, str(Path(__file__).parent))
from programs import assert_same_bits, events, step_by_hand

STEPS = 3
State = list[torch.Tensor]


class Halves(torch.autograd.Function):
    """Two differentiable outputs."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * 0.5, x * 0.25

    @staticmethod
    def backward(ctx: Any, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first * 0.5 + second * 0.25


class Once(torch.autograd.Function):
    """Its backward cannot be differentiated."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return 2 * x * grad


def leaf() -> torch.Tensor:
    return torch.linspace(-1, 1, 6).view(3, 2).requires_grad_()


def two_losses(w: torch.Tensor) -> None:
    h = torch.ones(2, 3).mm(w)
    first, second = h.sum(), h.square().mean()
    torch.autograd.backward([first, second])
    step_by_hand(w)


def a_gradient_given(w: torch.Tensor) -> None:
    y = torch.ones(2, 3).mm(w)
    y.backward(torch.full((2, 2), 0.5))
    step_by_hand(w)


def retained(w: torch.Tensor) -> None:
    loss = torch.ones(2, 3).mm(w).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    step_by_hand(w)


def only_autograd_grad(w: torch.Tensor) -> None:
    loss = torch.ones(2, 3).mm(w).sum()
    (g,) = torch.autograd.grad(loss, [w])
    with torch.no_grad():
        w -= 0.1 * g


def gradient_penalty(w: torch.Tensor) -> None:
    x = torch.ones(2, 3, requires_grad=True)
    y = x.mm(w).square().sum()
    (slope,) = torch.autograd.grad(y, x, create_graph=True)
    penalty = (slope.norm() - 1) ** 2
    (y + penalty).backward()
    step_by_hand(w)


def tensor_hook(w: torch.Tensor) -> None:
    h = torch.ones(2, 3).mm(w)
    h.register_hook(lambda gradient: gradient * 2)
    h.sum().backward()
    step_by_hand(w)


def custom_outputs(w: torch.Tensor) -> None:
    first, second = Halves.apply(torch.ones(2, 3).mm(w))
    (first.sum() + second.sum()).backward()
    step_by_hand(w)


def custom_once(w: torch.Tensor) -> None:
    Once.apply(w * 1).sum().backward()
    step_by_hand(w)


def in_a_thread(w: torch.Tensor) -> None:
    loss = torch.ones(2, 3).mm(w).sum()
    worker = threading.Thread(target=loss.backward)
    worker.start()
    worker.join()
    step_by_hand(w)


def whole_step_in_a_thread(w: torch.Tensor) -> None:
    worker = threading.Thread(target=retained, args=(w,))
    worker.start()
    worker.join()


def ema_by_hand(w: torch.Tensor, ema: torch.Tensor) -> None:
    torch.ones(2, 3).mm(w).sum().backward()
    step_by_hand(w)
    with torch.no_grad():
        ema.mul_(0.9).add_(w, alpha=0.1)


def metrics_after(w: torch.Tensor) -> None:
    y = torch.ones(2, 3).mm(w)
    y.sum().backward()
    step_by_hand(w)
    right = (y.detach() > 0).float().mean()
    assert right.item() >= 0


@dataclass(frozen=True)
class Row:
    """A program of one leaf, and the events of its second step; ``steps`` is how many there are per pass of the loop."""

    program: Callable[..., None]
    events: str
    steps: int = 1
    labels: frozenset[str] = frozenset(("",))
    backwards: int = 1
    seeds: int = 1
    unasked: int = 0
    """Edges whose gradient nobody asked for."""
    extra: Callable[[], tuple[torch.Tensor, ...]] = tuple


SUMS = "SumBackward0 SumBackward0"
BY_HAND = "mul sub_ zero_grad"
MM = "MmBackward0 AccumulateGrad"
ROWS = [
    Row(
        two_losses,
        f"ones mm sum square mean loss MeanBackward0 PowBackward0 SumBackward0 {MM} {BY_HAND}",
        seeds=2,
    ),
    Row(a_gradient_given, f"ones mm full loss {MM} {BY_HAND}"),
    Row(retained, f"ones mm sum loss SumBackward0 {MM} loss SumBackward0 {MM} {BY_HAND}", backwards=2, seeds=2),
    Row(only_autograd_grad, "ones mm sum loss SumBackward0 MmBackward0 mul sub_", unasked=1),
    Row(
        gradient_penalty,
        "ones mm square sum loss SumBackward0 PowBackward0 MmBackward0 norm sub pow add loss "
        "AddBackward0 PowBackward0 SubBackward0 LinalgVectorNormBackward0 MmBackward0 TBackward0 MulBackward0 MulBackward1 "
        f"PowBackward0 SumBackward0 PowBackward0 MmBackward0 AccumulateGrad AccumulateGrad {BY_HAND}",
        backwards=2,
        seeds=2,
        unasked=3,
    ),
    Row(tensor_hook, f"ones mm sum loss SumBackward0 mul {MM} {BY_HAND}"),
    Row(
        custom_outputs,
        f"ones mm mul mul Halves sum sum add loss AddBackward0 {SUMS} mul mul add HalvesBackward {MM} {BY_HAND}",
    ),
    Row(custom_once, f"mul square Once sum loss SumBackward0 mul mul OnceBackward MulBackward0 AccumulateGrad {BY_HAND}"),
    Row(in_a_thread, f"ones mm sum loss SumBackward0 {MM} {BY_HAND}"),
    Row(whole_step_in_a_thread, f"ones mm sum loss SumBackward0 {MM} loss SumBackward0 {MM} {BY_HAND}", backwards=2, seeds=2),
    Row(ema_by_hand, f"ones mm sum loss SumBackward0 {MM} {BY_HAND} mul_ add_", extra=lambda: (torch.zeros(3, 2),)),
    Row(metrics_after, f"ones mm sum loss SumBackward0 {MM} {BY_HAND} detach gt float mean"),
]


def loop(row: Row) -> State:
    w, extra = leaf(), row.extra()
    for _ in range(STEPS):
        row.program(w, *extra)
    return [w, *extra]


@pytest.mark.parametrize("row", ROWS, ids=[row.program.__name__ for row in ROWS])
def test_the_picture_of_a_backward(record, row):
    plain = loop(row)
    with record() as sink:
        recorded = loop(row)
    assert_same_bits(recorded, plain)
    assert len(sink.traces) == STEPS * row.steps
    assert {trace.label for trace in sink.traces} == row.labels
    trace = sink.traces[1]
    assert events(trace) == row.events.split()
    graph = trace.graph
    assert {edge.backward for edge in graph.edges} == set(range(row.backwards))
    assert sum(edge.source == NONE for edge in graph.edges) == row.seeds
    assert int((trace.gradients[0] < 0).sum()) == row.unasked, "every edge of a backward that ran has a gradient"
    assert sink.traces[1].graph is sink.traces[2].graph


def test_a_view_may_be_a_leaf(record):
    w = leaf()  # made before the recording begins
    with record() as sink:
        for _ in range(STEPS):
            retained(w)
    assert [trace.label for trace in sink.traces] == [""] * STEPS
    assert {value.role for trace in sink.traces for value in trace.graph.values if value.name == "w"} == {"leaf", "result"}


def gradients_of(trace: Trace) -> dict[str, list[list[float]]]:
    """Per Node that takes it, or ``.grad``, the gradients as flat lists."""
    found: dict[str, list[list[float]]] = {}
    for edge in trace.graph.edges:
        if not edge.none:
            found.setdefault(tape.target_of(trace.graph, edge), []).append(
                trace.tensors["gradient", edge.id].data.ravel().tolist()
            )
    return found


def hook_on_a_result(w: torch.Tensor) -> None:
    h = w * 1
    h.register_hook(lambda gradient: gradient * 3)
    h.sum().backward()


def hook_on_a_leaf(w: torch.Tensor) -> None:
    w.register_hook(lambda gradient: gradient * 3)
    (w * 1).sum().backward()


def second_output_only(w: torch.Tensor) -> None:
    Halves.apply(w * 1)[1].sum().backward()


GRADIENTS: list[tuple[Callable[[torch.Tensor], None], dict[str, float]]] = [
    # What a Node gave stands on its edge; a hook of the user's changes what the next one takes.
    (hook_on_a_result, {"SumBackward0": 1, "MulBackward0": 1, "AccumulateGrad w": 3, "w.grad": 3}),
    (hook_on_a_leaf, {"SumBackward0": 1, "MulBackward0": 1, "AccumulateGrad w": 1, "w.grad": 3}),
    (
        second_output_only,
        {"SumBackward0": 1, "HalvesBackward": 1, "MulBackward0": 0.25, "AccumulateGrad w": 0.25, "w.grad": 0.25},
    ),
]


@pytest.mark.parametrize(("program", "expected"), GRADIENTS, ids=[program.__name__ for program, _ in GRADIENTS])
def test_which_gradient_stands_on_which_edge(record, program, expected):
    w = torch.ones(2, requires_grad=True)
    with record() as sink:
        program(w)
    assert w.grad.tolist() == [expected["w.grad"]] * 2
    found = gradients_of(sink.traces[0])
    assert {name: sorted({number for one in gradients for number in one}) for name, gradients in found.items()} == {
        name: [number] for name, number in expected.items()
    }


@pytest.mark.parametrize("level", ["structure", "statistics"])
@pytest.mark.parametrize("summed", [False, True])
def test_the_loss_is_not_what_a_gradient_penalty_starts_from(record, summed, level):
    torch.manual_seed(0)
    net, losses = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)), []
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with record(level=level) as sink:
        for _ in range(8):
            x = torch.randn(5, 3, requires_grad=True)
            out = net(x)
            of = out.sum() if summed else out
            (slope,) = torch.autograd.grad(of, x, torch.ones_like(of), create_graph=True)
            loss = out.mean() + (slope.norm(dim=1) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert [trace.loss for trace in sink.traces] == pytest.approx(losses, rel=1e-6)
