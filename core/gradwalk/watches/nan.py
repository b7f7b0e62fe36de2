"""NaN and Inf: which event made them from finite numbers (the producer), and how many carried them on (propagators)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..tape import event_at, index, moments, name_of, stats_of, value_label
from ..trace import NONE, STATISTICS, Event, Graph, Trace
from .alert import Alert, Limits, counted, figure, told, where
from .unread import without

KIND = "nan"
MOST = 5
"""So many producers of a step are told."""
_NAN, _INF = STATISTICS.index("nan"), STATISTICS.index("inf")
_FILLING = """
masked_fill masked_fill_ full new_full full_like fill_ where triu tril empty empty_like new_empty tensor as_tensor scalar_tensor
__setitem__ index_fill index_fill_ masked_scatter
"""
_ON_PURPOSE = frozenset(_FILLING.split())
"""Ops that put in what they are told to, or nothing yet: an Inf from them is a mask, not an accident."""


@dataclass(frozen=True, slots=True)
class _Things:
    """Values and Edges that an event reads or makes."""

    values: tuple[int, ...]
    edges: tuple[int, ...] = ()


def nan(trace: Trace, limits: Limits) -> list[Alert]:
    """An alert per producer, in the order in which they ran, and one per leaf or input that had them from the start."""
    bad = _bad_of(trace)
    if not any(mask.any() for mask in (bad.nan_values, bad.inf_values, bad.nan_edges, bad.inf_edges)):
        return []
    made, carried = _producers(trace, bad)
    told = [_sentence(trace, position, word, made[0][0] == position, carried) for position, word in made[:MOST]]
    return _from_the_start(trace, bad) + told


def first_of(trace: Trace) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The Values and Edges that hold the first NaN or Inf of a step; None where all of them were put in on purpose: masks."""
    bad = _bad_of(trace)
    begun = tuple(value for value, _ in _began(trace, bad))
    if begun:
        return begun, ()
    made, _ = _producers(trace, bad)
    if not made:
        return None
    given = _gives(trace.graph, event_at(trace, made[0][0]))
    return given.values, given.edges


