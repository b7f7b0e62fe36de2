"""Arguments that a call may leave to torch, which then takes them from the dtype of a tensor."""

from __future__ import annotations

from ..trace import Arguments, Graph, Op
from .rounding import UNIT


def arguments_of(graph: Graph, op: Op) -> Arguments:
    """The arguments of an op, with those that it left out and that are not the same for every dtype."""
    if op.name == "rms_norm" and op.inputs and "eps" not in dict(op.arguments):
        return (*op.arguments, ("eps", str(machine_epsilon(graph.values[op.inputs[0]].dtype))))
    return op.arguments


def machine_epsilon(dtype: str) -> float:
    """The ``eps`` of torch's RMSNorm without one: the distance from 1 to the next number of the dtype in which it computes, which
    is float32 for all that is stored in fewer bits (``rms_norm`` in aten/src/ATen/native/layer_norm.cpp, ``opmath_t``).
    """
    return 2 * min(UNIT.get(dtype, UNIT["float32"]), UNIT["float32"])
