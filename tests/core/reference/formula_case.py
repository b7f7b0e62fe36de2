"""What a case of a formula is: the op, torch's function, its inputs and its arguments."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from gradwalk.reference.registry import formula_of

F = torch.nn.functional
RANDOM = np.random.default_rng(3)
LAYERS = ("kl_div", "instance_norm", "celu", "hardsigmoid", "max_pool2d", "adaptive_max_pool1d")
"""What torch has under a name of its own too, and takes other arguments there."""


class Case(NamedTuple):
    """One way to call an op. ``smooth`` is False where the inputs are at a kink: the gradient there is torch's choice."""

    name: str
    function: Callable[..., Any]
    inputs: list[Any]
    arguments: dict[str, Any]
    smooth: bool = True


def normal(*shape):
    return np.asarray(RANDOM.standard_normal(shape))


def positive(*shape):
    return np.asarray(RANDOM.uniform(0.5, 2.0, shape))


def between(low, high, *shape):
    return np.asarray(RANDOM.uniform(low, high, shape))


def listed(function):
    """A torch function of a list as one of its tensors."""
    return lambda *xs, **named: function(xs, **named)


def torch_function(name):
    """The function that torch has under a name, in one of its modules."""
    first = (F, torch) if name.endswith("loss") or name in LAYERS else (torch, F)
    for place in (*first, torch.Tensor, torch.ops.aten):
        found = getattr(place, name, None)
        if found is not None:
            return found
    raise AttributeError(name)


def case(name, *inputs, function=None, smooth=True, **arguments):
    """A case of the torch function of the same name."""
    return Case(name, function or torch_function(name), list(inputs), arguments, smooth)


def outputs(result):
    return tuple(result) if isinstance(result, tuple | list) else (result,)


class Ran:
    """A case run through the formula; ``wanted`` are the places of the inputs that have a VJP."""

    def __init__(self, one: Case) -> None:
        told = [(name, str(value)) for name, value in one.arguments.items()]
        self.one, self.formula, self.inputs = one, formula_of(one.name, told), one.inputs
        self.arguments = one.arguments
        with np.errstate(all="ignore"):
            self.out = self.formula.compute(*one.inputs, **self.arguments)
        random = np.random.default_rng(zlib.crc32(repr((one.name, one.arguments)).encode()))
        self.incoming = [np.asarray(random.standard_normal(np.shape(z))) for z in outputs(self.out)]
        self.symbols = self._symbols()
        floats = [np.asarray(x).dtype == np.float64 for x in one.inputs]
        self.wanted = [i for i, s in enumerate(self.symbols) if s in self.formula.vjps and floats[i]]

    def _symbols(self):
        count, inputs = len(self.inputs), self.formula.inputs
        if self.formula.places is not None:
            return [inputs[place] for place in self.formula.places(count, self.arguments)]
        return [inputs[0]] * count if self.one.name in ("cat", "stack", "einsum") else list(inputs[:count])

    def gradients(self):
        """The gradients of the wanted inputs, in their order."""
        g = tuple(self.incoming) if isinstance(self.out, tuple) else self.incoming[0]
        made = {}
        for symbol in dict.fromkeys(self.symbols[i] for i in self.wanted):
            with np.errstate(all="ignore"):
                found = self.formula.vjps[symbol](g, self.out, *self.inputs, **self.arguments)
            places = [i for i, s in enumerate(self.symbols) if s == symbol]
            made.update(zip(places, found if isinstance(found, list) else [found], strict=True))
        return [np.asarray(made[i]) for i in self.wanted]

    def weighed(self, *moved):
        """The outputs of ``moved`` inputs times the incoming gradients, as one number."""
        made = outputs(self.formula.compute(*moved, **self.arguments))
        pairs = zip(made, self.incoming, strict=True)
        return sum((np.asarray(z) * g).sum() for z, g in pairs if np.asarray(z).dtype == np.float64)


def same_as_torch(one: Case, rtol: float = 1e-9, atol: float = 1e-11) -> bool:
    """Compare output and gradients with torch's, which gets copies (it has no negative strides). Whether any was compared."""
    ran = Ran(one)
    tensors = [
        None if x is None else torch.tensor(np.array(x, order="C"), requires_grad=i in ran.wanted)
        for i, x in enumerate(ran.inputs)
    ]
    made = outputs(one.function(*tensors, **one.arguments))
    for mine, torchs in zip(outputs(ran.out), made, strict=True):
        assert np.shape(mine) == tuple(torchs.shape)
        np.testing.assert_allclose(mine, torchs.detach().numpy(), rtol=1e-11, atol=1e-12)
    pairs = [(z, torch.tensor(g)) for z, g in zip(made, ran.incoming, strict=True) if z.requires_grad]
    if not pairs:
        return False
    wanted = [tensors[i] for i in ran.wanted]
    expected = torch.autograd.grad(
        [z for z, _ in pairs], wanted, [g for _, g in pairs], allow_unused=True, materialize_grads=True
    )
    for mine, torchs in zip(ran.gradients(), expected, strict=True):
        assert mine.shape == tuple(torchs.shape)
        np.testing.assert_allclose(mine, torchs.numpy(), rtol=rtol, atol=atol)
    return bool(wanted)
