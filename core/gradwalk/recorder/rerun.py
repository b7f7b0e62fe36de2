"""A custom Function run again on copies: what it gives, and the gradient that its own backward gives of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from .copies import NotAgain, copy_of
from .function_calls import FunctionCall
from .functions import tensors_in
from .widened import UNITS, Widened

Tensor = torch.Tensor
MOVED = 1e-3
"""How far elements at 0, and equal ones, are moved, as a part of their size: there a Function may have no derivative."""
MOST_SORTED = 1 << 20


class Rerun:
    """One Function in one ``dtype``; with ``widens`` what it casts by itself stays float64 too.

    ``s`` of the inputs is the sum of the outputs times a random ``g``, of those outputs only that got a gradient in the step
    (``used``, by output_nr; all where none did); ``gradients`` are those of ``s`` by the Function's own
    backward, by the argument's number. ``unit`` is what the coarsest dtype that took part rounds away, ``size`` the L2 norm of
    ``g`` times output. Raises what the Function raises, and NotAgain.
    """

    def __init__(self, call: FunctionCall, dtype: torch.dtype, used: frozenset[int] = frozenset(), *, widens: bool) -> None:
        assert call.around is not None
        self._call, self._around, self._dtype, self._used, self._widens = call, call.around, dtype, used, widens
        self._random = np.random.default_rng(0)
        self.arguments = [self._as_dtype(argument) for argument in call.arguments]
        self.numbers = [number for number, needs in enumerate(call.needs_gradient) if needs]
        self.moved = False
        """Whether inputs were moved away from places where there may be no derivative."""
        before = self._finite(self.arguments)
        apart = [self._apart(x) if number in self.numbers else x for number, x in enumerate(self.arguments)]
        if any(x is not y for x, y in zip(apart, self.arguments, strict=True)) and self._finite(apart) == before:
            self.arguments, self.moved = apart, True
        self.unit = UNITS[dtype]
        self.outputs: list[Tensor] = []
        self.gradients: dict[int, Tensor] = {}
        self._differentiate()

    def s(self, changed: Mapping[int, Tensor]) -> float:
        """The scalar whose gradient is looked at, for other inputs than those at hand."""
        with torch.no_grad(), self._mode():
            made = self._run(changed)
        total = 0.0
        for number, g in self.g.items():
            total += float((g * torch.where(g != 0, made[number].double(), 0.0)).sum())
        return total

    def _differentiate(self) -> None:
        leaves = {number: self.arguments[number].detach().requires_grad_() for number in self.numbers}
        mode = Widened(widens=self._widens)
        with mode:
            made = self._run({number: leaf.clone() for number, leaf in leaves.items()})
            outputs = {number: one for number, one in enumerate(made) if one.requires_grad and one.is_floating_point()}
            some = {number: one for number, one in outputs.items() if one.output_nr in self._used}
            outputs = some or outputs
            if not outputs:
                raise NotAgain("none of its outputs has a gradient")
            self.g = {number: self._draw(one) for number, one in outputs.items()}
            seeds = [self.g[number].to(one.dtype) for number, one in outputs.items()]
            found = torch.autograd.grad(list(outputs.values()), list(leaves.values()), seeds, allow_unused=True)
        self.unit = max(self.unit, mode.unit)
        self.outputs = [one.detach() for one in made]
        self.size = float(sum(((g * torch.where(g != 0, made[n].detach().double(), 0.0)) ** 2).sum() for n, g in self.g.items()))
        self.size **= 0.5
        for (number, leaf), gradient in zip(leaves.items(), found, strict=True):
            self.gradients[number] = torch.zeros_like(leaf) if gradient is None else gradient.detach()

    def _draw(self, output: Tensor) -> Tensor:
        drawn = torch.from_numpy(np.asarray(self._random.standard_normal(tuple(output.shape)))).to(output.device)
        return torch.where(output.detach().isfinite(), drawn, 0.0)

    def _run(self, changed: Mapping[int, Tensor]) -> list[Tensor]:
        self._around.rewind()
        given = [changed[n] if n in changed else copy_of(argument) for n, argument in enumerate(self.arguments)]
        function: Any = self._call.function
        return list(tensors_in((function.apply(*given),)))

    def _mode(self) -> AbstractContextManager[Any]:
        return Widened(widens=True) if self._widens else nullcontext()

    def _finite(self, arguments: list[Any]) -> list[bool]:
        """Whether each output is finite everywhere for these arguments."""
        kept, self.arguments = self.arguments, arguments
        try:
            with torch.no_grad(), self._mode():
                return [bool(one.isfinite().all()) for one in self._run({})]
        finally:
            self.arguments = kept

    def _as_dtype(self, argument: Any) -> Any:
        if isinstance(argument, Tensor):
            return argument.to(self._dtype) if argument.is_floating_point() else argument
        if type(argument) in (list, tuple):
            return type(argument)(self._as_dtype(part) for part in argument)
        if type(argument) is dict:
            return {name: self._as_dtype(part) for name, part in argument.items()}
        return argument

    def _apart(self, x: Tensor) -> Tensor:
        """The same with no element at 0 and no two equal; as it is where that holds, or where its bits are too few."""
        if not x.numel() or self._dtype not in (torch.float64, torch.float32):
            return x
        zero = x == 0
        tied = x.numel() <= MOST_SORTED and _different(x) < x.numel()
        if not tied and not bool(zero.any()):
            return x
        shift = torch.from_numpy(np.asarray(MOVED * self._random.uniform(0.5, 1, tuple(x.shape)))).to(x.device, x.dtype)
        sign = -1.0 if bool((x <= 0).all()) and not bool(zero.all()) else 1.0
        return torch.where(zero, sign * shift * scale_of(x), x * (1 + shift))


def _different(x: Tensor) -> int:
    """How many different elements there are."""
    ordered = x.reshape(-1).sort().values
    return 1 + int((ordered[1:] != ordered[:-1]).sum())


def scale_of(x: Tensor) -> float:
    """The RMS of a tensor's elements, 1 where all are 0."""
    finite = x.double()[x.isfinite()]
    rms = float((finite**2).mean().sqrt()) if finite.numel() else 0.0
    return rms or 1.0
