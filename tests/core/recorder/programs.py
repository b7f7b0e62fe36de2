"""Small training programs. Each returns everything that recording must not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gradwalk import tape
from gradwalk.trace import Trace

State = dict[str, Any]


class MyReLU(torch.autograd.Function):
    """ReLU, written by hand."""

    @staticmethod
    def forward(ctx: Any, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> torch.Tensor:
        (input,) = ctx.saved_tensors  # noqa: A001
        grad_input = grad_output.clone()
        grad_input[input < 0] = 0
        return grad_input


class Net(nn.Module):
    """Two linear layers; the activation is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(12, 16)
        self.relu = nn.ReLU()
        self.drop = nn.Dropout(0.25)
        self.fc2 = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.drop(self.relu(self.fc1(x)))
        return self.fc2(self.relu(h))


def autograd_net(steps: int = 6, on_step: Callable[[], None] = lambda: None) -> State:
    torch.manual_seed(0)
    x, y = torch.randn(8, 20), torch.randn(8, 3)
    w1 = torch.randn(20, 10, requires_grad=True)
    w2 = torch.randn(10, 3, requires_grad=True)
    losses, grads = [], []
    for _ in range(steps):
        y_pred = x.mm(w1).clamp(min=0).mm(w2)
        loss = (y_pred - y).pow(2).sum()
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            grads += [w1.grad.clone(), w2.grad.clone()]
            w1 -= 1e-4 * w1.grad
            w2 -= 1e-4 * w2.grad
            w1.grad.zero_()
            w2.grad.zero_()
        on_step()
    return {"losses": losses, "grads": grads, "parameters": [w1, w2], "rng": torch.get_rng_state()}


def function_net(steps: int = 6) -> State:
    torch.manual_seed(1)
    x, y = torch.randn(8, 20), torch.randn(8, 3)
    w1 = torch.randn(20, 10, requires_grad=True)
    w2 = torch.randn(10, 3, requires_grad=True)
    losses = []
    for _ in range(steps):
        relu = MyReLU.apply
        y_pred = relu(x.mm(w1)).mm(w2)
        loss = (y_pred - y).pow(2).sum()
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            w1 -= 1e-4 * w1.grad
            w2 -= 1e-4 * w2.grad
            w1.grad = None
            w2.grad = None
    return {"losses": losses, "parameters": [w1, w2], "rng": torch.get_rng_state()}


def mlp(optimizer_class: type[torch.optim.Optimizer], steps: int = 6, **settings: Any) -> State:
    torch.manual_seed(2)
    net = Net()
    optimizer = optimizer_class(net.parameters(), **settings)
    criterion = nn.CrossEntropyLoss()
    losses = []
    for _ in range(steps):
        batch, target = torch.randn(8, 12), torch.randint(0, 4, (8,))
        optimizer.zero_grad()
        logits = net(batch)
        loss = criterion(logits, target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {
        "losses": losses,
        "parameters": list(net.parameters()),
        "grads": [p.grad for p in net.parameters()],
        "optimizer": [value for state in optimizer.state.values() for value in state.values()],
        "rng": torch.get_rng_state(),
    }


def assert_same_bits(first: Any, second: Any) -> None:
    """Equal to the last bit, NaN included."""
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype
        assert first.shape == second.shape
        assert first.detach().numpy().tobytes() == second.detach().numpy().tobytes()
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same_bits(first[key], second[key])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same_bits(one, other)
    else:
        assert first == second


def step_by_hand(*leaves: torch.Tensor) -> None:
    """An update without an optimizer; the gradients are dropped."""
    with torch.no_grad():
        for w in leaves:
            w -= 0.1 * w.grad
            w.grad = None


def events(trace: Trace) -> list[str]:
    """The names on the tape."""
    return [tape.name_of(trace.graph, tape.event_at(trace, i)) for i in range(len(trace.tape))]
