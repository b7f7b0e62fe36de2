"""Custom Functions that several tests record: one whose backward is wrong, one whose backward is right."""

from __future__ import annotations

import torch


class Cube(torch.autograd.Function):
    """``x ** 3`` with a backward that is wrong: ``2 x ** 2`` instead of ``3 x ** 2``."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * x * g


class Swish(torch.autograd.Function):
    """``x * sigmoid(x)`` with its backward by hand, which is right."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return g * (s + x * s * (1 - s))
