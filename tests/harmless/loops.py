"""The training loops that the tables are filled with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

randn = torch.randn


def total(output: Any) -> torch.Tensor:
    """A loss of anything that a model gives back: the mean square of every floating-point tensor in it."""
    return sum(part.abs().float().pow(2).mean() for part in tensors(output) if part.requires_grad)


def tensors(output: Any) -> Iterable[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, dict):
        for part in output.values():
            yield from tensors(part)
    elif isinstance(output, list | tuple):
        for part in output:
            yield from tensors(part)


def train(
    model: nn.Module,
    *inputs: Any,
    steps: int = 2,
    loss: Callable[[Any], torch.Tensor] = total,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
    lr: float = 0.05,
    **settings: Any,
) -> dict[str, Any]:
    """A plain loop: forward, loss, backward, step. Gives back the model, the outputs, the losses, the gradients."""
    opt = optimizer(model.parameters(), lr=lr, **settings)
    outputs, losses, gradients = [], [], []
    for _ in range(steps):
        opt.zero_grad()
        output = model(*inputs)
        error = loss(output)
        error.backward()
        gradients += [None if p.grad is None else p.grad.clone() for p in model.parameters()]
        opt.step()
        outputs.append(output)
        losses.append(error.item())
    return {"model": model, "outputs": outputs, "losses": losses, "gradients": gradients, "optimizer": opt}


def differentiate(function: Callable[..., Any], *leaves: torch.Tensor, steps: int = 2) -> dict[str, Any]:
    """The function's output and the gradients of its leaves, by hand, without a module."""
    outputs, gradients = [], []
    for leaf in leaves:
        leaf.requires_grad_(leaf.is_floating_point() or leaf.is_complex())
    for _ in range(steps):
        output = function(*leaves)
        total(output).backward()
        outputs.append(output)
        for leaf in leaves:
            gradients.append(leaf.grad)
            leaf.grad = None
    return {"outputs": outputs, "gradients": gradients, "leaves": leaves}
