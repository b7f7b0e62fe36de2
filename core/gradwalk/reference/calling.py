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

from .arguments import indices_of, value_of
from .registry import Formula, Function

IDLE = frozenset(
    (
        *("dtype", "layout", "device", "memory_format", "non_blocking", "copy", "out", "inplace", "generator"),
        *("tensors", "hx", "params", "_stacklevel", "compute_mode", "path"),
    )
)
"""Arguments that change no number, or are tensors."""
CASTING = ("dtype", "device")
"""Of these the ones that a formula takes where it is told what dtype to make."""
INDEXED = ("getitem", "setitem")
TURNED = {"where": (1, 0, 2)}
"""Ops that are also a method of another tensor than the first of the formula: ``x.where(condition, y)``."""
FIRST = ("x1", "self", "input")
"""What the first operand is called where a number stands in its place: ``torch.pow(2.0, x)``."""
FIRST_AT = {"where": 1}
"""Its place in the formula, where that is not 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One way to call a formula. ``places`` says per tensor of the op which symbol of the formula it stands for."""

    formula: Formula
    places: tuple[int, ...]
    arguments: tuple[Any, ...]
    """By position; a number in ``places`` is one of these, filled in when it is called; one that is left out has its default."""
    named: Mapping[str, Any]
    any_number: bool = False
    """Whether the formula takes its tensors as they come, however many there are."""

    def filled(self, tensors: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """What the formula is called with: by position, and by name."""
        if self.any_number:
            own = len(self.places)
            drawn = {self.formula.drawn: tensors[own]} if len(tensors) > own else {}
            return list(tensors[:own]), {**self.named, **drawn}
        filled = list(self.arguments)
        for place, tensor in zip(self.places, tensors, strict=True):
            filled[place] = tensor
        return filled, dict(self.named)

    def run(self, function: Function, tensors: Sequence[Any], *first: Any) -> Any:
        """The result of ``compute`` (or, after ``g`` and the output, of a VJP) for the op's tensors."""
        filled, named = self.filled(tensors)
        return function(*first, *filled, **named)

    def symbol(self, number: int) -> str:
        """The symbol of the op's ``number``-th tensor."""
        return self.formula.inputs[self.places[number]]


def ways(formula: Formula, told: Sequence[tuple[str, str]], tensors: int, *, drawn: bool = False) -> Iterator[Call]:
    """The ways to call a formula with so many tensors and the arguments that were recorded as ``told``.

    ``drawn``: after the op's tensors comes the mask that it drew. Raises ValueError where there is none.
    """
    parameters = _parameters(formula.compute)
    names = {parameter.name for parameter in parameters}
    texts = {name: text for name, text in told if name not in IDLE or (name in CASTING and name in names)}
    found, why = False, f"{formula.op} was called in a way that its formula does not know"
    for arguments in _values(formula, texts, tensors):
        if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
            places = formula.places(tensors, arguments) if formula.places is not None else (0,) * tensors
            yield Call(formula, places, (), _known(arguments, parameters), any_number=True)
            found = True
            continue
        for places in _ways(formula, tensors, drawn=drawn):
            try:
                call = _call(formula, parameters, places, arguments)
            except ValueError as error:
                why = str(error)
                continue
            found = True
            yield call
    if not found:
        raise ValueError(why)


def _values(formula: Formula, texts: Mapping[str, str], tensors: int) -> Iterator[dict[str, Any]]:
    """The arguments as values; of an index there may be two readings. Raises ValueError where one is not told whole."""
    if formula.op not in INDEXED:
        yield {name: value_of(text) for name, text in texts.items()}
        return
    unnamed = {"#1": "index", "#2": "value"}
    named = {unnamed.get(name, name): text for name, text in texts.items()}
    rest = {name: value_of(text) for name, text in named.items() if name != "index"}
    if "index" not in named:
        yield rest
        return
    for index in indices_of(named["index"]):
        yield {**rest, "index": index}


def _ways(formula: Formula, tensors: int, *, drawn: bool) -> Iterator[tuple[int, ...]]:
    own = len(formula.inputs) - (formula.drawn != "")
    last = (own,) if drawn else ()
    for places in itertools.combinations(range(own), tensors):
        yield (*places, *last)
    turned = TURNED.get(formula.op, ())[:tensors]
    if turned and len(turned) == tensors:
        yield turned


def _call(
    formula: Formula, parameters: tuple[inspect.Parameter, ...], places: tuple[int, ...], arguments: Mapping[str, Any]
) -> Call:
    names = tuple(parameter.name for parameter in parameters[: len(formula.inputs)])
    rest, strange = dict(arguments), _numbers(arguments, parameters)
    first = FIRST_AT.get(formula.op, 0)
    filled: list[Any] = []
    for slot in range(len(formula.inputs)):
        name = names[slot] if slot < len(names) else ""
        if slot in places:
            filled.append(None)
        elif name in rest:
            filled.append(rest.pop(name))
        elif strange and (slot == first) == (strange[0] in FIRST):
            filled.append(rest.pop(strange.pop(0)))
        elif slot >= len(parameters) or parameters[slot].default is inspect.Parameter.empty:
            raise ValueError(f"{formula.inputs[slot]} is not recorded")
        else:
            filled.append(parameters[slot].default)
    return Call(formula, places, tuple(filled), _known(rest, parameters))


def _numbers(arguments: Mapping[str, Any], parameters: tuple[inspect.Parameter, ...]) -> list[str]:
    """The names under which numbers stand in the places of tensors: those that the formula does not know, if it knows its own."""
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return []
    known = {parameter.name for parameter in parameters}
    return [name for name in arguments if name not in known]


def _known(arguments: Mapping[str, Any], parameters: tuple[inspect.Parameter, ...]) -> dict[str, Any]:
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
