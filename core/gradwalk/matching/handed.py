"""The backward of a custom Function from within: which Values are the gradients that it was given, and which it gave back."""

from __future__ import annotations

from collections.abc import Iterator

from ..tape import index
from ..trace import NONE, Graph, Op


def handed(graph: Graph) -> Iterator[tuple[int, int]]:
    """Pairs of a Value inside of a backward and the Value whose gradient it is.

    The ops of such a backward ran right before its Node was done. They read what was handed in as inputs that no other op knows;
    what the last of them made is handed back where the Function has one input to give a gradient to.
    """
    look, run = index(graph), list[Op]()
    for event in graph.events:
        if event.kind == "op" and "in backward" in graph.ops[event.ref].tags:
            run.append(graph.ops[event.ref])
            continue
        if run and event.kind == "node":
            node = graph.nodes[event.ref]
            if node.op != NONE and graph.ops[node.op].custom:
                given = [graph.edges[edge].value for edge in look.edges_from[node.id] if not graph.edges[edge].none]
                yield from _taken(graph, run, graph.ops[node.op])
                yield from _given(graph, run, given)
        run = []


def _taken(graph: Graph, run: list[Op], custom: Op) -> Iterator[tuple[int, int]]:
    read = dict.fromkeys(value for op in run for value in op.inputs)
    known = {value for op in graph.ops if op.phase != "backward" for value in op.inputs}
    new = [value for value in read if graph.values[value].op == NONE and value not in known]
    for value, output in zip(new, custom.outputs, strict=False):
        if graph.values[value].shape == graph.values[output].shape:
            yield value, output


def _given(graph: Graph, run: list[Op], given: list[int]) -> Iterator[tuple[int, int]]:
    last = run[-1].outputs[-1:]
    if len(given) == 1 and given[0] != NONE and last and graph.values[last[0]].shape == graph.values[given[0]].shape:
        yield last[0], given[0]
