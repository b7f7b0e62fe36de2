"""A step's tape as plain data for JSON, and as lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .refusal import RefusalError
from .strides import strides_of
from .tape import (
    NOT_COUNTED,
    event_at,
    gradient_shape,
    index,
    label_of,
    module_of,
    name_of,
    shape_of,
    site_of,
    stats_of,
    target_of,
    variable_of,
    why_not_counted,
)
from .trace import NONE, Event, Op, Trace
from .why import without_gradient


def tape_json(trace: Trace, positions: Iterable[int] | None = None) -> list[dict[str, Any]]:
    """One object per event, in the order in which they ran, or at these tape positions; see :func:`event_json`."""
    return [event_json(trace, position) for position in (range(len(trace.tape)) if positions is None else positions)]


def matching(trace: Trace, asked: str) -> list[int]:
    """The tape positions that a filter matches. Raises RefusalError for one that cannot be read."""
    from .filter import FilterError, matches, parse

    try:
        found = matches(parse(asked), trace)
    except FilterError as error:
        raise RefusalError(f"the filter {asked!r} cannot be read: {error}") from None
    return [int(position) for position in np.flatnonzero(found)]


def event_json(trace: Trace, position: int) -> dict[str, Any]:
    """The event at a tape position: what it is, where it was called, what it took and gave, the gradients that it made.

    ``inputs`` and ``outputs`` are values with their statistics; ``grads`` are the gradients that this event sends, one per edge.
    ``gradient_of`` is, for an op of a hand-written backward, the forward value whose gradient it computes. Under a
    GradScaler a loss has the ``scale`` that its gradients carry. The last loss of a step says which leaves and parameters got no
    gradient, and why.
    """
    graph, event = trace.graph, event_at(trace, position)
    site, op = site_of(graph, event), _op_of(trace, event)
    inputs = op.inputs if op is not None else ()
    outputs = op.outputs if op is not None else ((event.ref,) if event.kind == "loss" else ())
    return {
        "index": position,
        "kind": event.kind,
        "phase": event.phase,
        "name": name_of(graph, event),
        "module": module_of(graph, event),
        "variable": variable_of(graph, event),
        "file": site.file if site else None,
        "line": site.line if site else None,
        "expression": site.expression if site else None,
        "inputs": [value_json(trace, value) for value in inputs],
        "outputs": [value_json(trace, value) for value in outputs],
        "grads": [gradient_json(trace, edge) for edge in index(graph).edges_of_event[event.id]],
        "gradient_of": _gradient_of(trace, op),
        "tags": list(op.tags) if op is not None else [],
        **({"scale": trace.scales[event.backward]} if event.kind == "loss" and event.backward < len(trace.scales) else {}),
        **({"without_gradient": without_gradient_json(trace)} if _is_last_loss(trace, position) else {}),
    }


def without_gradient_json(trace: Trace) -> list[dict[str, Any]]:
    """The leaves and parameters that got no gradient in the step, each with the reason as a sentence."""
    return [{**value_json(trace, value), "why": sentence} for value, sentence in without_gradient(trace)]


def _is_last_loss(trace: Trace, position: int) -> bool:
    later = (event_at(trace, i).kind for i in range(position + 1, len(trace.tape)))
    return event_at(trace, position).kind == "loss" and "loss" not in later


def value_json(trace: Trace, value: int) -> dict[str, Any]:
    """A Value with its statistics in this step."""
    of = trace.graph.values[value]
    return {
        "id": value,
        "variable": of.name,
        "shape": list(shape_of(trace, value)),
        "dtype": of.dtype,
        "strides": None if (strides := strides_of(trace, value)) is None else list(strides),
        "device": of.device,
        "version": of.version,
        "layout": of.layout or None,
        "no_stats": None if stats_of(trace.values, value) is not None else why_not_counted(trace, "value", value),
        "stats": stats_json(trace.values, value),
    }


def gradient_json(trace: Trace, edge: int) -> dict[str, Any]:
    """The gradient on an Edge, and where it goes."""
    along, shape = trace.graph.edges[edge], gradient_shape(trace, edge)
    return {
        "to": target_of(trace.graph, along),
        "edge": edge,
        "of": along.value if along.value != NONE else None,
        "shape": None if shape is None else list(shape),
        "no_stats": None if stats_of(trace.gradients, edge) is not None else why_not_counted(trace, "gradient", edge),
        "stats": stats_json(trace.gradients, edge),
    }


def stats_json(table: NDArray[np.float64], column: int) -> dict[str, Any] | None:
    """The statistics in a column of a table; null for what was not counted."""
    stats = stats_of(table, column)
    if stats is None:
        return None
    numbers = {name: number_json(getattr(stats, name)) for name in ("min", "max", "mean", "rms")}
    return {**numbers, "nan": stats.nan, "inf": stats.inf, "zero": stats.zero}


def number_json(number: float | None) -> float | str | None:
    """A float as JSON can say it: 17 significant digits, ``"nan"``, ``"inf"`` or ``"-inf"``."""
    if number is None or math.isfinite(number):
        return number
    return "nan" if math.isnan(number) else ("inf" if number > 0 else "-inf")


def row_of(trace: Trace, position: int) -> tuple[str, str, str, str, str, str]:
    """The event at a tape position for a terminal: position, phase, name, variable, shape and rms of what it gives, source."""
    data = event_json(trace, position)
    site = site_of(trace.graph, event_at(trace, position))
    source = f"{site.line}: {site.expression}" if site else ""
    name = f"{data['module']} {data['name']}" if data["module"] else data["name"]
    if data["kind"] in ("op", "update"):
        gives, made = data["variable"], data["outputs"]
        if data["gradient_of"] and data["phase"] == "backward":
            gives = f"{gives} (of {data['gradient_of']['variable']})".strip()
    else:
        gives, made = "\n".join(f"to {grad['to']}" for grad in data["grads"]), data["grads"] or data["outputs"]
    return str(position), data["phase"], name, gives, "\n".join(map(_magnitude, made)), " ".join(source.split())


def _magnitude(thing: dict[str, Any]) -> str:
    shape = "x".join(map(str, thing["shape"])) if thing["shape"] else ("scalar" if thing["shape"] is not None else "")
    rms = (thing["stats"] or {}).get("rms")
    stored = f" ({thing['layout']}: what it stores)" if thing.get("layout") else ""
    if thing["no_stats"] not in (None, NOT_COUNTED):
        return f"{shape} {thing['no_stats']}".strip()
    return f"{shape} {rms:.3g}{stored}".strip() if isinstance(rms, float) else f"{shape} {rms or '-'}".strip()


def _op_of(trace: Trace, event: Event) -> Op | None:
    return trace.graph.ops[event.ref] if event.kind in ("op", "update") else None


def _gradient_of(trace: Trace, op: Op | None) -> dict[str, Any] | None:
    values = trace.graph.values
    found = [values[output].gradient_of for output in (op.outputs if op is not None else ())]
    forward = next((value for value in found if value != NONE), NONE)
    return {"id": forward, "variable": label_of(values[forward])} if forward != NONE else None
