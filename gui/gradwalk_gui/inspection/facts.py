"""Names and tensors of one thing: its title, and the outputs and gradients that belong to it."""

from __future__ import annotations

from dataclasses import dataclass

from gradwalk.scales import scale_of_edge, scale_of_value
from gradwalk.tape import Stats, index, label_of, shape_of, stats_of, target_of, value_label
from gradwalk.trace import NONE, Edge, Graph, Kept, Shape, TensorKey, Trace

from ..numbers import NO_PATH, NOT_YET
from ..state import Selection
from .modules import boundary_of
from .subject import edges_of_value, has_come, is_there

MOST_OUTPUTS = 8
"""Of a module's outputs more than these are links only."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor that is told about: a Value, or the gradient on an edge."""

    key: TensorKey
    label: str
    shape: Shape | None
    """None where it is not known: a gradient between two Nodes of one op, not kept."""
    dtype: str
    there: bool
    """Whether it exists at the playhead."""

    @property
    def is_gradient(self) -> bool:
        """Whether this is a gradient."""
        return self.key[0] == "gradient"


@dataclass(frozen=True, slots=True)
class Title:
    """The head of the inspector: what a thing is called, what kind of thing it is, and where."""

    name: str
    kind: str
    variable: str = ""
    module: str = ""


def title_of(graph: Graph, subject: Selection) -> Title:
    """How a thing is called."""
    if subject.kind == "op":
        op = graph.ops[subject.id]
        kind = "custom Function" if op.custom else {"forward": "op", "update": "update"}.get(op.phase, f"{op.phase} op")
        return Title(op.name, kind, op.variable or _written(graph, subject.id), module_path(graph, subject.id))
    if subject.kind == "node":
        node = graph.nodes[subject.id]
        about = label_of(graph.values[node.leaf]) if node.leaf != NONE else op_label(graph, node.op)
        return Title(node.name, "Node", about, module_path(graph, node.op))
    if subject.kind == "value":
        value = graph.values[subject.id]
        kind = "loss" if is_loss(graph, subject.id) else {"leaf": "leaf", "input": "input"}.get(value.role, "result")
        if value.gradient_of != NONE:
            kind = "gradient"
        return Title(label_of(value), kind, "", module_path(graph, value.op))
    if subject.kind == "edge":
        return Title(gradient_label(graph, graph.edges[subject.id]), "gradient")
    call = graph.modules[subject.id]
    return Title(call.name, f"module {call.kind}", "", call.path)


def op_label(graph: Graph, op: int) -> str:
    """An op as ``y_pred = mm`` would be called in passing: ``mm y_pred``."""
    if op == NONE:
        return ""
    return f"{graph.ops[op].name} {graph.ops[op].variable}".rstrip()


def _written(graph: Graph, op: int) -> str:
    """What an op without a result of its own (``zero_grad``) is about: its first named input."""
    made = graph.ops[op]
    names = [graph.values[value].name for value in made.inputs if not made.outputs]
    return next((name for name in names if name), "")


def module_path(graph: Graph, op: int) -> str:
    """The module path of an op, or an empty string."""
    module = graph.ops[op].module if op != NONE else NONE
    return graph.modules[module].path if module != NONE else ""


def is_loss(graph: Graph, value: int) -> bool:
    """Whether a Value is a loss of the step."""
    return value in index(graph).losses


def gradient_label(graph: Graph, edge: Edge) -> str:
    """What a gradient is called: ``dL/dy_pred``, or ``w1.grad`` once it has arrived."""
    if edge.target == NONE:
        return target_of(graph, edge)
    if edge.value == NONE:
        return f"dL/d({graph.nodes[edge.target].name.partition('Backward')[0]})"
    value = graph.values[edge.value]
    name = value.name or (graph.ops[value.op].variable if value.op != NONE else "")
    return f"dL/d{name}" if name else f"dL/d({graph.ops[value.op].name if value.op != NONE else label_of(value)})"


