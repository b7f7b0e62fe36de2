"""Steps that are known are followed: what is recorded is the same as the slow way, and anything unexpected goes back to it."""

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

from gradwalk.recorder import Recorder
from gradwalk.recorder.follower import Follower
from gradwalk.recorder.lead import Lead
from gradwalk.recorder.quick import QuickFollower
from gradwalk.recorder.state import State
from gradwalk.recording.retention import Keep
from gradwalk.trace import Trace

sys.path.insert(0, str(Path(__file__).parent))
from programs import assert_same_bits
from sinks import ListSink

STEPS = 10


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln, self.qkv, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.ln(x)).split(8, dim=-1)
        weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)
        return x + self.out((weights @ v).contiguous().view(x.shape))


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * 2


def by_hand() -> Iterator[Any]:
    x, y = torch.randn(6, 5), torch.randn(6, 2)
    w1, w2 = torch.randn(5, 4, requires_grad=True), torch.randn(4, 2, requires_grad=True)
    for _ in range(STEPS):
        loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            for weight in (w1, w2):
                weight -= 1e-3 * weight.grad
                weight.grad.zero_()
        yield [w1, w2]


def trained(
    net: nn.Module, make: Callable[..., torch.optim.Optimizer], shape: tuple[int, ...], *, clip: bool = False, every: int = 1
) -> Iterator[Any]:
    optimizer = make(net.parameters())
    for step in range(STEPS * every):
        loss = net(torch.randn(shape)).square().mean()
        loss.backward()
        if (step + 1) % every == 0:
            if clip:
                nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()
        yield list(net.parameters())


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1e-2)


def mlp() -> Iterator[Any]:
    yield from trained(nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2)), sgd, (4, 5))


def attention() -> Iterator[Any]:
    yield from trained(nn.Sequential(Attention(), Attention()), adam, (2, 3, 8))


def clipped() -> Iterator[Any]:
    yield from trained(nn.Linear(5, 2), sgd, (4, 5), clip=True)


def convolution() -> Iterator[Any]:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2)
    )
    yield from trained(net, sgd, (3, 1, 4, 4))


def accumulated() -> Iterator[Any]:
    yield from trained(nn.Linear(5, 2), sgd, (4, 5), every=3)


def custom_function() -> Iterator[Any]:
    w = torch.randn(3, requires_grad=True)
    for _ in range(STEPS):
        Doubled.apply(w * 1.5).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
        yield [w]


def hooked() -> Iterator[Any]:
    w = torch.randn(3, 3, requires_grad=True)
    for _ in range(STEPS):
        h = w.t()
        h.register_hook(lambda gradient: gradient.t().t().mul_(1) if gradient is None else torch.flip(gradient, (0,)))
        (h.view(3, 3) * 2).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
        yield [w]


def two_nets() -> Iterator[Any]:
    one, other = nn.Linear(3, 3), nn.Linear(3, 1)
    optimizers = sgd(one.parameters()), sgd(other.parameters())
    for _ in range(STEPS):
        for optimizer, loss in (
            (optimizers[1], lambda: other(one(torch.randn(2, 3)).detach()).square().mean()),
            (optimizers[0], lambda: -other(one(torch.randn(2, 3))).mean()),
        ):
            loss().backward()
            optimizer.step()
            for each in optimizers:
                each.zero_grad()
        yield [*one.parameters(), *other.parameters()]


FOLLOWED = [by_hand, mlp, attention, clipped, convolution, accumulated, two_nets]
SLOW = [custom_function, hooked]
"""What runs inside their backwards only the slow way tells."""


def recorded(program: Callable[[], Iterator[Any]], **settings: Any) -> tuple[ListSink, list[Any]]:
    torch.manual_seed(0)
    sink = ListSink(**{"keep": Keep.SMALL, **settings})
    recorder = Recorder(sink)  # type: ignore[arg-type]
    recorder.start()
    states = [[one.detach().clone() for one in state] for state in program()]
    recorder.stop()
    assert not [note for note in sink.notes if note[0] in ("fault", "off")]
    return sink, states


@pytest.fixture
def followed(monkeypatch) -> list[int]:
    """The numbers of the steps that were followed."""
    steps: list[int] = []
    original = State.close_followed

    def close(self: State, running: Any) -> None:
        steps.append(self.step_number)
        original(self, running)

    monkeypatch.setattr(State, "close_followed", close)
    return steps


@pytest.fixture
def slowly(monkeypatch) -> Callable[..., list[Trace]]:
    """Records a program the slow way."""

    def record(program: Callable[[], Iterator[Any]], **settings: Any) -> list[Trace]:
        with monkeypatch.context() as patch:
            patch.setattr(Lead, "_learn", lambda *arguments: None)
            return recorded(program, **settings)[0].traces

    return record


