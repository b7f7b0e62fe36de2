"""A small net and its training, for tests of what is found in a recording of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class MLP(nn.Module):
    def __init__(self, *, width: int = 16) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, width), nn.Linear(width, 1)

    def hidden(self, x: torch.Tensor, step: int) -> torch.Tensor:
        return self.fc1(x).relu()

    def forward(self, x: torch.Tensor, step: int) -> torch.Tensor:
        return self.fc2(self.hidden(x, step))


def train(
    net: nn.Module, steps: int, *, lr: float = 0.05, parameters: Any = None, target: Callable[[int], float] = lambda _: 1.0
):
    optimizer = torch.optim.SGD(net.parameters() if parameters is None else parameters, lr=lr)
    x = torch.randn(32, 8)
    for step in range(steps):
        optimizer.zero_grad()
        loss = (net(x, step) - target(step)).pow(2).mean()
        loss.backward()
        optimizer.step()
