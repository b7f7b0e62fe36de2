"""Custom Functions, and the exceptions of a backward that the user handles."""

from __future__ import annotations

import pytest
import torch
from loops import differentiate, randn
from scenario import Row, rows
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Twice(Function):
    """Several outputs, one of them not differentiable; inputs that need no gradient; None materialised."""

    @staticmethod
    def forward(ctx, x, factor, flag):
        ctx.save_for_backward(x)
        ctx.factor = factor
        low = x.argmin()
        ctx.mark_non_differentiable(low)
        return x * factor, x.exp(), low

    @staticmethod
    def backward(ctx, first, second, low):
        (x,) = ctx.saved_tensors
        return (first * ctx.factor + second * x.exp() if ctx.needs_input_grad[0] else None), None, None


class Once(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].cos()


class Cube(Function):
    """Its backward can be differentiated again, and vmapped."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return 3 * g * ctx.saved_tensors[0] ** 2


class InPlace(Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return g * 2


class NoneGradients(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 1, x * 2

    @staticmethod
    def backward(ctx, a, b):
        return b if a is None else a


class EngineInside(Function):
    """Runs a forward and a backward of its own inside."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        with torch.enable_grad():
            x = ctx.saved_tensors[0].detach().requires_grad_()
            x.sin().backward(g)
        return x.grad


def second_through(function):
    w = randn(3, requires_grad=True)
    (g,) = torch.autograd.grad(function(w).sum(), w, create_graph=True)
    g.sum().backward()
    return w, g


def vmapped_function():
    return torch.vmap(Cube.apply)(randn(2, 3)), differentiate(Cube.apply, randn(3))


# ---------------------------------------------------------------------- exceptions that the user handles


class Raises(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        raise ValueError("mine")


def refused(function, *args):
    try:
        function(*args)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyboardInterrupt) as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("nothing was raised")


def raise_interrupt(gradient):
    raise KeyboardInterrupt


def handled_errors():
    w, said = randn(3, requires_grad=True), []
    for _ in range(2):
        h = w * 2
        said.append(refused(torch.mm, h, h))
        said.append(refused(h.__getitem__, 7))
        said.append(refused(getattr, h, "nothing"))
        said.append(refused(Raises.apply(h).sum().backward))
        said.append(refused(h.backward))
        said.append(refused(torch.ones(2).sum().backward))
        loss = h.sum()
        loss.backward()
        said.append(refused(loss.backward))
        said.append(refused(nn.Linear(4, 2), h))
        y = w * 3
        y.register_hook(raise_interrupt)
        said.append(refused(y.sum().backward))
        said.append(refused(w.add_, 1))
        y = w.exp()
        y.add_(1)
        said.append(refused(y.sum().backward))
    return w, said


TABLE = [
    Row("Function with several outputs", lambda: differentiate(lambda x: Twice.apply(x, 3.0, None), randn(3)), "Twice exp"),
    Row("Function with one output used", lambda: differentiate(lambda x: Twice.apply(x, 3.0, None)[1], randn(3)), "Twice"),
    Row("Function once differentiable", lambda: differentiate(Once.apply, randn(3)), "Once"),
    Row("Function differentiable twice", lambda: second_through(Cube.apply), "Cube"),
    Row("Function with setup_context", lambda: differentiate(Cube.apply, randn(3)), "Cube"),
    Row("Function under vmap", vmapped_function, "Cube"),
    Row("Function in place", lambda: differentiate(lambda x: InPlace.apply(x * 1), randn(3)), "InPlace"),
    Row(
        "Function without materialised gradients",
        lambda: differentiate(lambda x: NoneGradients.apply(x)[1], randn(3)),
        "NoneGradients",
    ),
    Row("Function with a backward inside", lambda: differentiate(EngineInside.apply, randn(3)), "EngineInside"),
]


@pytest.mark.filterwarnings(
    "ignore:.*create_graph=True.*|.*[Dd]eterminis.*|.*non-full backward.*|.*GradScaler.*|.*lr_scheduler.*:Warning"
)
@rows(TABLE)
def test_same_bits(harmless, row):
    harmless(row.program, row.ops)


def test_exceptions_that_the_user_handles(harmless):
    harmless(handled_errors, "mul sum exp")