def _bad_of(trace: Trace) -> _Bad:
    return _Bad(trace.values[_NAN] > 0, trace.values[_INF] > 0, trace.gradients[_NAN] > 0, trace.gradients[_INF] > 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Bad:
    nan_values: NDArray[np.bool_]
    inf_values: NDArray[np.bool_]
    nan_edges: NDArray[np.bool_]
    inf_edges: NDArray[np.bool_]

    def nan_in(self, things: _Things) -> bool:
        return any(self.nan_values[v] for v in things.values) or any(self.nan_edges[e] for e in things.edges)

    def inf_in(self, things: _Things) -> bool:
        return any(self.inf_values[v] for v in things.values) or any(self.inf_edges[e] for e in things.edges)


def _producers(trace: Trace, bad: _Bad) -> tuple[list[tuple[int, str]], int]:
    """Tape positions at which NaN or Inf came about, with the word, and how many events only carried them on."""
    made: list[tuple[int, str]] = []
    carried, outer = 0, set[int]()
    for position, number in enumerate(trace.tape.tolist()):
        event = trace.graph.events[number]
        if event.kind == "loss":
            continue
        given, read = _gives(trace.graph, event), _reads(trace.graph, event)
        if not (bad.nan_in(given) or bad.inf_in(given)):
            continue
        op = trace.graph.ops[event.ref] if event.kind in ("op", "update") else None
        if bad.nan_in(read) or (bad.inf_in(read) and not bad.nan_in(given)):
            carried += 1
        elif op is not None and (op.id in outer or op.name in _ON_PURPOSE):
            continue
        else:
            made.append((position, "NaN" if bad.nan_in(given) else "Inf"))
            if op is not None:
                outer.add(op.parent)
    return made, carried


def _gives(graph: Graph, event: Event) -> _Things:
    outputs = graph.ops[event.ref].outputs if event.kind in ("op", "update") else ()
    return _Things(outputs, index(graph).edges_of_event[event.id])


def _reads(graph: Graph, event: Event) -> _Things:
    """An op reads its inputs; a Node the gradients that come in and what its op had and made."""
    if event.kind in ("op", "update"):
        return _Things(graph.ops[event.ref].inputs)
    node = graph.nodes[event.ref]
    incoming = tuple(e for e in index(graph).edges_into[event.ref] if graph.edges[e].backward == event.backward)
    if node.op == NONE:
        return _Things((), incoming)
    op = graph.ops[node.op]
    return _Things((*op.inputs, *op.outputs), incoming)


def _sentence(trace: Trace, position: int, word: str, first: bool, carried: int) -> Alert:
    event = event_at(trace, position)
    op = trace.graph.ops[event.ref] if event.kind in ("op", "update") else None
    inputs = _inputs_of_op(trace, op.inputs) if op is not None else _inputs_of_node(trace, event)
    dtype = f", {trace.graph.values[op.outputs[0]].dtype}" if op is not None and op.outputs else ""
    on = f"; {counted(carried, 'later event')} carried it on" if first and carried else ""
    name = name_of(trace.graph, event)
    sentence = told(trace, position, f" made {'the first ' if first else ''}{word}; {inputs}{dtype}", on)
    return Alert(KIND, "error", trace.step, position, f"{name}{where(trace, position)}", sentence)


def _inputs_of_op(trace: Trace, inputs: tuple[int, ...]) -> str:
    return _figures(trace, inputs, "input", lambda value: _numbers(trace.values, value, value_label(trace.graph, value)))


def _inputs_of_node(trace: Trace, event: Event) -> str:
    read = _reads(trace.graph, event)
    came = _figures(trace, read.edges, "incoming gradient", lambda edge: _numbers(trace.gradients, edge, "it"))
    op = trace.graph.nodes[event.ref].op
    forward = trace.graph.ops[op].inputs if op != NONE else ()
    return f"{came}; of its forward, {_inputs_of_op(trace, forward)}" if forward else came


_Numbers = tuple[str, str, bool]


def _numbers(table: NDArray[np.float64], column: int, name: str) -> _Numbers:
    """``max 3.1``, ``5 zeros`` and the like; the name; whether it is finite."""
    stats = stats_of(table, column)
    if stats is None or not stats.count:
        return "not counted", name, True
    infinite = stats.inf or 0
    if infinite:
        return f"{infinite:,} Inf", name, False
    zeros = f", {counted(stats.zero, 'zero')}" if stats.zero else ""
    lowest = f"min {figure(stats.min)}, " if stats.min < 0 else ""
    return f"{lowest}max {figure(stats.max)}{zeros}", name, True


def _figures(trace: Trace, things: tuple[int, ...], thing: str, numbers: Callable[[int], _Numbers]) -> str:
    """``both inputs finite (max 3.1; max 4.8)``, or which of them is not."""
    if not things:
        return f"it has no {thing}"
    said = [numbers(one) for one in things]
    if not all(finite for _, _, finite in said):
        return ", ".join(f"{thing} {name} holds {text}" for text, name, finite in said if not finite)
    how_many = {1: f"its {thing} is", 2: f"both {thing}s"}.get(len(said), f"all {len(said)} {thing}s")
    return f"{how_many} finite ({'; '.join(text for text, _, _ in said)})"


def _began(trace: Trace, bad: _Bad) -> list[tuple[int, bool]]:
    """Leaves and inputs that held NaN (leaves also: Inf) when the step began, and whether each is a leaf."""
    found = []
    for value in np.flatnonzero(bad.nan_values | bad.inf_values).tolist():
        of = trace.graph.values[value]
        leaf = of.role == "leaf" or of.parameter
        if of.op == NONE and of.gradient_of == NONE and (leaf or bad.nan_values[value]):
            found.append((value, leaf))
    return found


def _from_the_start(trace: Trace, bad: _Bad) -> list[Alert]:
    found, graph = [], trace.graph
    for value, leaf in _began(trace, bad):
        readers = index(graph).consumers[value]
        position = _first_reader(trace, readers)
        stats = stats_of(trace.values, value)
        many = "" if stats is None else f" ({_share(stats.nan if bad.nan_values[value] else stats.inf, stats.count)})"
        word, name = "NaN" if bad.nan_values[value] else "Inf", value_label(graph, value)
        named = f"{'the leaf' if leaf else 'the input'} {name}"
        if position != NONE:
            sentence = told(trace, position, f" reads {named}, which held {word}{many} from the start")
        else:
            sentence = told(trace, NONE, f": {named} holds {word}{many} from the start; {without(trace, value)}")
        found.append(Alert(KIND, "error", trace.step, position, f"{name} from the start", sentence, carried=leaf))
    return found


def _share(number: int | None, count: int) -> str:
    return f"{number or 0:,} of {count:,}" if not math.isnan(count) else ""


def _first_reader(trace: Trace, readers: tuple[int, ...]) -> int:
    when = moments(trace).ops
    return min((int(when[op]) for op in readers if when[op] != NONE), default=NONE)
