"""How far a recorded tensor is from what the reference gives for it, element by element: what is behind a row of a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..trace import Op, TensorKey, Trace
from .computed import computed
from .program import REFUSED, run_back
from .recorded import Recorded


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A tensor as it was recorded and as the reference gives it, float64 of one shape."""

    recorded: NDArray[np.float64]
    expected: NDArray[np.float64]

    @property
    def errors(self) -> NDArray[np.float64]:
        """``|recorded - expected|``: 0 where NaN or the same Inf stands on both sides, Inf where it stands on one."""
        seen, expected = self.recorded, self.expected
        same = (seen == expected) | (np.isnan(seen) & np.isnan(expected))
        both = np.isfinite(seen) & np.isfinite(expected)
        with np.errstate(all="ignore"):
            off: NDArray[np.float64] = np.where(same, 0.0, np.where(both, np.abs(seen - expected), np.inf))
        return off


def errors(trace: Trace, op: Op, tensor: TensorKey) -> NDArray[np.float64]:
    """The absolute difference of every element of a tensor that a verdict has a row for, float64 of the tensor's shape.

    ``tensor`` is an output of the op, or the Edge on which the gradient of one of its inputs leaves (those of an input that is
    read twice are added). Raises ValueError, in words, where it cannot be computed.
    """
    return sides(trace, op, tensor).errors


def sides(trace: Trace, op: Op, tensor: TensorKey) -> Side:
    """Both sides of what :func:`errors` compares. Raises ValueError, in words, where they cannot be computed."""
    recorded = Recorded(trace, op)
    with np.errstate(all="ignore"):
        try:
            seen, expected = (_output if tensor[0] == "value" else _gradient)(recorded, tensor[1])
        except REFUSED as error:
            raise ValueError(str(error) or type(error).__name__) from error
    seen, expected = np.asarray(seen, np.float64), np.asarray(expected, np.float64)
    if seen.shape != expected.shape:
        raise ValueError(f"the reference gives the shape {expected.shape}, recorded is {seen.shape}")
    return Side(seen, expected)


def _output(recorded: Recorded, value: int) -> tuple[Any, Any]:
    """An output as recorded, and as computed."""
    made = computed(recorded)
    return recorded.value(value), made.found[made.outputs[value]]


def _gradient(recorded: Recorded, edge: int) -> tuple[Any, Any]:
    """The gradient of an input as recorded, summed where several leave, and as computed."""
    found = [(value, edges) for value, edges in recorded.given().items() if any(one.id == edge for one in edges)]
    if not found:
        raise ValueError(f"{recorded.op.name} gave no gradient there in its last backward")
    value, edges = found[0]
    made = computed(recorded)
    seeds = {made.outputs[output]: g for output, g in recorded.incoming()[0].items()}
    return sum(recorded.gradient(one) for one in edges), run_back(made.steps, made.found, made.outs, seeds)[value]
