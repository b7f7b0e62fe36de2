"""One op of a chain in float64: the calls of formulas that stand for it, run forwards on tensors that were computed before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..trace import NONE, Graph, Op
from .calling import Call
from .program import Step, Tensors, run, run_back, steps_of
from .registry import Formula, formula_of

Elements = Callable[[int], Any]
"""Gives the elements of a Value: the float64 ones of the chain, else those recorded. Raises ValueError where there are none."""

_OTHER_DTYPE = ("to", "type", "type_as", "float", "double", "half", "bfloat16", "_to_copy")
CASTS = frozenset((*_OTHER_DTYPE, "cpu", "cuda", "detach", "detach_", "alias", "requires_grad_"))
"""Ops whose output is their input in another dtype, in another place, or without its history: in float64 the same numbers."""
_CAST = Formula(
    "to", ("X", "Y"), "Z", "Z = X", (("X", "dL/dX = dL/dZ"),), "the identity",
    lambda x, *_: np.asarray(x, np.float64), {"X": lambda g, z, x, *_: np.asarray(g, np.float64)},
)  # fmt: skip
_BENDS = frozenset(("relu", "relu_", "leaky_relu", "leaky_relu_", "abs", "abs_", "absolute", "clamp", "clamp_", "clip", "clip_"))
_PAIRS = frozenset(("maximum", "minimum"))


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """An op that ran in float64. ``tensors`` are what its formulas read and made, ``same`` per output the Value there."""

    op: Op
    steps: tuple[Step, ...]
    outs: Sequence[Any]
    tensors: Tensors
    same: Mapping[int, int]

    def back(self, incoming: Mapping[int, Any]) -> Tensors:
        """The gradients of the inputs by Value, from those of the outputs."""
        inside = {self.same[value]: np.asarray(g, np.float64) for value, g in incoming.items() if value in self.same}
        return run_back(self.steps, self.tensors, list(self.outs), inside)


def run_op(graph: Graph, op: Op, known: Elements, recorded: Elements, mask: Callable[[Op], Any]) -> Ran:
    """Run an op by its formula, a custom Function by those of the ops inside; ``mask`` tells what a dropout kept.

    Raises one of ``REFUSED`` where that cannot be.
    """

    def seen(value: int) -> Any:
        return recorded(value) if value in op.outputs or graph.values[value].op == op.id else known(value)

    steps = (_cast(op),) if _is_cast(op) else steps_of(graph, op, seen, mask)
    made = {value for step in steps for value in step.op.outputs}
    tensors = {value: known(value) for step in steps for value in step.op.inputs if value not in made}
    found, outs = run(steps, tensors)
    same = _inside(graph, op, steps, found, recorded) if op.custom else {value: value for value in op.outputs if value in found}
    floats = [value for value in op.outputs if graph.values[value].dtype.startswith(("float", "bfloat"))]
    if any(value not in same for value in floats):
        raise ValueError(f"{op.name} writes through a view, which its formula does not tell")
    return Ran(op, steps, outs, found, same)


def _is_cast(op: Op) -> bool:
    return op.name in CASTS and formula_of(op.name) is None and 1 <= len(op.inputs) <= 2 and len(op.outputs) == 1


def _cast(op: Op) -> Step:
    places = tuple(range(len(op.inputs)))
    return Step(op, Call(_CAST, places, (None,) * len(places), {}))


def _inside(graph: Graph, op: Op, steps: Sequence[Step], found: Tensors, recorded: Elements) -> dict[int, int]:
    """Per output of a custom Function the Value inside that it is: the last one with the same recorded elements."""
    inside = [value for step in steps for value in step.op.outputs if value in found]
    read = {value for step in steps for value in step.op.inputs}
    pairs: dict[int, int] = {}
    for value in op.outputs:
        if not graph.values[value].dtype.startswith(("float", "bfloat")):
            continue
        pairs[value] = _equal(value, inside, recorded)
        if pairs[value] == NONE and len(op.outputs) == 1 and inside and inside[-1] not in read:
            pairs[value] = inside[-1]  # its elements were not kept
        if pairs[value] == NONE:
            raise ValueError(f"what {op.name} gave is not what the ops inside it made")
    return pairs


def _equal(value: int, inside: Sequence[int], recorded: Elements) -> int:
    try:
        seen = recorded(value)
        return next((one for one in reversed(inside) if np.array_equal(seen, recorded(one), equal_nan=True)), -2)
    except ValueError:
        return NONE


def flipped(ran: Ran, recorded: Elements) -> int:
    """How many elements of an op with a kink stand on its other side in float64 than they were recorded."""
    name, inputs = ran.op.name, ran.op.inputs
    try:
        if name in _PAIRS and len(inputs) == 2:
            sides = [np.asarray(of(inputs[0])) > np.asarray(of(inputs[1])) for of in (ran.tensors.__getitem__, recorded)]
        elif name in _BENDS or name in _PAIRS:
            numbers = _bounds(ran.op)
            sides = [
                np.stack([np.asarray(of(inputs[0])) > bound for bound in numbers]) for of in (ran.tensors.__getitem__, recorded)
            ]
        else:
            return 0
    except (ValueError, KeyError):
        return 0
    return int((sides[0] != sides[1]).sum()) if sides[0].shape == sides[1].shape else 0


def _bounds(op: Op) -> list[float]:
    """Where an op of one tensor has its kinks."""
    if not op.name.startswith(("clamp", "clip", *_PAIRS)):
        return [0.0]
    names = ("min", "max", "a_min", "a_max", "x1", "x2", "other")
    return [float(text) for name, text in op.arguments if name in names and text not in ("None", "")]


def parts_of(ran: Ran) -> dict[int, Any]:
    """The outputs of an op in float64, by Value."""
    return {value: ran.tensors[same] for value, same in ran.same.items()}