def tensors_of(trace: Trace, position: int, subject: Selection) -> tuple[Tensor, ...]:
    """The outputs of a thing and then its gradients, most telling first."""
    graph = trace.graph
    if subject.kind == "op":
        outputs = graph.ops[subject.id].outputs
        gradients = tuple(edge for value in outputs for edge in gradients_of(graph, value))
        return (*_values(trace, position, outputs), *_edges(trace, position, gradients))
    if subject.kind == "value":
        return (*_values(trace, position, (subject.id,)), *_edges(trace, position, gradients_of(graph, subject.id)))
    if subject.kind == "node":
        look = index(graph)
        return _edges(trace, position, (*look.edges_from[subject.id], *look.edges_into[subject.id]))
    if subject.kind == "edge":
        return _edges(trace, position, (subject.id,))
    outputs = boundary_of(graph, subject.id).outputs[:MOST_OUTPUTS]
    gradients = tuple(edge for value in outputs for edge in gradients_of(graph, value))
    return (*_values(trace, position, outputs), *_edges(trace, position, gradients))


def chosen_of(tensors: tuple[Tensor, ...], wanted: TensorKey | None) -> Tensor | None:
    """The tensor that is looked into: the wanted one where it is among them, else the first; None of none."""
    return next((tensor for tensor in tensors if tensor.key == wanted), tensors[0] if tensors else None)


def gradients_of(graph: Graph, value: int) -> tuple[int, ...]:
    """The edges that carry the gradient of a Value; of ``w1.grad`` the edges into it."""
    if graph.values[value].gradient_of != NONE:
        return ()
    return edges_of_value(graph, value)


def _values(trace: Trace, position: int, values: tuple[int, ...]) -> tuple[Tensor, ...]:
    graph = trace.graph
    return tuple(
        Tensor(
            ("value", value),
            value_label(graph, value) + _note(scale_of_value(trace, value)),
            shape_of(trace, value),
            graph.values[value].dtype,
            is_there(trace, position, value),
        )
        for value in values
    )


def _edges(trace: Trace, position: int, edges: tuple[int, ...]) -> tuple[Tensor, ...]:
    graph = trace.graph
    found = []
    for edge in (graph.edges[i] for i in edges):
        of = edge.value
        shape = edge_shape(trace, edge)
        dtype = graph.values[of].dtype if of != NONE else ""
        label = gradient_label(graph, edge) + _note(scale_of_edge(trace, edge.id))
        found.append(Tensor(("gradient", edge.id), label, shape, dtype, has_come(trace, position, edge.id)))
    return tuple(found)


def _note(scale: float) -> str:
    """What a gradient's label says of the factor of a GradScaler that was taken out of it."""
    return "" if scale == 1.0 else ", unscaled"


def edge_shape(trace: Trace, edge: Edge) -> Shape | None:
    """The shape of a gradient: that of the Value whose gradient it is, else that of the kept tensor, else None."""
    if edge.value != NONE:
        return shape_of(trace, edge.value)
    kept = kept_at(trace, ("gradient", edge.id))
    return kept.shape if kept is not None else None


def stats_at(trace: Trace, key: TensorKey) -> Stats | None:
    """The recorded statistics of a tensor, or None where nothing was counted."""
    kind, index_ = key
    found = stats_of(trace.values if kind == "value" else trace.gradients, index_)
    by = _written_as(trace.graph, key)
    return stats_of(trace.values, by) if found is None and by != NONE else found


def kept_at(trace: Trace, key: TensorKey) -> Kept | None:
    """The elements of a tensor, where the recording keeps them."""
    found = trace.tensors.get(key)
    by = _written_as(trace.graph, key)
    return trace.tensors.get(("value", by)) if found is None and by != NONE else found


def _written_as(graph: Graph, key: TensorKey) -> int:
    """The Value that a hand-written backward holds a gradient in, or NONE."""
    return graph.edges[key[1]].by if key[0] == "gradient" else NONE


def absent_text(trace: Trace, tensor: Tensor) -> str:
    """Why a tensor is not there: not at this playhead, or never in this step."""
    from .subject import moment_of

    kind, index_ = tensor.key
    subject = Selection("edge" if kind == "gradient" else "value", index_)
    return NO_PATH if moment_of(trace, subject) == NONE and trace.done else NOT_YET
