"""Calling a formula as an op was called: which recorded tensor and which argument stands for which of its symbols.

A recording names the arguments that are no tensors; of the tensors it tells the order alone. So there may be several ways to call
(``batch_norm`` of three tensors: are two of them the running statistics, or weight and bias?); the usual one comes first.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..trace import Op
from .arguments import value_of
from .registry import Formula, Function

IDLE = frozenset(("dtype", "layout", "device", "memory_format", "non_blocking", "copy", "out", "inplace", "generator", "tensors"))
"""Arguments that change no number."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One way to call a formula. ``places`` says per tensor of the op which symbol of the formula it stands for."""

    formula: Formula
    places: tuple[int, ...]
    arguments: tuple[Any, ...]
    """By position; a number in ``places`` is one of these, filled in when it is called."""
    named: Mapping[str, Any]
    by_name: tuple[str, ...] = ()
    """The names of the symbols from which on tensors are given by name, because one before them is left out."""

    def run(self, function: Function, tensors: Sequence[Any], *first: Any) -> Any:
        """The result of ``compute`` (or, after ``g`` and the output, of a VJP) for the op's tensors."""
        if not self.places:
            return function(*first, *tensors, **self.named)
        filled, named = list(self.arguments), dict(self.named)
        for place, tensor in zip(self.places, tensors, strict=True):
            if place < len(filled):
                filled[place] = tensor
            else:
                named[self.by_name[place]] = tensor
        return function(*first, *filled, **named)

    def symbol(self, number: int) -> str:
        """The symbol of the op's ``number``-th tensor."""
        return self.formula.inputs[self.places[number]] if self.places else self.formula.inputs[0]


def calls(formula: Formula, op: Op, tensors: int) -> Iterator[Call]:
    """The ways to call a formula with an op's arguments and so many tensors. Raises ValueError where there is none."""
    arguments = {name: value_of(text) for name, text in op.arguments if name not in IDLE}
    parameters = _parameters(formula.compute)
    if parameters and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        yield Call(formula, (), (), _known(arguments, parameters, ()))
        return
    found, why = False, f"{op.name} was called in a way that its formula does not know"
    for places in itertools.combinations(range(len(formula.inputs)), tensors):
        try:
            call = _call(formula, parameters, places, arguments)
        except ValueError as error:
            why = str(error)
            continue
        found = True
        yield call
    if not found:
        raise ValueError(why)


def _call(
    formula: Formula, parameters: tuple[inspect.Parameter, ...], places: tuple[int, ...], arguments: Mapping[str, Any]
) -> Call:
    names = tuple(parameter.name for parameter in parameters[: len(formula.inputs)])
    rest, known = dict(arguments), {parameter.name for parameter in parameters}
    strange = [name for name in rest if name not in known]
    filled: list[Any] = []
    by_name = False
    for slot in range(len(formula.inputs)):
        name = names[slot] if slot < len(names) else ""
        if slot in places:
            if not by_name:
                filled.append(None)
        elif name in rest:
            value = rest.pop(name)
            if by_name:
                rest[name] = value
            else:
                filled.append(value)
        elif strange and not by_name:
            filled.append(rest.pop(strange.pop(0)))
        elif slot >= len(parameters) or parameters[slot].default is inspect.Parameter.empty:
            raise ValueError(f"{formula.inputs[slot]} is not recorded")
        else:
            by_name = True
    return Call(formula, places, tuple(filled), _known(rest, parameters, places), names if by_name else ())


def _known(arguments: Mapping[str, Any], parameters: tuple[inspect.Parameter, ...], places: tuple[int, ...]) -> dict[str, Any]:
    """The arguments by name; those that are unknown and off are left out. Raises ValueError for another unknown one."""
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return dict(arguments)
    names = {parameter.name for parameter in parameters}
    for name, value in arguments.items():
        if name not in names and value not in (None, False):
            raise ValueError(f"the formula does not know the argument {name}")
    return {name: value for name, value in arguments.items() if name in names}


@lru_cache(maxsize=512)
def _parameters(function: Function) -> tuple[inspect.Parameter, ...]:
    """The parameters of a formula; none for a ufunc, which takes its inputs by position."""
    try:
        return tuple(inspect.signature(function).parameters.values()) if inspect.isfunction(function) else ()
    except ValueError:
        return ()
