"""What a thing is connected to, as lists of links."""

from __future__ import annotations

from dataclasses import dataclass

from gradwalk.tape import index, shape_of, value_label
from gradwalk.trace import NONE, Graph, Trace

from ..numbers import shape_text
from ..state import Selection
from .facts import gradient_label, gradients_of, is_loss, op_label
from .modules import boundary_of
from .subject import inside_of, ops_inside

MOST = 24
"""More links than this in one group are cut, with their number."""


@dataclass(frozen=True, slots=True)
class Link:
    """One thing to go to; ``detail`` is plain text behind it."""

    text: str
    to: Selection
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Links of one kind; ``more`` is how many were left out."""

    title: str
    links: tuple[Link, ...]
    more: int = 0


def groups_of(trace: Trace, subject: Selection) -> tuple[Group, ...]:
    """The groups of a thing, only those with links in them."""
    made = {"op": _of_op, "node": _of_node, "value": _of_value, "edge": _of_edge, "module": _of_module}[subject.kind](
        trace, subject.id
    )
    return tuple(Group(title, tuple(links[:MOST]), max(len(links) - MOST, 0)) for title, links in made if links)


Groups = list[tuple[str, list[Link]]]


def _of_op(trace: Trace, op_id: int) -> Groups:
    graph = trace.graph
    op = graph.ops[op_id]
    readers = [use for value in op.outputs for use in index(graph).consumers[value]]
    return [
        ("inputs", [_value(trace, value) for value in op.inputs]),
        ("outputs", [_value(trace, value) for value in op.outputs]),
        ("read by", [_op(graph, use) for use in dict.fromkeys(readers)]),
        ("Nodes", [_node(graph, node) for node in index(graph).nodes_of_op[op_id]]),
        ("inside", [_op(graph, other) for other in inside_of(graph, op_id)]),
        ("part of", [_op(graph, op.parent)] if op.parent != NONE else []),
        ("module", [_module(graph, op.module)] if op.module != NONE else []),
    ]


def _of_node(trace: Trace, node_id: int) -> Groups:
    graph, look = trace.graph, index(trace.graph)
    node = graph.nodes[node_id]
    before = [graph.edges[edge].source for edge in look.edges_into[node_id]]
    after = [graph.edges[edge].target for edge in look.edges_from[node_id]]
    return [
        ("made by", [_op(graph, node.op)] if node.op != NONE else []),
        ("leaf", [_value(trace, node.leaf)] if node.leaf != NONE else []),
        ("takes from", [_node(graph, other) for other in dict.fromkeys(before) if other != NONE]),
        ("gives to", [_node(graph, other) for other in dict.fromkeys(after) if other != NONE]),
    ]


def _of_value(trace: Trace, value_id: int) -> Groups:
    graph, look = trace.graph, index(trace.graph)
    value = graph.values[value_id]
    accumulate = look.node_of_leaf.get(value_id, NONE)
    return [
        ("made by", [_op(graph, value.op)] if value.op != NONE else []),
        ("read by", [_op(graph, use) for use in look.consumers[value_id]]),
        ("gradient of", [_value(trace, value.gradient_of)] if value.gradient_of != NONE else []),
        ("gradients", [_edge(graph, edge) for edge in gradients_of(graph, value_id)]),
        ("Node", [_node(graph, accumulate)] if accumulate != NONE else []),
        ("before", [_value(trace, value.base)] if value.base != NONE else []),
        ("after", [_value(trace, other.id) for other in graph.values if other.base == value_id]),
    ]


def _of_edge(trace: Trace, edge_id: int) -> Groups:
    graph = trace.graph
    edge = graph.edges[edge_id]
    return [
        ("from", [_node(graph, edge.source)] if edge.source != NONE else []),
        ("to", [_node(graph, edge.target)] if edge.target != NONE else []),
        ("gradient of", [_value(trace, edge.value)] if edge.value != NONE else []),
        ("written as", [_value(trace, edge.by)] if edge.by != NONE else []),
    ]


def _of_module(trace: Trace, module_id: int) -> Groups:
    graph = trace.graph
    boundary = boundary_of(graph, module_id)
    above = graph.modules[module_id].parent
    return [
        ("module", [_module(graph, above)] if above != NONE else []),
        ("inputs", [_value(trace, value) for value in boundary.inputs]),
        ("outputs", [_value(trace, value) for value in boundary.outputs]),
        ("modules", [_module(graph, call.id) for call in graph.modules if call.parent == module_id]),
        ("parameters", [_value(trace, value) for value in boundary.parameters]),
        ("ops", [_op(graph, op) for op in ops_inside(graph, module_id)]),
    ]


def _value(trace: Trace, value: int) -> Link:
    made = trace.graph.values[value]
    version = f"  v{made.version}" if made.version else ""
    role = "loss" if is_loss(trace.graph, value) else "" if made.role == "result" else made.role
    role = "" if role == made.name else role
    detail = "  ".join(part for part in (shape_text(shape_of(trace, value)) + version, role) if part)
    return Link(value_label(trace.graph, value), Selection("value", value), detail)


def _op(graph: Graph, op: int) -> Link:
    return Link(op_label(graph, op), Selection("op", op))


def _node(graph: Graph, node: int) -> Link:
    made = graph.nodes[node]
    about = value_label(graph, made.leaf) if made.leaf != NONE else op_label(graph, made.op)
    return Link(made.name, Selection("node", node), about)


def _edge(graph: Graph, edge: int) -> Link:
    made = graph.edges[edge]
    source = graph.nodes[made.source].name if made.source != NONE else "backward() itself"
    return Link(gradient_label(graph, made), Selection("edge", edge), f"from {source}")


def _module(graph: Graph, module: int) -> Link:
    call = graph.modules[module]
    return Link(call.path or call.name, Selection("module", module), call.kind)
