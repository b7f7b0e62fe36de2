"""Why a Value has no gradient, in one sentence with names."""

from __future__ import annotations

from gradwalk.tape import index
from gradwalk.trace import NONE, Graph, Trace, Value

from ..session import Selection
from .facts import gradients_of, takes_gradients, value_label
from .subject import moments_of

CUTTERS = ("detach", "detach_", "item", "tolist", "numpy")


def why_no_gradient(trace: Trace, subject: Selection) -> str:
    """The sentence, or an empty string where the thing has a gradient or can have none."""
    graph = trace.graph
    if subject.kind == "value":
        values: tuple[int, ...] = (subject.id,)
    elif subject.kind == "op" and graph.ops[subject.id].phase == "forward":
        values = graph.ops[subject.id].outputs
    else:
        return ""
    for value in values:
        sentence = _why(trace, graph.values[value])
        if sentence:
            return sentence
    return ""


def _why(trace: Trace, value: Value) -> str:
    graph = trace.graph
    name = value_label(graph, value.id)
    if value.gradient_of != NONE or _is_update(graph, value):
        return ""
    if not takes_gradients(value.dtype):
        return f"{name} is {value.dtype}; only floating point and complex tensors have gradients."
    if not value.requires_grad:
        return _not_required(graph, value, name)
    came = moments_of(trace).edges
    if any(came[edge] != NONE for edge in gradients_of(graph, value.id)):
        return ""
    if not any(graph.events[event].phase == "backward" for event in trace.tape):
        return f"No gradient of {name} in this step: no backward() was recorded in it."
    if not index(graph).consumers[value.id]:
        return f"{name} requires grad, but nothing in this step uses it."
    return f"{name} requires grad, but the loss does not depend on it."


def _is_update(graph: Graph, value: Value) -> bool:
    return value.op != NONE and graph.ops[value.op].phase != "forward"


def _not_required(graph: Graph, value: Value, name: str) -> str:
    if value.op == NONE:
        return f"{name} does not require grad (requires_grad is False)."
    op = graph.ops[value.op]
    if op.parent != NONE:
        outer = graph.ops[op.parent].name
        return f"{name} is inside the forward of {outer}, where no Nodes are recorded; {outer} has a backward of its own."
    asking = [i for i in op.inputs if graph.values[i].requires_grad]
    if not asking:
        return f"{name} does not require grad, because no input of {op.name} does."
    site = f" at {_place(graph, op.site)}" if op.site != NONE else ""
    what = f"{op.name} cuts it off" if op.name in CUTTERS else f"{op.name} ran without recording a Node (under no_grad?)"
    return f"{name} has no path back to {value_label(graph, asking[0])}: {what}{site}."


def _place(graph: Graph, site: int) -> str:
    at = graph.sites[site]
    return f"{at.file.replace(chr(92), '/').rsplit('/', 1)[-1]}:{at.line}"
