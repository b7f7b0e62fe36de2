"""The rows of the events list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradwalk.tape import index, module_of, name_of, rms_of, shape_of, variable_of
from gradwalk.trace import NONE, STATISTICS, Event, EventKind, Graph, Phase, Shape, Trace

_NAN, _INF = STATISTICS.index("nan"), STATISTICS.index("inf")


@dataclass(frozen=True, slots=True)
class EventRow:
    """What is said of one event. ``rms`` is the largest gradient that it makes, NaN where it makes none or it was not counted."""

    position: int
    kind: EventKind
    phase: Phase
    name: str
    variable: str
    module: str
    shape: Shape | None
    rms: float
    makes_gradient: bool
    bad: str
    """``NaN`` or ``Inf`` where what the event makes holds one."""


def rows_of(trace: Trace) -> list[EventRow]:
    """A row per event of the tape, in engine order."""
    graph, edges = trace.graph, index(trace.graph).edges_of_event
    rms, bad = rms_of(trace.gradients), (bad_of(trace.values), bad_of(trace.gradients))
    return [
        _row(trace, position, graph.events[int(event)], edges[int(event)], rms, bad) for position, event in enumerate(trace.tape)
    ]


def bad_of(table: NDArray[np.float64]) -> NDArray[np.int8]:
    """Per thing 0, 1 (has Inf) or 2 (has NaN)."""
    made: NDArray[np.int8] = np.where(table[_NAN] > 0, 2, np.where(table[_INF] > 0, 1, 0)).astype(np.int8)
    return made


def _row(
    trace: Trace,
    position: int,
    event: Event,
    edges: tuple[int, ...],
    rms: NDArray[np.float64],
    bad: tuple[NDArray[np.int8], NDArray[np.int8]],
) -> EventRow:
    graph = trace.graph
    outputs = outputs_of(graph, event)
    worst = max([int(bad[0][value]) for value in outputs] + [int(bad[1][edge]) for edge in edges], default=0)
    counted = [float(rms[edge]) for edge in edges if not np.isnan(rms[edge])]
    return EventRow(
        position=position,
        kind=event.kind,
        phase=event.phase,
        name=name_of(graph, event),
        variable=_about(graph, event),
        module=module_of(graph, event),
        shape=_shape(trace, outputs, edges),
        rms=max(counted, default=np.nan),
        makes_gradient=bool(edges),
        bad=("", "Inf", "NaN")[worst],
    )


def outputs_of(graph: Graph, event: Event) -> tuple[int, ...]:
    """The Values that an event makes."""
    if event.kind in ("op", "update"):
        return graph.ops[event.ref].outputs
    return (event.ref,) if event.kind == "loss" else ()


def _about(graph: Graph, event: Event) -> str:
    """The variable of an event; of an op that gives nothing (``zero_grad``) what it is done to."""
    variable = variable_of(graph, event)
    if variable or event.kind not in ("op", "update"):
        return variable
    op = graph.ops[event.ref]
    of = graph.values[op.outputs[0]].gradient_of if op.outputs else NONE
    if of != NONE:
        return f"d {graph.values[of].name}".rstrip() if graph.values[of].name else ""
    return "" if op.outputs else ", ".join(graph.values[value].name for value in op.inputs[:3])


def _shape(trace: Trace, outputs: tuple[int, ...], edges: tuple[int, ...]) -> Shape | None:
    if outputs:
        return shape_of(trace, outputs[0])
    value = trace.graph.edges[edges[0]].value if edges else NONE
    return shape_of(trace, value) if value != NONE else None
