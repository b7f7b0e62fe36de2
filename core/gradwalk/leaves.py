"""The leaves that learn: per Graph which Edge brings each its gradient and which Values an update leads from and to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .same import Same
from .tape import index, label_of
from .trace import NONE, STATISTICS, Graph, Trace

Ints = NDArray[np.intp]
Numbers = NDArray[np.float64]
SUM, SQUARES, COUNT = (STATISTICS.index(name) for name in ("sum", "sumsq", "count"))


@dataclass(frozen=True, slots=True, eq=False)
class Leaves:
    """The leaves and parameters that require grad, in arrays ``[leaves]``; NONE where there is no such thing."""

    values: Ints
    names: tuple[str, ...]
    edges: Ints
    """The Edge whose gradient is the leaf's: that of its ``.grad``, else the last that brings one."""
    written: Ints
    """The Value that the last update of the step makes of it."""
    writers: Ints
    """The Event of that update."""
    backward: bool
    """Whether a backward runs in the step."""


def leaves_of(graph: Graph) -> Leaves:
    """The leaves of a Graph (cached)."""
    return _leaves(Same(graph))


@lru_cache(maxsize=64)
def _leaves(key: Same[Graph]) -> Leaves:
    graph = key.thing
    values = _learning(graph)
    edges, written, writers = _gradient_edges(graph), dict[int, int](), dict[int, int]()
    for event in graph.events:
        if event.phase == "update" and event.kind in ("op", "update"):
            for output in graph.ops[event.ref].outputs:
                first = _first_version(graph, output)
                written[first], writers[first] = output, event.id
    return Leaves(
        np.array(values, dtype=np.intp),
        tuple(label_of(graph.values[value]) for value in values),
        np.array([edges.get(value, NONE) for value in values], dtype=np.intp),
        np.array([written.get(value, NONE) for value in values], dtype=np.intp),
        np.array([writers.get(value, NONE) for value in values], dtype=np.intp),
        any(event.phase == "backward" for event in graph.events),
    )


def _learning(graph: Graph) -> list[int]:
    """The Values that are leaves and require grad; no older version of one that the step uses."""
    look = index(graph)
    leaves = [value for value in graph.values if value.op == NONE and (value.parameter or value.role == "leaf")]
    used = {value.id for value in leaves if look.consumers[value.id] or value.id in look.node_of_leaf}
    names = {graph.values[value].name for value in used}
    return [v.id for v in leaves if v.requires_grad and (v.id in used or not v.name or v.name not in names)]


def _gradient_edges(graph: Graph) -> dict[int, int]:
    """Per Value the Edge that carries its gradient: the last one to a ``.grad``, else the last one at all."""
    made = {edge for edges in index(graph).edges_of_event for edge in edges}
    carrying = [edge for edge in graph.edges if edge.value != NONE and edge.id in made]
    return {edge.value: edge.id for kept in (False, True) for edge in carrying if (edge.target == NONE) is kept}


def _first_version(graph: Graph, value: int) -> int:
    while graph.values[value].base != NONE:
        value = graph.values[value].base
    return value


def gradient_rms(trace: Trace, leaves: Leaves) -> Numbers:
    """The RMS of the gradient of each leaf, ``[leaves]``; NaN where there is none or it was not counted."""
    found: Numbers = np.full(len(leaves.values), np.nan)
    there = leaves.edges != NONE
    table = trace.gradients[:, leaves.edges[there]]
    with np.errstate(all="ignore"):
        found[there] = np.sqrt(np.where(table[COUNT] > 0, table[SQUARES] / table[COUNT], np.nan))
    return found


def least_update(trace: Trace, leaves: Leaves) -> Numbers:
    """A lower bound of |update| / |weight| of each leaf, ``[leaves]``, from the statistics before and after; NaN for none.

    With d = w' - w: |d| >= ||w'| - |w|| (the triangle inequality), |d| >= |sum d| / sqrt(n) (Cauchy and Schwarz).
    """
    found: Numbers = np.full(len(leaves.values), np.nan)
    there = leaves.written != NONE
    found[there] = least_ratios(trace.values[:, leaves.values[there]], trace.values[:, leaves.written[there]])
    return found


def least_ratios(old: Numbers, new: Numbers) -> Numbers:
    """The same from tables ``[8, ...]`` of statistics before and after."""
    with np.errstate(all="ignore"):
        norms = np.abs(np.sqrt(new[SQUARES]) - np.sqrt(old[SQUARES]))
        sums = np.abs(new[SUM] - old[SUM]) / np.sqrt(old[COUNT])
        ratio = np.maximum(norms, sums) / np.sqrt(old[SQUARES])
        found: Numbers = np.where((old[COUNT] > 0) & (old[SQUARES] > 0), ratio, np.nan)
    return found


def exact_update(trace: Trace, old: int, new: int) -> float | None:
    """|update| / |weight| of a leaf from its elements before and after; None where these were not kept."""
    before, after = trace.tensors.get(("value", old)), trace.tensors.get(("value", new))
    if before is None or after is None or not (before.complete and after.complete) or before.data.dtype.kind not in "f":
        return None
    weight = np.asarray(before.data, np.float64)
    size = float(np.linalg.norm(weight))
    change = float(np.linalg.norm(np.asarray(after.data, np.float64) - weight))
    return change / size if size else (math.inf if change else 0.0)