def assert_same(one: Trace, other: Trace) -> None:
    assert one.graph.key == other.graph.key
    assert (one.step, one.label, one.shapes) == (other.step, other.label, other.shapes)
    assert one.loss == other.loss or one.loss == pytest.approx(other.loss, rel=1e-5)
    assert len(one.times) == len(other.times) == len(one.durations)
    assert (np.diff(one.times) > -1e-3).all()
    for ours, theirs in ((one.values, other.values), (one.gradients, other.gradients)):
        rms = np.sqrt(np.nan_to_num(theirs[4]))
        np.testing.assert_array_equal(ours[[0, 5, 6, 7]], theirs[[0, 5, 6, 7]])
        for row in (1, 2, 4):
            np.testing.assert_allclose(ours[row], theirs[row], rtol=1e-4, atol=1e-12)
        np.testing.assert_array_less(np.nan_to_num(np.abs(ours[3] - theirs[3])), 1e-4 * rms + 1e-9)


@pytest.mark.parametrize("level", ["structure", "statistics"])
@pytest.mark.parametrize("program", FOLLOWED)
def test_a_step_that_is_followed_is_recorded_as_the_slow_way(program, level, followed, slowly):
    sink, _ = recorded(program, level=level)
    assert len(followed) >= 3
    slow = slowly(program, level=level)
    assert len(sink.traces) == len(slow)
    for one, other in zip(sink.traces, slow, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("program", [*FOLLOWED, *SLOW])
def test_following_changes_no_bit(program):
    torch.manual_seed(0)
    plain = [[one.detach().clone() for one in state] for state in program()]
    assert_same_bits([one for state in recorded(program)[1] for one in state], [one for state in plain for one in state])


@pytest.mark.parametrize("program", SLOW)
def test_what_runs_inside_a_backward_is_not_followed(program, followed, slowly):
    sink, _ = recorded(program)
    assert not followed
    for one, other in zip(sink.traces, slowly(program), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("program", [by_hand, attention])
def test_a_step_may_be_left_at_any_of_its_items(program, monkeypatch, slowly):
    slow = slowly(program)
    place, left = [0], [0]

    def leaving(original: Callable[..., Any]) -> Callable[..., Any]:
        def go_on(self: Follower, *arguments: Any) -> Any:
            result = original(self, *arguments)
            if self.item is not None and self.item.position == place[0] and self.running.serial == 3:  # type: ignore[union-attr]
                left[0] += 1
                self.leave()
            return result

        return go_on

    for name in ("advance", "gets", "reads", "drops", "calls"):
        monkeypatch.setattr(QuickFollower, name, leaving(getattr(QuickFollower, name)))
    count = 0
    while left[0] == count:
        sink, _ = recorded(program)
        count += 1
        for one, other in zip(sink.traces, slow, strict=True):
            assert_same(one, other)
        place[0] += 5
    assert count > 2


def changing(change: Callable[[int, nn.Module], Any]) -> Callable[[], Iterator[Any]]:
    def program() -> Iterator[Any]:
        net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
        optimizer = sgd(net.parameters())
        for step in range(2 * STEPS):
            optimizer.zero_grad()
            change(step, net)
            net(torch.randn(6 if change is more_rows and step % 3 == 0 else 2, 4)).mean().backward()
            optimizer.step()
            yield list(net.parameters())

    return program


def more_rows(step: int, net: nn.Module) -> None:
    """Another size is the same structure."""


def another_op(step: int, net: nn.Module) -> None:
    if step == 7:
        torch.ones(2).mul(3)


def frozen(step: int, net: nn.Module) -> None:
    if step in (7, 8):
        net[0].weight.requires_grad_(step == 8)


def evaluated(step: int, net: nn.Module) -> None:
    if step == 7:
        with torch.no_grad():
            net(torch.ones(1, 4))


def caught(step: int, net: nn.Module) -> None:
    if step == 7:
        with pytest.raises(RuntimeError):
            net(torch.ones(3))


def in_a_thread(step: int, net: nn.Module) -> None:
    if step == 7:
        worker = threading.Thread(target=lambda: torch.ones(3).add(1))
        worker.start()
        worker.join()


def a_hook(step: int, net: nn.Module) -> None:
    if step == 7:
        net[0].weight.register_hook(lambda gradient: gradient * 2)


CHANGES = [more_rows, another_op, frozen, evaluated, caught, in_a_thread, a_hook]


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_on_the_way_is_recorded_as_the_slow_way(change, followed, slowly):
    program = changing(change)
    sink, states = recorded(program)
    assert len(followed) >= (2 if change is a_hook else 3), "a step with another hook is another structure"
    slow = slowly(program)
    assert [(trace.step, trace.label) for trace in sink.traces] == [(trace.step, trace.label) for trace in slow]
    for one, other in zip(sink.traces, slow, strict=True):
        assert_same(one, other)
    torch.manual_seed(0)
    plain = [[one.detach().clone() for one in state] for state in program()]
    assert_same_bits([one for state in states for one in state], [one for state in plain for one in state])


def test_the_tensors_of_the_last_steps_are_those_of_the_moment(followed):
    sink, _ = recorded(by_hand)
    trace = sink.traces[followed[-1]]
    assert trace.tensors
    for (kind, number), kept in trace.tensors.items():
        column = (trace.values if kind == "value" else trace.gradients)[:, number]
        assert kept.data.size == column[0]
        assert kept.data.min() == pytest.approx(column[1], rel=1e-6)
        assert kept.data.max() == pytest.approx(column[2], rel=1e-6)
