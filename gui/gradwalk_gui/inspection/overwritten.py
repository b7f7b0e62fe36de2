"""Which saved tensors were written in place after they were kept, before their Node ran (or while it has not)."""

from __future__ import annotations

from functools import lru_cache

from gradwalk.same import Same
from gradwalk.trace import NONE, Graph, Saved, Trace

from .subject import moments_of


def writes_to(trace: Trace, node: int, saved: Saved) -> tuple[int, ...]:
    """The ops, in order, that wrote to a saved tensor between its keeping and the run of its Node."""
    graph, when = trace.graph, moments_of(trace)
    by, ran = graph.nodes[node].op, int(when.nodes[node])
    if saved.value == NONE or by == NONE or saved.name.startswith("running_"):
        return ()
    end = ran if ran != NONE else len(trace.tape)
    found = [op for op in _writers(Same(graph)).get(saved.value, ()) if op != by]
    return tuple(op for op in found if int(when.ops[by]) < int(when.ops[op]) < end)


@lru_cache(maxsize=16)
def _writers(key: Same[Graph]) -> dict[int, tuple[int, ...]]:
    """Per Value the ops that made a later version of it."""
    found: dict[int, list[int]] = {}
    for value in key.thing.values:
        if value.base != NONE and value.op != NONE:
            found.setdefault(value.base, []).append(value.op)
    return {value: tuple(ops) for value, ops in found.items()}
