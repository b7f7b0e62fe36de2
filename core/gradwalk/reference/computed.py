"""One op of a step computed again from what was recorded: its formula, or those of the ops inside a custom Function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .program import Step, Tensors, named, run, steps_of
from .recorded import Recorded


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """The calls of formulas, what they were given, all that they made by Value, and what each of them gave."""

    steps: tuple[Step, ...]
    tensors: Tensors
    found: Tensors
    outs: list[Any]
    outputs: dict[int, int]
    """Per output of the op the Value that was computed for it: itself, or inside a custom Function the one that is equal."""


def computed(recorded: Recorded) -> Computed:
    """Compute the op of ``recorded`` forwards. Raises what ``program.REFUSED`` lists where that cannot be done."""
    steps = steps_of(recorded.trace.graph, recorded.op, recorded.value, recorded.mask)
    tensors = {value: recorded.value(value) for step in steps for value in _outside(step, steps)}
    found, outs = run(steps, tensors)
    return Computed(steps, tensors, found, outs, _outputs(recorded, found))


def _outside(step: Step, steps: Sequence[Step]) -> list[int]:
    """The Values that a step reads and no step makes."""
    made = {value for other in steps for value in other.op.outputs}
    return [value for value in step.op.inputs if value not in made]


def _outputs(recorded: Recorded, found: Tensors) -> dict[int, int]:
    graph, op = recorded.trace.graph, recorded.op
    if not op.custom:
        return {value: value for value in op.outputs if value in found}
    inside = [value for other in graph.ops if other.parent == op.id for value in other.outputs]
    pairs = {}
    for value in op.outputs:
        seen = recorded.value(value)
        same = [i for i in reversed(inside) if i in found and _alike(seen, recorded.value(i))]
        if not same:
            raise ValueError(f"{named(graph, value)} is not what the ops inside {op.name} made")
        pairs[value] = same[0]
    return pairs


def _alike(first: Any, second: Any) -> bool:
    return np.shape(first) == np.shape(second) and bool(
        np.array_equal(first, second, equal_nan=np.asarray(first).dtype.kind == "f")
    )
