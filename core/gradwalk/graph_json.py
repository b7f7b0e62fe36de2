"""A step's graph as plain data for JSON, with what has happened at a playhead."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scales import as_recorded, scale_of_edge, scale_of_value
from .show import number_json, stats_json, value_json
from .tape import label_of, moments, target_of
from .trace import NONE, Trace

FORMAT = "gradwalk-graph 1"


def graph_json(trace: Trace, position: int) -> dict[str, Any]:
    """Values, ops, Nodes, edges and modules of a step; ``done`` says what has happened when ``position`` events have run.

    Ids are indices into these lists; null stands for "none". Statistics of what has not happened yet are null. ``scale`` is the
    factor of a GradScaler that a gradient carries.
    """
    trace = as_recorded(trace)
    graph, when = trace.graph, moments(trace)
    return {
        "format": FORMAT,
        "step": trace.step,
        "position": position,
        "events": len(trace.tape),
        "loss": number_json(trace.loss),
        "values": _values(trace, _done(when.values, position)),
        "ops": _ops(trace, _done(when.ops, position)),
        "nodes": _nodes(trace, _done(when.nodes, position)),
        "edges": _edges(trace, _done(when.edges, position)),
        "modules": [
            {"id": module.id, "name": module.name, "path": module.path, "kind": module.kind, "parent": _id(module.parent)}
            for module in graph.modules
        ],
    }


def _done(moment: NDArray[np.int32], position: int) -> list[bool]:
    """Per thing whether it has happened; a leaf or an input is there from the start."""
    done: list[bool] = ((moment >= 0) & (moment < position)).tolist()
    return done


def _id(number: int) -> int | None:
    return None if number == NONE else number


def _values(trace: Trace, done: list[bool]) -> list[dict[str, Any]]:
    made = []
    for value in trace.graph.values:
        there = done[value.id] or value.op == NONE
        about = value_json(trace, value.id)
        made.append(
            {
                **about,
                "role": value.role,
                "requires_grad": value.requires_grad,
                "op": _id(value.op),
                "parameter": value.parameter,
                "scale": scale_of_value(trace, value.id),
                "base": _id(value.base),
                "gradient_of": _id(value.gradient_of),
                "done": there,
                "stats": about["stats"] if there else None,
            }
        )
    return made


def _ops(trace: Trace, done: list[bool]) -> list[dict[str, Any]]:
    graph = trace.graph
    made = []
    for op in graph.ops:
        site = graph.sites[op.site] if op.site != NONE else None
        made.append(
            {
                "id": op.id,
                "name": op.name,
                "phase": op.phase,
                "variable": op.variable,
                "arguments": dict(op.arguments),
                "module": _id(op.module),
                "parent": _id(op.parent),
                "custom": op.custom,
                "tags": list(op.tags),
                "inputs": list(op.inputs),
                "outputs": list(op.outputs),
                "file": site.file if site else None,
                "line": site.line if site else None,
                "expression": site.expression if site else None,
                "done": done[op.id],
            }
        )
    return made


def _nodes(trace: Trace, done: list[bool]) -> list[dict[str, Any]]:
    return [
        {
            "id": node.id,
            "name": node.name,
            "op": _id(node.op),
            "leaf": _id(node.leaf),
            "variable": label_of(trace.graph.values[node.leaf]) if node.leaf != NONE else None,
            "saved": [
                {"name": saved.name, "value": _id(saved.value), "shape": list(saved.shape), "bytes": saved.bytes}
                for saved in node.saved
            ],
            "done": done[node.id],
        }
        for node in trace.graph.nodes
    ]


def _edges(trace: Trace, done: list[bool]) -> list[dict[str, Any]]:
    return [
        {
            "id": edge.id,
            "source": _id(edge.source),
            "output": edge.output,
            "target": _id(edge.target),
            "input_nr": edge.input_nr,
            "to": target_of(trace.graph, edge),
            "value": _id(edge.value),
            "backward": edge.backward,
            "none": edge.none,
            "scale": scale_of_edge(trace, edge.id),
            "done": done[edge.id],
            "stats": stats_json(trace.gradients, edge.id) if done[edge.id] else None,
        }
        for edge in trace.graph.edges
    ]
