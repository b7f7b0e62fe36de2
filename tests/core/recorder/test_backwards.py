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
from torch import nn
from torch.autograd.function import once_differentiable
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gradwalk import tape
from gradwalk.trace import NONE, Trace

sys.path.insert(0, str(Path(__file__).parent))
from programs import assert_same_bits

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


def step_by_hand(*leaves: torch.Tensor) -> None:
    with torch.no_grad():
        for w in leaves:
            w -= 0.1 * w.grad
            w.grad = None


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


def events(trace: Trace) -> list[str]:
    return [tape.name_of(trace.graph, tape.event_at(trace, i)) for i in range(len(trace.tape))]


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


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def gan_of_one_step() -> State:
    """The critic's loss and the generator's come from one forward of the generator."""
    generator, critic = net(), net()
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (generator, critic)]
    critic_in = nn.Linear(1, 3)
    for _ in range(STEPS):
        fake = critic_in(generator(torch.ones(2, 3)))
        optimizers[1].zero_grad()
        critic(fake.detach()).mean().backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        critic(fake).mean().backward()
        optimizers[0].step()
    return [*generator.parameters(), *critic.parameters()]


def gan_of_two_steps() -> State:
    """Each loss has a forward of the generator of its own."""
    generator, critic = net(), nn.Linear(1, 1)
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (generator, critic)]
    for _ in range(STEPS):
        optimizers[1].zero_grad()
        critic(generator(torch.ones(2, 3)).detach()).mean().backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        critic(generator(torch.ones(2, 3))).mean().backward()
        optimizers[0].step()
    return [*generator.parameters(), *critic.parameters()]


def optimizer_in_the_backward() -> State:
    """Each parameter is updated, and its gradient dropped, as soon as it is accumulated."""
    model = nn.Linear(3, 1)
    nn.init.ones_(model.weight)
    nn.init.zeros_(model.bias)
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters()}

    def step(parameter: torch.Tensor) -> None:
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    for _ in range(STEPS):
        model(torch.ones(2, 3)).sum().backward()
    return list(model.parameters())


def module_hooks() -> State:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen: list[torch.Tensor] = []
    model[0].register_forward_hook(lambda module, args, result: result * 2)
    model[2].register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_output[0].clone()))
    for _ in range(STEPS):
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return [*model.parameters(), *seen]


def scheduler_and_average() -> State:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()
        scheduler.step()
        average.update_parameters(model)
    return [*model.parameters(), *average.parameters()]


def workers() -> State:
    """Batches from a data loader's worker process."""
    model = nn.Linear(3, 1)
    nn.init.ones_(model.weight)
    nn.init.zeros_(model.bias)
    data = torch.utils.data.TensorDataset(torch.arange(18.0).view(6, 3))
    for (batch,) in torch.utils.data.DataLoader(data, batch_size=2, num_workers=1):
        model(batch).sum().backward()
        step_by_hand(*model.parameters())
    return list(model.parameters())


def two_nets_in_two_threads() -> State:
    models = [nn.Linear(3, 1), nn.Linear(3, 1)]
    for model in models:
        nn.init.ones_(model.weight)
        nn.init.zeros_(model.bias)

    def train(model: nn.Module) -> None:
        for _ in range(STEPS):
            model(torch.ones(2, 3)).sum().backward()
            step_by_hand(*model.parameters())

    for model in models:
        worker = threading.Thread(target=train, args=(model,))
        worker.start()
        worker.join()
    return [parameter for model in models for parameter in model.parameters()]


@dataclass(frozen=True)
class Loop:
    """A whole loop: how many steps it is, their labels, and per step how often each of some events is there."""

    program: Callable[[], State]
    steps: int
    counts: tuple[dict[str, int], ...]
    """What a step holds, by the step's number modulo their number, from the second loop on."""
    labels: frozenset[str] = frozenset(("",))


LOOPS = [
    Loop(gan_of_one_step, STEPS, ({"loss": 2, "detach": 1, "SGD.step": 8, "TanhBackward0": 3},)),
    Loop(
        gan_of_two_steps,
        2 * STEPS,
        ({"loss": 1, "detach": 1, "SGD.step": 2, "TanhBackward0": 0}, {"loss": 1, "SGD.step": 4, "TanhBackward0": 1}),
    ),
    Loop(optimizer_in_the_backward, STEPS, ({"loss": 1, "SGD.step": 2, "AccumulateGrad": 2},)),
    Loop(module_hooks, STEPS, ({"loss": 1, "mul": 1, "SGD.step": 4, "MulBackward0": 1, "zero_grad": 4},)),
    Loop(scheduler_and_average, STEPS, ({"loss": 1, "AdamW.step": 4, "linear": 2},)),
    Loop(workers, STEPS, ({"loss": 1, "linear": 1, "sub_": 2},)),
    Loop(two_nets_in_two_threads, 2 * STEPS, ({"loss": 1, "linear": 1, "sub_": 2},)),
]


@pytest.mark.parametrize("loop", LOOPS, ids=[loop.program.__name__ for loop in LOOPS])
def test_the_steps_of_a_loop(record, loop):
    plain = loop.program()
    with record() as sink:
        recorded = loop.program()
    assert_same_bits(recorded, plain)
    assert len(sink.traces) == loop.steps
    assert {trace.label for trace in sink.traces} == loop.labels
    for number, trace in enumerate(sink.traces):
        there = events(trace)
        wanted = loop.counts[number % len(loop.counts)]
        assert {name: there.count(name) for name in wanted} == wanted
        accumulated = [edge for edge in trace.graph.edges if edge.target == NONE]
        assert all(trace.gradients[0, edge.id] >= 0 for edge in accumulated)
        assert not any(edge.none for edge in accumulated)


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
