"""One op, or the ops inside a custom Function, computed again by the formulas: forwards, then backwards. All in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..tape import value_label
from ..trace import Graph, Op
from .calling import Call, ways
from .made import DRAWN
from .registry import Array, formula_of
from .untold import arguments_of

Tensors = dict[int, Any]
"""Elements by a Value's id: float64, or whole numbers and truth values as they are."""
Recorded = Callable[[int], Any]
"""Gives the recorded elements of a Value; raises ValueError, with the reason, where they are not there."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """An op and how its formula is called."""

    op: Op
    call: Call
    extra: tuple[Any, ...] = ()
    """What the formula takes besides the op's tensors: the mask that the op drew."""

    def forward(self, tensors: Tensors) -> Any:
        """The output (or the outputs) of the formula for tensors by Value."""
        return self.call.run(self.call.formula.compute, self.inputs(tensors))

    def backward(self, tensors: Tensors, out: Any, g: Any) -> dict[int, Any]:
        """The gradients of the op's inputs, by Value; of an input that is read twice their sum."""
        inputs, found = self.inputs(tensors), dict[int, Any]()
        for symbol, vjp in self.call.formula.vjps.items():
            numbers = [number for number in range(len(self.op.inputs)) if self.call.symbol(number) == symbol]
            if not numbers:
                continue
            made = self.call.run(vjp, inputs, g, out)
            for number, part in zip(numbers, made if isinstance(made, list) else [made], strict=True):
                value = self.op.inputs[number]
                found[value] = found[value] + part if value in found else part
        return found

    def inputs(self, tensors: Tensors) -> list[Any]:
        """What the formula takes, of tensors by Value, in the op's order."""
        return [*(tensors[value] for value in self.op.inputs), *self.extra]


def outputs_of(out: Any) -> tuple[Any, ...]:
    """What a formula gives, as a tuple with an array for each output."""
    return tuple(out) if isinstance(out, tuple | list) else (out,)


def steps_of(graph: Graph, op: Op, recorded: Recorded, mask: Callable[[Op], Any]) -> tuple[Step, ...]:
    """The op itself, or the ops that ran inside a custom Function, each with the call that gives what was recorded.

    Raises ValueError where one of them cannot be computed: in words.
    """
    if not op.custom:
        return (_step(graph, op, recorded, mask),)
    inside = [other for other in graph.ops if other.parent == op.id and other.phase == "forward"]
    if not inside:
        raise ValueError(f"{op.name} is a custom Function: there is no formula, and no ops inside its forward were recorded")
    made: list[Step] = []
    for other in inside:
        made += steps_of(graph, other, recorded, mask)
    return tuple(made)


def _step(graph: Graph, op: Op, recorded: Recorded, mask: Callable[[Op], Any]) -> Step:
    if op.name in DRAWN:
        raise ValueError(f"{op.name} draws its numbers at random")
    formula = formula_of(op.name, op.arguments)
    if formula is None:
        raise ValueError(f"there is no formula for {op.name}")
    if writes_through_view(graph, op):  # of the tensor that lies under the view the formula tells nothing
        op = replace(op, inputs=op.inputs[:-1], outputs=op.outputs[:1])
    tensors = {value: recorded(value) for value in op.inputs}
    extra = (mask(op),) if formula.drawn else ()
    drawn = bool(formula.drawn)
    steps = [Step(op, call, extra) for call in ways(formula, arguments_of(graph, op), len(op.inputs), drawn=drawn)]
    if len(steps) == 1:
        return steps[0]
    ranks = [(*_rank(graph, step, tensors, recorded), number) for number, step in enumerate(steps)]
    return steps[min(ranks)[-1]]


def writes_through_view(graph: Graph, op: Op) -> bool:
    """Whether an op writes in place to a view: then it reads its base last, and the base's next version is its last output."""
    if op.name == "setitem" or len(op.outputs) != 2 or len(op.inputs) < 2:
        return False
    return [graph.values[value].base for value in op.outputs] == [op.inputs[0], op.inputs[-1]]


def _without_gradient(graph: Graph, step: Step) -> int:
    """How many inputs that require grad stand for symbols that get none: a weight is no running variance."""
    learning = [number for number, value in enumerate(step.op.inputs) if graph.values[value].requires_grad]
    return sum(step.call.symbol(number) not in step.call.formula.vjps for number in learning)


def _rank(graph: Graph, step: Step, tensors: Tensors, recorded: Recorded) -> tuple[bool, int, float]:
    """The less, the likelier is a way to call: whether it gives something else than about what was recorded (or is refused),
    what learns without a gradient, and how far what it gives is from that on the whole.
    """
    try:
        with np.errstate(all="ignore"):
            pairs = list(zip(outputs_of(step.forward(tensors)), map(recorded, step.op.outputs), strict=False))
            if any(np.shape(out) != np.shape(seen) or (np.isnan(out) != np.isnan(seen)).any() for out, seen in pairs):
                return True, len(step.op.inputs) + 1, math.inf
            other = not all(np.allclose(out, seen, rtol=0.05, atol=1e-6, equal_nan=True) for out, seen in pairs)
            apart = sum(float(np.nansum(np.abs(np.subtract(out, seen, dtype=np.float64)))) for out, seen in pairs)
    except REFUSED:
        return True, len(step.op.inputs) + 1, math.inf
    return other, _without_gradient(graph, step), apart if math.isfinite(apart) else math.inf


REFUSED = (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError, StopIteration, MemoryError)
"""What a formula raises that was called with what it does not know."""


def run(steps: Sequence[Step], tensors: Mapping[int, Any]) -> tuple[Tensors, list[Any]]:
    """All tensors by Value, computed one after the other from the given ones; and the output of each step."""
    found, outs = dict(tensors), []
    for step in steps:
        out = step.forward(found)
        outs.append(out)
        found.update(zip(step.op.outputs, outputs_of(out), strict=False))
    return found, outs


def run_back(steps: Sequence[Step], tensors: Tensors, outs: Sequence[Any], seeds: Mapping[int, Array]) -> Tensors:
    """The gradients by Value that come of those of the last outputs; gradients that meet are added."""
    gradients: Tensors = dict(seeds)
    for step, out in zip(reversed(steps), reversed(outs), strict=True):
        parts = outputs_of(out)
        if not any(value in gradients for value in step.op.outputs):
            continue
        given = [gradients.get(value, np.zeros(np.shape(part))) for value, part in zip(step.op.outputs, parts, strict=False)]
        g = given if isinstance(out, tuple | list) else given[0]
        for value, part in step.backward(tensors, out, g).items():
            gradients[value] = gradients[value] + part if value in gradients else part
    return gradients


def named(graph: Graph, value: int) -> str:
    """What a Value is called in a sentence."""
    return value_label(graph, value)
