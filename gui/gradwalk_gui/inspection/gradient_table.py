"""The gradients of a step as columns, one row per parameter or one per gradient on its way: the graph as a table. No Qt."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.gradients import gradients_of
from gradwalk.leaves import leaves_of
from gradwalk.same import Same
from gradwalk.tape import gradient_shape, index, moments, value_label
from gradwalk.trace import NONE, STATISTICS, Edge, Graph, Shape, Trace

from ..graph.magnitudes import magnitudes
from ..numbers import EXACTLY_ZERO, NO_PATH, NOT_COUNTED, NOT_YET, number, shape_text
from ..state import Selection

COLUMNS = ("gradient of", "made by", "module", "shape", "RMS", "max |g|", "update ratio", "zeros", "NaN, Inf", "event", "check")
NAME, NODE, MODULE, SHAPE, RMS, MAX, RATIO, ZEROS, BAD, EVENT, CHECK = range(len(COLUMNS))
_ROW = {name: number for number, name in enumerate(STATISTICS)}
Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class GradientTable:
    """Columns ``[rows]``. Figures are NaN where there is none; whether a row has come at a playhead is asked of ``came``."""

    names: tuple[str, ...]
    nodes: tuple[str, ...]
    modules: tuple[str, ...]
    shapes: tuple[Shape | None, ...]
    selections: tuple[Selection, ...]
    edges: Ints
    """The Edge of each row, or NONE."""
    came: Ints
    """The tape position at which it is made, or NONE."""
    updated: Ints
    """The tape position of the parameter's update, or NONE."""
    never: NDArray[np.bool_]
    """Whether there is no path to it."""
    counted: NDArray[np.bool_]
    rms: Numbers
    """NaN and Inf are what they say here."""
    largest: Numbers
    zeros: Numbers
    """The fraction of exact zeros."""
    nan: Numbers
    inf: Numbers
    ratio: Numbers
    """|update| / |weight|; where not ``exact``, the least that it can be."""
    exact: NDArray[np.bool_]
    why: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


def table_of(trace: Trace, *, everything: bool) -> GradientTable:
    """The table of a step: of its parameters, or of every gradient (kept for the steps looked at last)."""
    return _all_edges(Same(trace)) if everything else _parameters(Same(trace))


@lru_cache(maxsize=4)
def _parameters(key: Same[Trace]) -> GradientTable:
    trace = key.thing
    leaves, when, rows = leaves_of(trace.graph), moments(trace), gradients_of(trace)
    edges = leaves.edges.astype(np.int64)
    came = np.where(edges == NONE, NONE, when.edges[edges] if len(when.edges) else NONE).astype(np.int64)
    written = leaves.written
    goes_on = not trace.done and trace.error is None
    return _table(
        trace,
        names=tuple(row.name for row in rows),
        nodes=tuple("" for _ in rows),
        modules=tuple(row.module for row in rows),
        shapes=tuple(row.shape for row in rows),
        selections=tuple(Selection("value", row.value) for row in rows),
        edges=edges,
        came=came,
        updated=np.where(written == NONE, NONE, when.values[written] if len(when.values) else NONE).astype(np.int64),
        never=(came == NONE) & (not goes_on),
        ratio=np.array([math.nan if row.update_ratio is None else row.update_ratio for row in rows], np.float64),
        exact=np.array([row.exact for row in rows], np.bool_),
        why=tuple(row.why for row in rows),
    )


@lru_cache(maxsize=4)
def _all_edges(key: Same[Trace]) -> GradientTable:
    trace = key.thing
    graph, when, labels = trace.graph, moments(trace), _labels(Same(trace.graph))
    edges, number_of = labels.edges, len(labels.edges)
    came = when.edges[edges].astype(np.int64) if number_of else np.zeros(0, np.int64)
    goes_on = not trace.done and trace.error is None
    return _table(
        trace,
        names=labels.names,
        nodes=labels.nodes,
        modules=labels.modules,
        shapes=tuple(gradient_shape(trace, edge) for edge in edges.tolist()),
        selections=tuple(Selection("edge", edge) for edge in edges.tolist()),
        edges=edges,
        came=came,
        updated=np.full(number_of, NONE, np.int64),
        never=(came == NONE) & np.array([graph.edges[edge].none or not goes_on for edge in edges.tolist()], np.bool_),
        ratio=np.full(number_of, np.nan),
        exact=np.zeros(number_of, np.bool_),
        why=tuple("" for _ in labels.names),
    )


