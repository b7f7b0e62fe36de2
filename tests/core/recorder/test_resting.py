"""Between the steps that ``every`` asks for the recorder rests; the wanted ones are recorded as ever."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import _len_torch_function_stack

from gradwalk.recorder import Recorder

sys.path.insert(0, str(Path(__file__).parent))
from sinks import ListSink

EVERY, STEPS = 7, 30
WANTED = list(range(0, STEPS, EVERY))


def by_hand() -> Iterator[Any]:
    x, w1, w2 = torch.randn(6, 5), torch.randn(5, 4, requires_grad=True), torch.randn(4, 2, requires_grad=True)
    for _ in range(STEPS):
        loss = x.mm(w1).clamp(min=0).mm(w2).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            for weight in (w1, w2):
                weight -= 1e-3 * weight.grad
                weight.grad.zero_()
        yield loss, w1, w2


def trained(
    step: Callable[[nn.Module, torch.Tensor], torch.Tensor] = lambda net, x: net(x).square().mean(),
    between: Callable[[nn.Module], Any] = lambda net: None,
) -> Iterator[Any]:
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = step(net, torch.randn(4, 5))
        loss.backward()
        optimizer.step()
        between(net)
        yield loss, *net.parameters()


def mlp() -> Iterator[Any]:
    yield from trained()


def gradients_of_two_kinds() -> Iterator[Any]:
    """Two backwards a step."""

    def penalized(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
        x = x.requires_grad_()
        (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
        return net(x).square().mean() + slope.square().mean()

    yield from trained(penalized)


def measured_after() -> Iterator[Any]:
    """Something is computed after each update, without a graph."""
    yield from trained(between=lambda net: [parameter.detach().norm().item() for parameter in net.parameters()])


def in_a_module() -> Iterator[Any]:
    """The whole loop stands in a module's forward."""
    states: list[Any] = []

    class Loop(nn.Module):
        def forward(self) -> None:
            states.extend([[one.detach().clone() for one in state] for state in trained()])

    Loop()()
    yield from states


PROGRAMS = [by_hand, mlp, gradients_of_two_kinds, measured_after, in_a_module]


def recorded(program: Callable[[], Iterator[Any]], look: Callable[[Recorder], Any] = lambda recorder: None, **settings: Any):
    torch.manual_seed(0)
    sink = ListSink(**settings)
    recorder = Recorder(sink)
    recorder.start()
    states = []
    for state in program():
        states.append([one.detach().clone() for one in state])
        look(recorder)
    recorder.stop()
    assert not [note for note in sink.notes if note[0] in ("fault", "off")]
    assert _len_torch_function_stack() == 0
    return sink, states


@pytest.mark.parametrize("level", ["structure", "statistics"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_wanted_steps_are_those_of_a_whole_recording(program, level):
    some, states = recorded(program, every=EVERY, level=level)
    whole, plain = recorded(program, level=level)
    assert [trace.step for trace in some.traces] == list(range(0, len(whole.traces), EVERY))
    for trace in some.traces:
        other = whole.traces[trace.step]
        assert (trace.graph.key, trace.loss, trace.label) == (other.graph.key, other.loss, other.label)
        if level == "statistics":
            np.testing.assert_allclose(trace.values[:3], other.values[:3], rtol=1e-5)
            np.testing.assert_allclose(trace.gradients[:3], other.gradients[:3], rtol=1e-5)
    assert all((a == b).all() for ours, theirs in zip(states, plain, strict=True) for a, b in zip(ours, theirs, strict=True))


def resting(recorder: Recorder) -> bool:
    return recorder._state.rest.asleep


def test_most_steps_between_are_not_looked_at():
    seen: list[tuple[bool, int]] = []
    recorded(mlp, lambda recorder: seen.append((resting(recorder), _len_torch_function_stack())), every=EVERY)
    rests = [asleep for asleep, _ in seen]
    assert sum(rests[EVERY:]) >= (EVERY - 3) * (len(WANTED) - 2)
    assert not any(rests[step] for step in WANTED)
    assert all(modes == 0 for asleep, modes in seen[EVERY:] if asleep)  # nor is anything of ours in their way
    assert all(modes == 1 for asleep, modes in seen if not asleep)
    quiet: list[bool] = []
    recorded(mlp, lambda recorder: quiet.append(resting(recorder)), every=2)
    assert not any(quiet)  # the step before a wanted one has to be looked at


def test_it_may_end_or_raise_while_the_recorder_rests():
    for step in range(EVERY + 3, 2 * EVERY):

        def cut_short(last: int = step) -> Iterator[Any]:
            for index, state in enumerate(mlp()):
                yield state
                if index == last:
                    return

        sink, _ = recorded(cut_short, every=EVERY)
        assert [trace.step for trace in sink.traces] == [0, EVERY]

    def raising() -> None:
        for index, _ in enumerate(mlp()):
            if index == EVERY + 4:
                torch.mm(torch.ones(2, 3), torch.ones(2, 3))

    sink = ListSink(every=EVERY)
    recorder = Recorder(sink)
    recorder.start()
    try:
        raising()
    except RuntimeError as error:
        recorder.stop(error)
    assert [trace.step for trace in sink.traces] == [0, EVERY]
    assert _len_torch_function_stack() == 0


def test_only_as_many_steps_as_were_asked_for():
    sink, _ = recorded(mlp, every=EVERY, steps=2 * EVERY)
    assert [trace.step for trace in sink.traces] == [0, EVERY]


def test_backwards_in_other_threads_do_not_count():
    recorders: list[Recorder] = []
    elsewhere = 0

    def while_it_rests(net: nn.Module) -> None:
        nonlocal elsewhere
        if recorders and resting(recorders[-1]):
            w = torch.ones(2, requires_grad=True)
            thread = threading.Thread(target=lambda: (w * 2).sum().backward())
            thread.start()
            thread.join()
            elsewhere += 1

    sink, states = recorded(lambda: trained(between=while_it_rests), recorders.append, every=EVERY)
    assert elsewhere > EVERY
    assert [trace.step for trace in sink.traces] == WANTED
    assert [trace.loss for trace in sink.traces] == [states[step][0].item() for step in WANTED]


def test_a_change_while_the_recorder_rests_is_seen_in_the_next_wanted_step():
    def grows() -> Iterator[Any]:
        w = torch.randn(3, requires_grad=True)
        for step in range(STEPS):
            loss = (w * 2).sum() if step < EVERY + 4 else (w * 2).exp().sum()
            loss.backward()
            with torch.no_grad():
                w -= 1e-3 * w.grad
            w.grad = None
            yield loss, w

    sink, _ = recorded(grows, every=EVERY)
    assert [trace.step for trace in sink.traces] == WANTED
    assert [sum(op.name == "exp" for op in trace.graph.ops) for trace in sink.traces] == [0, 0, 1, 1, 1]
