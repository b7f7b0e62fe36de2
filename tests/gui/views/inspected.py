"""Sessions to inspect, and how what stands in the inspector reads as plain text."""

from __future__ import annotations

import re
from types import MappingProxyType

import numpy as np

from gradwalk.builder import GraphBuilder
from gradwalk.sample import statistics_of
from gradwalk.trace import NONE, Kept, Trace, empty_table
from gradwalk_gui.session import Session


class Steps(list):
    def losses(self):
        return np.array([np.nan if trace.loss is None else trace.loss for trace in self])

    def source(self, file):
        return None


def opened(*traces):
    session = Session()
    session.open(Steps(traces))
    return session


def plain(block):
    return re.sub(
        r"\s+",
        " ",
        re.sub(r"<[^>]+>", " ", block.text())
        .replace("&nbsp;", " ")
        .replace("\N{NO-BREAK SPACE}", " ")
        .replace("\N{ZERO WIDTH SPACE}", ""),
    ).strip()


def under(view, symbol, row=0):
    """What stands under a symbol of the formula card."""
    return next(token.under for token in view.formula.card.card().rows[row].tokens if token.text == symbol)


def fan_out(first=((1.0, -2.0),), second=((0.5, 2.0),)):
    """x read by two ops, so that two gradients of it meet; all of it tiny, everything kept."""
    build = GraphBuilder()
    x = build.add_value((1, 2), "float32", name="x", role="leaf", requires_grad=True)
    outs = [build.add_value((1, 2), "float32", name=name, requires_grad=True) for name in ("a", "b")]
    ops = [
        build.add_op(name, (x,), (out,), variable=out_name)
        for name, out, out_name in (("exp", outs[0], "a"), ("tanh", outs[1], "b"))
    ]
    for op in ops:
        build.add_event("op", "forward", op)
    nodes = [build.add_node(name, op=op) for name, op in (("ExpBackward0", ops[0]), ("TanhBackward0", ops[1]))]
    leaf = build.add_node("AccumulateGrad", leaf=x)
    seeds = [build.add_edge(NONE, node, value=out) for node, out in zip(nodes, outs, strict=True)]
    parts = [build.add_edge(node, leaf, value=x) for node in nodes]
    total = build.add_edge(leaf, NONE, value=x)
    for node in nodes:
        build.add_event("node", "backward", node)
    build.add_event("accumulate", "backward", leaf)
    graph = build.freeze()
    arrays = {seeds[0]: np.ones((1, 2)), seeds[1]: np.ones((1, 2)), parts[0]: np.array(first), parts[1]: np.array(second)}
    arrays[total] = arrays[parts[0]] + arrays[parts[1]]
    gradients, tensors = empty_table(len(graph.edges)), {}
    for edge, array in arrays.items():
        gradients[:, edge] = statistics_of(array)
        tensors["gradient", edge] = Kept(array.astype(np.float32), "float32", array.shape)
    values = empty_table(len(graph.values))
    tensors["value", x] = Kept(np.array([[0.25, -1.0]], np.float32), "float32", (1, 2))
    tape = np.arange(len(graph.events), dtype=np.int32)
    return Trace(0, graph, tape, values, gradients, tensors=MappingProxyType(tensors))