def _table(trace: Trace, *, edges: Ints, **columns: object) -> GradientTable:
    """The figures of some Edges beside what is said of them."""
    there = edges != NONE
    figures = np.full((len(STATISTICS), len(edges)), -1.0)
    figures[:, there] = trace.gradients[:, edges[there]]
    counted = figures[_ROW["count"]] >= 0
    return GradientTable(
        edges=edges,
        counted=counted,
        rms=np.where(counted, magnitudes(figures, "rms"), np.nan),
        largest=np.where(counted, magnitudes(figures, "max"), np.nan),
        zeros=np.where(counted & (figures[_ROW["zero"]] >= 0), magnitudes(figures, "zeros"), np.nan),
        nan=np.where(figures[_ROW["nan"]] >= 0, figures[_ROW["nan"]], np.nan),
        inf=np.where(figures[_ROW["inf"]] >= 0, figures[_ROW["inf"]], np.nan),
        **columns,  # type: ignore[arg-type]
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Labels:
    edges: Ints
    names: tuple[str, ...]
    nodes: tuple[str, ...]
    modules: tuple[str, ...]


@lru_cache(maxsize=8)
def _labels(key: Same[Graph]) -> _Labels:
    """What does not change from step to step: every Edge but the seeds' and those inside an op, in words."""
    graph = key.thing
    edges = [edge for edge in graph.edges if edge.value != NONE]
    return _Labels(
        np.array([edge.id for edge in edges], np.int64),
        tuple(_name(graph, edge) for edge in edges),
        tuple(graph.nodes[edge.source].name if edge.source != NONE else "backward()" for edge in edges),
        tuple(_module(graph, edge) for edge in edges),
    )


def _name(graph: Graph, edge: Edge) -> str:
    name = value_label(graph, edge.value)
    return f"{name} (to .grad)" if edge.target == NONE else name


def _module(graph: Graph, edge: Edge) -> str:
    """The module of the op whose Node made it; of a seed that of the loss."""
    op = graph.nodes[edge.source].op if edge.source != NONE else graph.values[edge.value].op
    if op == NONE:
        op = next(iter(index(graph).consumers[edge.value]), NONE)
    call = graph.ops[op].module if op != NONE else NONE
    return graph.modules[call].path if call != NONE else ""


# ---------------------------------------------------------------------- what a cell says


def has_come(table: GradientTable, row: int, position: int) -> bool:
    """Whether the gradient of a row exists at a playhead."""
    return 0 <= int(table.came[row]) < position


def text_of(table: GradientTable, row: int, column: int, position: int) -> str:
    """The text of a cell at a playhead."""
    if column == RMS:
        return said(table, row, position)
    if column in (NAME, NODE, MODULE):
        return (table.names, table.nodes, table.modules)[column][row]
    if column == SHAPE:
        return shape_text(table.shapes[row])
    if column == EVENT:
        return str(int(table.came[row])) if table.came[row] != NONE else ""
    value = figure(table, row, column, position)
    if math.isnan(value) and column != MAX:
        return ""
    if column == RATIO:
        return f"{'' if table.exact[row] else '≥ '}{number(value, 3)}"
    if column == ZEROS:
        return f"{value * 100:.3g} %"
    if column == BAD:
        counts = ((int(table.nan[row]), "NaN"), (0 if math.isnan(table.inf[row]) else int(table.inf[row]), "Inf"))
        return ", ".join(f"{many:,} {what}" for many, what in counts if many) or "0"
    return number(value, 3) if has_come(table, row, position) and table.counted[row] else ""


def missing(table: GradientTable, position: int) -> tuple[int, int]:
    """How many rows have not come at a playhead, and how many never will."""
    never = int(table.never.sum())
    return len(table) - never - int(((table.came >= 0) & (table.came < position)).sum()), never


def changed_between(table: GradientTable, one: int, other: int) -> Ints:
    """The rows that say something else at another playhead."""
    low, high = sorted((one, other))
    found: Ints = np.flatnonzero(
        ((table.came >= low) & (table.came < high)) | ((table.updated >= low) & (table.updated < high))
    ).astype(np.int64)
    return found


def said(table: GradientTable, row: int, position: int) -> str:
    """The RMS in words: a number, or one of three texts where there is none."""
    if table.never[row]:
        return NO_PATH
    if not has_come(table, row, position):
        return NOT_YET
    if not table.counted[row]:
        return NOT_COUNTED
    return EXACTLY_ZERO if table.rms[row] == 0 else number(float(table.rms[row]), 3)


def figure(table: GradientTable, row: int, column: int, position: int) -> float:
    """The number of a cell at a playhead, NaN for none."""
    if column == RATIO:
        return float(table.ratio[row]) if 0 <= int(table.updated[row]) < position else math.nan
    if not has_come(table, row, position):
        return math.nan
    if column == BAD:
        return float(table.nan[row] + np.nan_to_num(table.inf[row]))
    return float({RMS: table.rms, MAX: table.largest, ZEROS: table.zeros}[column][row])


def _figures(table: GradientTable, column: int, position: int) -> Numbers:
    """A column of numbers at a playhead: NaN where there is none yet."""
    if column == EVENT:
        return np.where(table.came == NONE, np.nan, table.came)
    if column == RATIO:
        return np.where((table.updated != NONE) & (table.updated < position), table.ratio, np.nan)
    figures = {RMS: table.rms, MAX: table.largest, ZEROS: table.zeros, BAD: table.nan + np.nan_to_num(table.inf)}[column]
    return np.where((table.came != NONE) & (table.came < position), figures, np.nan)


def order_of(table: GradientTable, column: int, position: int, *, descending: bool) -> Ints:
    """The rows sorted by a column (-1: as they are); what has no number comes last, gradients with NaN or Inf as the largest."""
    if column < 0:
        return np.arange(len(table))
    if column < RMS:
        ranks = _ranks(Same(table), column)
        return np.argsort(-ranks if descending else ranks, kind="stable")
    numbers = _figures(table, column, position)
    missing = np.isnan(numbers)
    if column in (RMS, MAX):
        bad = (table.nan > 0) & (table.came != NONE) & (table.came < position)
        numbers, missing = np.where(bad, np.inf, numbers), missing & ~bad
    keys = np.where(missing, 0.0, -numbers if descending else numbers)
    return np.lexsort((np.arange(len(table)), keys, missing))


@lru_cache(maxsize=8)
def _ranks(key: Same[GradientTable], column: int) -> Ints:
    """The places of the rows by a column of texts; numbers in names count as numbers, shapes by their elements."""
    table = key.thing
    keys: list[tuple[object, ...]]
    if column == SHAPE:
        keys = [(-1,) if shape is None else (math.prod(shape), *shape) for shape in table.shapes]
    else:
        keys = [_natural(text) for text in (table.names, table.nodes, table.modules)[column]]
    ranks: dict[tuple[object, ...], int] = {}
    for one in sorted(keys):
        ranks.setdefault(one, len(ranks))
    return np.array([ranks[one] for one in keys], np.int64)


def _natural(text: str) -> tuple[object, ...]:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", text.lower()) if part)


def row_of(table: GradientTable, graph: Graph, selection: Selection | None) -> int:
    """The row that a selection of the graph is about, or -1."""
    if selection is None:
        return -1
    rows = _rows(Same(table))
    for one in _meant(graph, selection):
        if one in rows:
            return rows[one]
    return -1


@lru_cache(maxsize=8)
def _rows(key: Same[GradientTable]) -> dict[Selection, int]:
    return {selection: row for row, selection in enumerate(key.thing.selections)}


def _meant(graph: Graph, selection: Selection) -> list[Selection]:
    """What a selection may stand for in a table: itself, its Value, the gradients that its Node or op makes."""
    kind, ref = selection.kind, selection.id
    if kind == "edge":
        return [selection, Selection("value", graph.edges[ref].value)]
    if kind == "value":
        carrying = [edge.id for edge in graph.edges if edge.value == ref]
        return [selection, *(Selection("edge", edge) for edge in reversed(carrying))]
    if kind == "module":
        return []
    nodes = index(graph).nodes_of_op[ref] if kind == "op" else (ref,)
    leaves = [Selection("value", graph.nodes[node].leaf) for node in nodes if graph.nodes[node].leaf != NONE]
    return leaves + [Selection("edge", edge) for node in nodes for edge in index(graph).edges_from[node]]
