"""The gradients that a custom Function gave in the step, next to those that its backward gives of the same once more.

Once more in the dtypes of the step: what it gives must be what it gave, or something that it used was changed meanwhile. And in
float64: where that is finite and the step has NaN or Inf, its formula breaks down in the dtype of the step. Float16, which
overflows by design (the scaler of a loss sees to it), is left out of the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..reference.comparing import compared
from ..reference.recorded import NotThereError, Recorded
from ..trace import AGAIN, Compared, Edge
from .copies import copy_of
from .function_calls import FunctionCall
from .functions import tensors_in
from .widened import UNITS, Widened

ROUNDINGS = 32
"""Unit roundoffs, of the largest element, by which a Function may differ that runs a second time: not all sums have one order."""


@dataclass(frozen=True, slots=True)
class InTheStep:
    """The rows of the inputs, by the argument's number, or why there are none."""

    rows: dict[int, Compared]
    why_not: str = ""


def in_the_step(made: FunctionCall, recorded: Recorded, names: Mapping[int, str]) -> InTheStep:
    """Compare the gradients of a Function's inputs in the step. Raises what the Function raises. ``names`` of its arguments."""
    try:
        incoming, _, _ = recorded.incoming()
        given = {number: edge for number in names for edge in _edges(made, recorded, number)}
        seen = {number: recorded.gradient(edge) for number, edge in given.items()}
        values = {value: recorded.value(value) for value in recorded.op.outputs}
    except NotThereError as why:
        return InTheStep({}, str(why))
    if not incoming or not seen:
        return InTheStep({})
    own = _run(made, recorded, incoming, wide=False)
    if not _alike(own.outputs, [values[value] for value in recorded.op.outputs]):
        return InTheStep({}, "run again it gives another output")
    wide = None if own.drew else _wide(made, recorded, incoming)
    rows = {number: _row(number, given[number], names[number], seen[number], own, wide) for number in seen}
    if all(row.agrees for row in rows.values()):
        return InTheStep(rows)
    if recorded.changed():
        return InTheStep({}, recorded.changed())
    if not own.cast:
        return InTheStep(rows)
    own = _run(made, recorded, incoming, wide=False, cast_backward=True)  # ``backward()`` was called under autocast too
    inside = {number: _row(number, given[number], names[number], seen[number], own, wide) for number in seen}
    return InTheStep(inside if all(row.agrees for row in inside.values()) else rows)


@dataclass(frozen=True, slots=True)
class _Once:
    """One run: outputs, gradients by the argument's number, whether it drew random numbers, and whether autocast was on."""

    outputs: list[torch.Tensor]
    gradients: dict[int, torch.Tensor]
    drew: bool
    cast: bool


def _edges(made: FunctionCall, recorded: Recorded, number: int) -> list[Edge]:
    """The Edge with the gradient that was given of an argument."""
    before = sum(1 for _ in tensors_in(made.arguments[:number]))
    return [edge for edge in recorded.given().get(recorded.op.inputs[before], ()) if edge.output == before]


def _wide(made: FunctionCall, recorded: Recorded, incoming: Mapping[int, Any]) -> _Once | None:
    try:
        return _run(made, recorded, incoming, wide=True)
    except Exception:  # it takes no float64
        return None


def _run(
    made: FunctionCall, recorded: Recorded, incoming: Mapping[int, Any], *, wide: bool, cast_backward: bool = False
) -> _Once:
    assert made.around is not None
    arguments = [copy_of(argument) for argument in made.arguments]
    leaves = {}
    for number, needs in enumerate(made.needs_gradient):
        if needs:
            leaves[number] = (arguments[number].double() if wide else arguments[number]).requires_grad_()
            arguments[number] = leaves[number].clone()
        elif wide and isinstance(arguments[number], torch.Tensor) and arguments[number].is_floating_point():
            arguments[number] = arguments[number].double()
    made.around.rewind()
    function: Any = made.function
    with Widened(widens=wide):
        with _Casting(made, on=not wide):
            outputs = list(tensors_in((function.apply(*arguments),)))
        seeds = {n: incoming[value] for n, value in enumerate(recorded.op.outputs) if value in incoming}
        g = [torch.from_numpy(np.array(seed)).to(outputs[n].device, outputs[n].dtype) for n, seed in seeds.items()]
        with _Casting(made, on=cast_backward):
            found = torch.autograd.grad([outputs[n] for n in seeds], list(leaves.values()), g, allow_unused=True)
    pairs = zip(leaves.items(), found, strict=True)
    gradients = {n: torch.zeros_like(leaf) if gradient is None else gradient.detach() for (n, leaf), gradient in pairs}
    cast = not wide and any(enabled for _, enabled, _ in made.around.casting)
    return _Once([one.detach() for one in outputs], gradients, made.around.states.drawn_from(), cast)


class _Casting:
    """Autocast as it was when the Function was called, where ``on``."""

    def __init__(self, made: FunctionCall, *, on: bool) -> None:
        assert made.around is not None
        self._wanted = made.around.casting if on else ()
        self._before: list[tuple[str, bool, torch.dtype]] = []
        self._cache = torch.is_autocast_cache_enabled()

    def __enter__(self) -> None:
        torch.set_autocast_cache_enabled(False)  # what the training has in it stays
        for device, enabled, dtype in self._wanted:
            self._before.append((device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)))
            _cast(device, enabled, dtype)

    def __exit__(self, *_: object) -> None:
        for device, enabled, dtype in self._before:
            _cast(device, enabled, dtype)
        torch.set_autocast_cache_enabled(self._cache)


def _cast(device: str, enabled: bool, dtype: torch.dtype) -> None:
    torch.set_autocast_enabled(device, enabled)
    torch.set_autocast_dtype(device, dtype)


def _alike(again: list[torch.Tensor], seen: list[Any]) -> bool:
    """Whether the outputs are those of the step."""
    made = [_array(one) for one in again]
    if [one.shape for one in made] != [np.shape(one) for one in seen]:
        return False
    rows = (compared(("value", 0), "", "", old, new, *_slack(new, one)) for one, new, old in zip(again, made, seen, strict=True))
    return all(row.agrees for row in rows)


def _slack(made: Any, tensor: torch.Tensor) -> tuple[float, float]:
    """How far an element may be off, and the unit roundoff of the dtype."""
    unit = UNITS.get(tensor.dtype, 0.0)
    return ROUNDINGS * unit * float(np.abs(made[np.isfinite(made)]).max(initial=0.0)), unit


def _row(number: int, edge: Edge, name: str, seen: Any, own: _Once, wide: _Once | None) -> Compared:
    again = own.gradients[number]
    expected = _array(again)
    allowed, unit = _slack(expected, again)
    if wide is not None and again.dtype is not torch.float16:
        exact = _array(wide.gradients[number])
        expected = np.where(~np.isfinite(expected) & np.isfinite(exact), exact, expected)
    return compared(("gradient", edge.id), f"dL/d{name} in the step", AGAIN, seen, expected, allowed or unit, unit)


def _array(tensor: torch.Tensor) -> Any:
    plain = tensor.detach().cpu()
    return plain.double().numpy() if plain.is_floating_point() else plain.numpy()
