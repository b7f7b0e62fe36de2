"""One op in its different spellings: mm, dot and @; clamp(min=0) and maximum(X, 0); pow(2) and square; what only passes on.

The tables say which names are one op; names that the reference has one formula for need no entry.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from ..reference.arguments import value_of
from ..reference.calling import IDLE
from ..reference.registry import formulas
from ..trace import Op, Shape

Said: TypeAlias = tuple[tuple[Hashable, Hashable], ...]
"""The arguments that are no tensors, each with the place or the name that it has in every spelling."""

SAME = {
    **dict.fromkeys(("dot", "inner", "__rmatmul__"), "mm"),
    **dict.fromkeys(("clamp_min", "clip"), "clamp"),
    **dict.fromkeys(("swapaxes", "swapdims", "permute", "mT", "adjoint"), "t"),
    **dict.fromkeys(("astype", "to", "detach", "ascontiguousarray", "asarray", "array", "alias", "float", "double"), "copy"),
}
"""More names of an op than its formula is registered under."""
PASSING = ("copy",)
"""Ops whose output holds the elements of their input."""
COMMUTATIVE = frozenset(("add", "mul", "maximum", "minimum", "eq", "ne"))
REVERSED = {"rsub": "sub", "rdiv": "div", "rpow": "pow"}
"""Ops of a number and a tensor that are another op with the number first."""
BINARY = frozenset((*COMMUTATIVE, "sub", "div", "pow", "lt", "le", "gt", "ge"))
"""Ops of two operands, of which one may be a number."""
FIRST = ("x1", "self", "input")
"""What a number is called that is the first of two operands."""
RENAMED = {"axis": "dim", "axes": "dim", "keepdims": "keepdim", "a_min": "min", "a_max": "max"}
PARTS: Mapping[str, tuple[Any, ...]] = {
    "linear": ("add", ("mm", 0, ("t", 1)), 2),
    "addmm": ("add", 0, ("mm", 1, 2)),
    "mse_loss": ("mean", ("square", ("sub", 0, 1))),
}
"""Ops that are several in one, as the ops that they stand for; a number is an input of theirs."""
WITHOUT_BIAS = ("mm", 0, ("t", 1))


@dataclass(frozen=True, slots=True)
class Spelled:
    """An op as it is called in every spelling. ``parts`` is set where it stands for several (see :data:`PARTS`)."""

    name: str
    said: Said = ()
    parts: tuple[Any, ...] = ()


def spelled(op: Op, shapes: tuple[Shape, ...]) -> Spelled:
    """An op by its common name. ``shapes`` are those of its inputs."""
    name, said = common_name(op.name), _said(op)
    if name in REVERSED:
        name, said = REVERSED[name], {0: next(iter(said.values()), None)}
    elif name in BINARY and len(op.inputs) == 1 and len(said) == 1:
        key, number = next(iter(said.items()))
        said = {"" if name in COMMUTATIVE else int(key not in FIRST): number}
    if name in PASSING:
        said = {}
    if name == "t" and shapes and len(shapes[0]) == 2:
        said = {}
    if _is_relu(name, said):
        name, said = "relu", {}
    if (name == "pow" and said == {1: 2}) or (name == "mul" and len(op.inputs) == 2 and op.inputs[0] == op.inputs[1]):
        name, said = "square", {}
    parts = _parts(name, said, len(op.inputs))
    return Spelled(name, tuple(sorted(said.items(), key=repr)), parts)


@cache
def common_name(name: str) -> str:
    """The name that an op has in every spelling; of an op that nobody knows its own."""
    short = name.rstrip("_") if not name.startswith("__") else name
    for one in (name, short):
        if one in SAME:
            return SAME[one]
        if one in _first_names():
            return _first_names()[one]
    return short or name


@cache
def _first_names() -> dict[str, str]:
    """Every name that a formula is registered under, and the first of those that share it."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(formula.compute), name) for name, formula in formulas().items()}


def _said(op: Op) -> dict[Hashable, Hashable]:
    said: dict[Hashable, Hashable] = {}
    for name, text in op.arguments:
        value = _value(text)
        if name not in IDLE and value is not None and value is not False:
            said[RENAMED.get(name, name)] = value
    return said


def _value(text: str) -> Hashable:
    """What an argument's text stands for; the text itself where it does not tell."""
    try:
        value = value_of(text)
        hash(value)
    except (ValueError, TypeError):
        return text
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_relu(name: str, said: Mapping[Hashable, Hashable]) -> bool:
    return (name == "clamp" and said == {"min": 0}) or (name == "maximum" and said == {"": 0})


def _parts(name: str, said: Mapping[Hashable, Hashable], inputs: int) -> tuple[Any, ...]:
    if name == "mse_loss":
        how = said.get("reduction", "mean")
        return (str(how), *PARTS[name][1:]) if how in ("mean", "sum") and inputs == 2 else ()
    if said or name not in PARTS:
        return ()
    if name == "linear" and inputs == 2:
        return WITHOUT_BIAS
    return PARTS[name] if inputs == 3 else ()
