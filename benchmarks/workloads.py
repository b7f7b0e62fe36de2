"""The trainings that the recorder is measured on: each ``make`` gives a Workload."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

Step = Callable[[], None]
_WORDS = 1000


@dataclass(frozen=True)
class Workload:
    """A training: its plain step, and the same in parts for what has to be called inside it."""

    step: Step
    """One training step as a user writes it."""
    module: nn.Module
    x: torch.Tensor
    target: torch.Tensor
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """Of what the module gives, and the target."""
    update: Step
    """What follows the backward, the gradients being zeroed or dropped included."""


class TwoLayers(nn.Module):
    """The two-layer net for what takes a Module only: the plain step has none."""

    def __init__(self, *weights: torch.Tensor) -> None:
        super().__init__()
        self.w1, self.w2 = (nn.Parameter(weight.detach().clone()) for weight in weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape ``[N, inside]`` to ``[N, outside]``."""
        return x.mm(self.w1).clamp(min=0).mm(self.w2)


def _descend(weights: Iterable[torch.Tensor]) -> None:
    with torch.no_grad():
        for weight in weights:
            weight -= 1e-9 * weight.grad
            weight.grad.zero_()


def two_layer_net() -> Workload:
    """64x1000x100x10, by hand."""
    x, y = torch.randn(64, 1000), torch.randn(64, 10)
    w1, w2 = torch.randn(1000, 100, requires_grad=True), torch.randn(100, 10, requires_grad=True)
    module = TwoLayers(w1, w2)

    def step() -> None:
        y_pred = x.mm(w1).clamp(min=0).mm(w2)
        loss = (y_pred - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            for weight in (w1, w2):
                weight -= 1e-9 * weight.grad
                weight.grad.zero_()

    def loss(y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (y_pred - y).pow(2).sum()

    return Workload(step, module, x, y, loss, lambda: _descend((module.w1, module.w2)))


class Residual(nn.Module):
    """Two convolutions and the way past them."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        past = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
        self.past = past if stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes ``[N, inside, H, W]`` to ``[N, outside, H / stride, W / stride]``."""
        h = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(h)) + self.past(x))


def resnet18() -> Workload:
    """As ResNet-18, batch 4, 3x64x64."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    width = 64
    for outside in (64, 128, 256, 512):
        layers += [Residual(width, outside, 1 if outside == width else 2), Residual(outside, outside, 1)]
        width = outside
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    return _trained(net, torch.randn(4, 3, 64, 64), torch.randint(0, 10, (4,)))


class Block(nn.Module):
    """A transformer's block as in GPT-2: attention and a two-layer net, each after its norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.width, self.heads = width, heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape ``[N, T, width]``."""
        batch, length, width = x.shape
        parts = self.qkv(self.ln1(x)).split(self.width, dim=2)
        q, k, v = (part.view(batch, length, self.heads, width // self.heads).transpose(1, 2) for part in parts)
        scores = (q @ k.transpose(-2, -1)) / (width // self.heads) ** 0.5
        mask = torch.ones(length, length).tril() == 0
        weights = functional.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        x = x + self.proj((weights @ v).transpose(1, 2).contiguous().view(batch, length, width))
        h = self.fc(self.ln2(x))
        h = 0.5 * h * (1.0 + torch.tanh(0.7978845608 * (h + 0.044715 * torch.pow(h, 3))))
        return x + self.out(h)


class GPT(nn.Module):
    """GPT-2's shape, with few words."""

    def __init__(self, layers: int, width: int, heads: int, length: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(_WORDS, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.ln, self.head = nn.LayerNorm(width), nn.Linear(width, _WORDS, bias=False)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Shape ``[N, T]`` to ``[N * T, words]``."""
        x = self.words(words) + self.places(torch.arange(words.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln(x)).view(-1, _WORDS)


def gpt2() -> Workload:
    """12 layers, 768 wide, 64 tokens."""
    words = torch.randint(0, _WORDS, (1, 64))
    return _trained(GPT(12, 768, 12, 64), words, words.view(-1))


def gpt2_deep() -> Workload:
    """48 layers, 128 wide, 64 tokens: about 2,200 ops and 3,200 Nodes."""
    words = torch.randint(0, _WORDS, (1, 64))
    return _trained(GPT(48, 128, 4, 64), words, words.view(-1))


def _trained(net: nn.Module, x: torch.Tensor, target: torch.Tensor) -> Workload:
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(net(x), target).backward()
        optimizer.step()

    def update() -> None:
        optimizer.step()
        optimizer.zero_grad()

    return Workload(step, net, x, target, functional.cross_entropy, update)


WORKLOADS: dict[str, tuple[Callable[[], Workload], int]] = {
    "two-layer net": (two_layer_net, 150),
    "ResNet-18-like": (resnet18, 8),
    "GPT-2, 12 layers": (gpt2, 3),
    "GPT-2, 48 layers": (gpt2_deep, 5),
}
"""Per name what makes it, and how many of its steps are timed in a block."""
