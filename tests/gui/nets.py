"""Real trainings to look at: each gives a recording of a few steps of a small net made of modules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

import gradwalk
from gradwalk.recording.reader import Recording, open_recording


class Block(nn.Module):
    """A layer of a transformer, with views and reshapes as people write them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, words, width = x.shape
        q, k, v = (part.view(batch, words, 2, -1).transpose(1, 2) for part in self.qkv(self.norm(x)).split(width, dim=2))
        heads = torch.softmax(q @ k.transpose(-2, -1), -1) @ v
        return x + self.out(heads.transpose(1, 2).reshape(batch, words, width))


class Transformer(nn.Module):
    def __init__(self, layers: int, width: int = 8) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, width), nn.Linear(width, 1)
        self.layer = nn.ModuleList(Block(width) for _ in range(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for layer in self.layer:
            x = layer(x)
        return self.last(x)


class Normed(nn.Module):
    """Convolutions and batch norms with their running statistics, as in a ResNet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer1(self.bn1(self.conv1(x)).relu())


def deep(layers: int) -> nn.Module:
    """Many modules that are all different, so that nothing is a stack."""
    return nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), (nn.ReLU, nn.Tanh)[i % 2](), nn.LayerNorm(4)) for i in range(layers)))


@contextmanager
def recorded(folder: Path, net: nn.Module, shape: tuple[int, ...] = (2, 3, 4), steps: int = 2) -> Iterator[Recording]:
    """A recording of some steps of a net that is trained with SGD."""
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with gradwalk.record(folder):
        for step in range(steps):
            torch.manual_seed(step)
            optimizer.zero_grad()
            net(torch.randn(*shape)).square().mean().backward()
            optimizer.step()
    with open_recording(folder) as recording:
        yield recording
