"""What goes into a module call and comes out of it, and what it holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from gradwalk.same import Same
from gradwalk.saved import ModuleRow, saved_by_module
from gradwalk.tape import index, shape_of
from gradwalk.trace import NONE, Graph, Trace

from .subject import ops_inside


@dataclass(frozen=True, slots=True, eq=False)
class Boundary:
    """Ids of Values: what is read inside and made outside, what is made inside and read outside (or by nothing), parameters.

    Parameters are all leaves, and those that are frozen.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    parameters: tuple[int, ...]


def boundary_of(graph: Graph, module: int) -> Boundary:
    """The boundary of a module call (cached)."""
    return _boundary(Same(graph), module)


@lru_cache(maxsize=64)
def _boundary(key: Same[Graph], module: int) -> Boundary:
    graph, look = key.thing, index(key.thing)
    inside = frozenset(ops_inside(graph, module))
    forward = [graph.ops[op] for op in sorted(inside) if graph.ops[op].phase == "forward"]
    read = dict.fromkeys(value for op in forward for value in op.inputs)
    made = dict.fromkeys(value for op in forward for value in op.outputs)
    outside = [value for value in read if value not in made]
    leaves = tuple(value for value in outside if graph.values[value].role == "leaf" or graph.values[value].parameter)
    inputs = tuple(value for value in outside if value not in leaves)
    outputs = tuple(value for value in made if _goes_out(graph, look.consumers[value], inside))
    return Boundary(inputs, outputs, leaves)


def _goes_out(graph: Graph, readers: tuple[int, ...], inside: frozenset[int]) -> bool:
    ahead = [op for op in readers if graph.ops[op].phase == "forward"]
    return not ahead or any(op not in inside for op in ahead)


def size_of_parameters(trace: Trace, module: int) -> int:
    """How many elements the leaves that a module call reads have."""
    return sum(math.prod(shape_of(trace, value)) for value in boundary_of(trace.graph, module).parameters)


def kept_by(trace: Trace, module: int) -> ModuleRow | None:
    """What the ops of a module keep for the backward, or None for nothing."""
    return _kept(Same(trace)).get(trace.graph.modules[module].path) if module != NONE else None


@lru_cache(maxsize=4)
def _kept(key: Same[Trace]) -> dict[str, ModuleRow]:
    return {row.module: row for row in saved_by_module(key.thing)}
