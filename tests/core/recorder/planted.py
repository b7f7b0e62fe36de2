"""Twenty custom Functions with an error in the backward, each beside its correct twin.

A case is a ``forward(ctx, *inputs)``, the correct ``backward`` and the ``wrong`` one, and the shapes of the inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.autograd import Function
from torch.nn import functional as F

Shapes = tuple[tuple[int, ...], ...]


class Case(NamedTuple):
    """One Function, twice. ``shapes`` are those of its inputs; ``positive``: they are made so."""

    error: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    wrong: Callable[..., Any]
    shapes: Shapes
    positive: bool = False


def function_of(case: Case, *, wrong: bool) -> type[Function]:
    """The Function, correct or not."""
    backward = case.wrong if wrong else case.backward
    name = ("Wrong" if wrong else "Right") + "".join(part.title() for part in case.error.split())
    return type(name, (Function,), {"forward": staticmethod(case.forward), "backward": staticmethod(backward)})


def saving(compute: Callable[..., Any]) -> Callable[..., Any]:
    def forward(ctx, *inputs):
        out = compute(*inputs)
        ctx.save_for_backward(*inputs, out)
        return out

    return forward


def with_saved(gradient: Callable[..., Any]) -> Callable[..., Any]:
    return lambda ctx, g: gradient(g, *ctx.saved_tensors)


def soft(x):
    return torch.exp(x - x.max(-1, keepdim=True).values) / torch.exp(x - x.max(-1, keepdim=True).values).sum(-1, keepdim=True)


def norm_of(x):
    return (x - x.mean(-1, keepdim=True)) * (x.var(-1, unbiased=False, keepdim=True) + 1e-5) ** -0.5


def norm_back(g, x, out, *, mean=True):
    inv = (x.var(-1, unbiased=False, keepdim=True) + 1e-5) ** -0.5
    return inv * (g - (g.mean(-1, keepdim=True) if mean else 0) - out * (g * out).mean(-1, keepdim=True))


def padded(g, x, start):
    made = torch.zeros_like(x)
    made[:, start : start + 3] = g
    return made


def dropped(ctx, x):
    mask = (torch.rand_like(x) > 0.3).to(x.dtype)
    ctx.save_for_backward(mask)
    return x * mask / 0.7


def highest(ctx, x):
    values, places = x.max(-1)
    ctx.save_for_backward(x, places)
    return values


def scattered(shift):
    def backward(ctx, g):
        x, places = ctx.saved_tensors
        return torch.zeros_like(x).scatter_(-1, ((places + shift) % x.shape[-1])[:, None], g[:, None])

    return backward


def looked_up(ctx, table, rows):
    where = (rows.detach().abs() * 3).long() % table.shape[0]
    ctx.save_for_backward(where, table)
    return table[where]


def added_rows(ctx, g):
    where, table = ctx.saved_tensors
    return torch.zeros_like(table).index_add_(0, where, g), None


def set_rows(ctx, g):
    where, table = ctx.saved_tensors
    made = torch.zeros_like(table)
    made[where] = g
    return made, None


def conv_back(g, x, w, out, *, flip=False):
    return (
        torch.nn.grad.conv1d_input(x.shape, w.flip(-1) if flip else w, g),
        torch.nn.grad.conv1d_weight(x, w.shape, g),
    )


def one_left_out(g, x, out):
    made = 2 * g * x
    made[-1, -1] = 0
    return made


CASES = (
    Case("sign", saving(torch.sin), with_saved(lambda g, x, o: g * x.cos()), with_saved(lambda g, x, o: -g * x.cos()), ((4, 5),)),
    Case("factor", saving(lambda x: x**2), with_saved(lambda g, x, o: 2 * g * x), with_saved(lambda g, x, o: g * x), ((4, 5),)),
    Case(
        "wrong operand",
        saving(torch.mul),
        with_saved(lambda g, x, y, o: (g * y, g * x)),
        with_saved(lambda g, x, y, o: (g * x, g * y)),
        ((4, 5), (4, 5)),
    ),
    Case(
        "missing mask",
        saving(lambda x: x.clamp(min=0)),
        with_saved(lambda g, x, o: g * (x > 0)),
        with_saved(lambda g, x, o: g.clone()),
        ((4, 5),),
    ),
    Case(
        "transposed",
        saving(torch.matmul),
        with_saved(lambda g, x, w, o: (g @ w.T, x.T @ g)),
        with_saved(lambda g, x, w, o: (g @ w, x.T @ g)),
        ((4, 5), (5, 5)),
    ),
    Case(
        "off by one slice",
        saving(lambda x: x[:, 1:4] * 1),
        with_saved(lambda g, x, o: padded(g, x, 1)),
        with_saved(lambda g, x, o: padded(g, x, 2)),
        ((4, 6),),
    ),
    Case(
        "forgotten broadcast sum",
        saving(lambda x, b: x + b),
        with_saved(lambda g, x, b, o: (g, g.sum(0))),
        with_saved(lambda g, x, b, o: (g, g[0])),
        ((4, 5), (5,)),
    ),
    Case(
        "mean for sum",
        saving(lambda x: x.mean(0)),
        with_saved(lambda g, x, o: g.expand_as(x) / x.shape[0]),
        with_saved(lambda g, x, o: g.expand_as(x).clone()),
        ((4, 5),),
    ),
    Case(
        "chain rule cut",
        saving(lambda x: torch.exp(-(x**2))),
        with_saved(lambda g, x, o: -2 * x * o * g),
        with_saved(lambda g, x, o: g * o),
        ((4, 5),),
    ),
    Case(
        "input for output",
        saving(torch.tanh),
        with_saved(lambda g, x, o: g * (1 - o**2)),
        with_saved(lambda g, x, o: g * (1 - x**2)),
        ((4, 5),),
    ),
    Case(
        "diagonal only",
        saving(soft),
        with_saved(lambda g, x, o: o * (g - (g * o).sum(-1, keepdim=True))),
        with_saved(lambda g, x, o: g * o * (1 - o)),
        ((4, 5),),
    ),
    Case(
        "mean term dropped",
        saving(norm_of),
        with_saved(norm_back),
        with_saved(lambda g, x, o: norm_back(g, x, o, mean=False)),
        ((4, 6),),
    ),
    Case(
        "scale not saved",
        dropped,
        lambda ctx, g: g * ctx.saved_tensors[0] / 0.7,
        lambda ctx, g: g * ctx.saved_tensors[0],
        ((6, 5),),
    ),
    Case("neighbour", highest, scattered(0), scattered(1), ((4, 5),)),
    Case("set for add", looked_up, added_rows, set_rows, ((4, 3), (9,))),
    Case(
        "no flip",
        saving(lambda x, w: F.conv1d(x, w)),
        with_saved(conv_back),
        with_saved(lambda *a: conv_back(*a, flip=True)),
        ((2, 3, 8), (4, 3, 3)),
    ),
    Case(
        "one element left out",
        saving(lambda x: x**2),
        with_saved(lambda g, x, o: 2 * g * x),
        with_saved(one_left_out),
        ((40, 50),),
    ),
    Case(
        "square root",
        saving(torch.sqrt),
        with_saved(lambda g, x, o: g / (2 * o)),
        with_saved(lambda g, x, o: g / (2 * x)),
        ((4, 5),),
        positive=True,
    ),
    Case(
        "no gradient",
        saving(lambda x, w: x * w.sigmoid()),
        with_saved(lambda g, x, w, o: (g * w.sigmoid(), (g * x).sum(0) * w.sigmoid() * (1 - w.sigmoid()))),
        with_saved(lambda g, x, w, o: (g * w.sigmoid(), None)),
        ((4, 5), (5,)),
    ),
    Case(
        "permuted back",
        saving(lambda x: x.permute(2, 0, 1) * 1),
        with_saved(lambda g, x, o: g.permute(1, 2, 0)),
        with_saved(lambda g, x, o: g.permute(2, 1, 0)),
        ((3, 3, 3),),
    ),
)
