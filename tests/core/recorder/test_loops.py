"""Whole training loops: how many steps they are, and what each holds."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gradwalk.trace import NONE

sys.path.insert(0, str(Path(__file__).parent))
from programs import assert_same_bits, events, step_by_hand

STEPS = 3
State = list[torch.Tensor]


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
