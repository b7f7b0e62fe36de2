"""What is looked at: the selection, else the event at the playhead; and when it happens."""

from __future__ import annotations

from functools import lru_cache

from gradwalk.same import Same
from gradwalk.tape import Moments, event_at, index, moments
from gradwalk.trace import NONE, Event, Graph, Phase, Trace

from ..state import Selection, State

PENDING, NEXT, DONE, RAISED, ALWAYS, NEVER = (
    "not yet",
    "next",
    "done",
    "raised an error",
    "there from the start",
    "never in this step",
)


@lru_cache(maxsize=8)
def moments_of(trace: Trace) -> Moments:
    """``gradwalk.tape.moments``, kept for the traces looked at last."""
    return moments(trace)


def selection_of(event: Event) -> Selection:
    """The thing that an event is about: an op, a Node, or for the loss its Value."""
    if event.kind in ("op", "update"):
        return Selection("op", event.ref)
    return Selection("value", event.ref) if event.kind == "loss" else Selection("node", event.ref)


def position_shown(state: State) -> int:
    """The tape position of the event just run; at the start of a step that of the first event; NONE in an empty step."""
    return max(state.position - 1, 0) if state.events else NONE


def empty_text(trace: Trace) -> str:
    """What to say of a step without events: why, where that is known."""
    return f"{trace.error.kind}: {trace.error.message}" if trace.error is not None else "Nothing ran in this step."


def subject_of(state: State) -> Selection | None:
    """The selection, else what the event just run is about, else at the start of a step what the first event is about."""
    if state.selection is not None or state.trace is None:
        return state.selection
    position = position_shown(state)
    return None if position == NONE else selection_of(event_at(state.trace, position))


def moment_of(trace: Trace, subject: Selection) -> int:
    """The tape position at which a thing happens, or NONE. Leaves and inputs: 0, see :func:`is_there`."""
    when = moments_of(trace)
    if subject.kind == "op":
        return int(when.ops[subject.id])
    if subject.kind == "node":
        return int(when.nodes[subject.id])
    if subject.kind == "edge":
        return int(when.edges[subject.id])
    if subject.kind == "value":
        return value_moment(trace, subject.id)
    inside = [when.ops[op] for op in ops_inside(trace.graph, subject.id)]
    return int(max(inside, default=NONE))


def value_moment(trace: Trace, value: int) -> int:
    """The tape position at which a Value is made; a ``.grad`` is made by its AccumulateGrad."""
    made = trace.graph.values[value]
    when = moments_of(trace)
    if made.op == NONE and made.gradient_of != NONE:
        edges = edges_of_value(trace.graph, made.gradient_of)
        into = [when.edges[edge] for edge in edges if trace.graph.edges[edge].target == NONE]
        return int(max(into, default=NONE))
    return int(when.values[value])


def is_there(trace: Trace, position: int, value: int) -> bool:
    """Whether a Value exists at a playhead position; leaves and inputs are there from the start."""
    made = trace.graph.values[value]
    if made.op == NONE and made.gradient_of == NONE:
        return True
    return 0 <= value_moment(trace, value) < position


def has_come(trace: Trace, position: int, edge: int) -> bool:
    """Whether the gradient on an edge exists at a playhead position."""
    return 0 <= int(moments_of(trace).edges[edge]) < position


def state_of(trace: Trace, position: int, subject: Selection) -> str:
    """Where a thing stands at a playhead position, in words."""
    if subject.kind == "value":
        made = trace.graph.values[subject.id]
        if made.op == NONE and made.gradient_of == NONE:
            return ALWAYS
    moment = moment_of(trace, subject)
    if moment == NONE:
        return NEVER
    if trace.error is not None and trace.error.event == moment and moment < position:
        return RAISED
    if moment < position:
        return DONE
    return NEXT if moment == position else PENDING


def phase_of(trace: Trace, subject: Selection) -> Phase | None:
    """The phase that a thing belongs to; None for a module and for what is there from the start."""
    graph = trace.graph
    if subject.kind == "op":
        return graph.ops[subject.id].phase
    if subject.kind in ("node", "edge"):
        return "backward"
    if subject.kind == "value":
        value = graph.values[subject.id]
        if subject.id in index(graph).losses:
            return "loss"
        if value.op != NONE:
            return graph.ops[value.op].phase
        return "backward" if value.gradient_of != NONE else None
    return None


def op_behind(graph: Graph, subject: Selection) -> int:
    """The op that a thing belongs to: a Node's and a Value's maker, for an AccumulateGrad and a leaf NONE."""
    if subject.kind == "op":
        return subject.id
    if subject.kind == "node":
        return graph.nodes[subject.id].op
    if subject.kind == "value":
        return graph.values[subject.id].op
    if subject.kind == "edge":
        source = graph.edges[subject.id].source
        return graph.nodes[source].op if source != NONE else NONE
    return NONE


def ops_inside(graph: Graph, module: int) -> tuple[int, ...]:
    """The ops that ran inside a module call or one of its children, in order (cached)."""
    return _ops_inside(Same(graph), module)


@lru_cache(maxsize=64)
def _ops_inside(key: Same[Graph], module: int) -> tuple[int, ...]:
    inside = {module}
    for call in key.thing.modules:
        if call.parent in inside:
            inside.add(call.id)
    return tuple(op.id for op in key.thing.ops if op.module in inside)


def inside_of(graph: Graph, op: int) -> tuple[int, ...]:
    """The ops that ran inside a custom Function, a compiled region or a transform."""
    return _inside(Same(graph)).get(op, ())


@lru_cache(maxsize=16)
def _inside(key: Same[Graph]) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for op in key.thing.ops:
        if op.parent != NONE:
            found.setdefault(op.parent, []).append(op.id)
    return {parent: tuple(ops) for parent, ops in found.items()}


def edges_of_value(graph: Graph, value: int) -> tuple[int, ...]:
    """The edges that carry the gradient of a Value."""
    return _edges_by_value(Same(graph)).get(value, ())


@lru_cache(maxsize=16)
def _edges_by_value(key: Same[Graph]) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for edge in key.thing.edges:
        found.setdefault(edge.value, []).append(edge.id)
    return {value: tuple(edges) for value, edges in found.items()}


def leaf_users(graph: Graph, value: int) -> tuple[int, ...]:
    """The forward ops that read a Value."""
    return tuple(op for op in index(graph).consumers[value] if graph.ops[op].phase == "forward")
