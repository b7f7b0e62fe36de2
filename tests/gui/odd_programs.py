"""Odd programs, each a real recording of torch: nothing, one op, what leads to itself, odd names, very wide, very long."""

from __future__ import annotations

import runpy
from pathlib import Path

import torch
from torch import nn

import gradwalk

LONG = "a_long_name_" * 420
"""5,040 characters."""
HEBREW, ARABIC, EMOJI = "שכבה_ראשונה", "مرحبا_بالعالم", "👩‍👩‍👧‍👦🚀é́́́"
TRICKY = "two\nlines\tand \x1b[31m\u202eturned\u202c &amp; <b>bold</b> %s {x}"
NAMES = {"long": LONG, "hebrew": HEBREW, "arabic": ARABIC, "emoji": EMOJI, "tricky": TRICKY}


class Named(nn.Module):
    """A linear module whose parameter, whose child and whose function all have one odd name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.add_module(name, nn.Linear(4, 4))
        self.register_parameter(f"{name}2", nn.Parameter(torch.ones(4)))
        self.function = type(
            name, (torch.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Linear, times the parameter, through the function."""
        return self.function.apply(self._modules[self.name](x) * self._parameters[f"{self.name}2"])


def forward(ctx, x):
    return 2 * x


def backward(ctx, grad):
    return 2 * grad


def nothing() -> None:
    """A backward of a loss without an op."""
    torch.ones((), requires_grad=True).backward()


def one_op() -> None:
    torch.ones(3, requires_grad=True).sum().backward()


def one_op_no_gradient() -> None:
    torch.ones(3).sum()


def to_itself() -> None:
    """In place on itself, a tensor that meets itself, one cell used again and again."""
    w, cell = torch.ones(4, 4, requires_grad=True), nn.Linear(4, 4)
    x = w * 1.0
    x.add_(x)
    x = x + x
    x = x @ x
    for _ in range(6):
        x = cell(x)
    x.sum().backward()


def named(name: str) -> None:
    net = nn.Sequential()
    net.add_module(name, Named(name))
    net.add_module(f"{name} again", Named(name))
    net(torch.ones(2, 4)).sum().backward()


def variables(folder: Path) -> None:
    """Names of variables, as a script has them."""
    script = folder / "script.py"
    loss = f"loss_{LONG}"
    script.write_text(
        f"import torch\n{HEBREW} = torch.ones(3, requires_grad=True)\n{ARABIC} = {HEBREW} * 2\n{LONG} = {ARABIC}.exp()\n"
        f"{loss} = {LONG}.sum()\n{loss}.backward()\n",
        encoding="utf-8",
    )
    runpy.run_path(str(script))


def fan() -> None:
    """One tensor read by 1,000 ops, whose results one op reads."""
    x = torch.ones(2, requires_grad=True)
    torch.stack([x.sin() for _ in range(1000)]).sum().backward()


def chain() -> None:
    """5,000 ops, one after the other."""
    x = torch.ones(2, requires_grad=True)
    for _ in range(5000):
        x = x * 0.999
    x.sum().backward()


PROGRAMS = {
    "nothing": nothing,
    "one op": one_op,
    "one op without gradient": one_op_no_gradient,
    "to itself": to_itself,
    **{f"named {name}": lambda text=text: named(text) for name, text in NAMES.items()},
    "variables": variables,
    "fan": fan,
    "chain": chain,
}


def record(folder: Path, program: str) -> Path:
    """A run folder with a step of a program."""
    run = folder / "run"
    with gradwalk.record(run):
        PROGRAMS[program](folder) if program == "variables" else PROGRAMS[program]()
    return run
