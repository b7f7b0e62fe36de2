"""The same quantity in several programs: rows of what is matched by dataflow in the Graphs of two or more steps.

``flow.py`` makes a Graph a flow of quantities, ``spelling.py`` calls ops by common names, ``pairing.py`` matches two flows. Names
of variables are looked at for the label of a row only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..tape import index, moments, value_label
from ..trace import NONE, STATISTICS, Graph, Trace
from .flow import Flow, Quantity, flow_of
from .pairing import Looks, pairs

Kind: TypeAlias = Literal["value", "gradient"]
Main: TypeAlias = Literal["", "loss", "weight", "gradient", "updated"]
LONGEST = 40
"""Letters of an expression that still makes a label."""
_MIN, _MAX, _COUNT = (STATISTICS.index(name) for name in ("min", "max", "count"))


@dataclass(frozen=True, slots=True)
class Cell:
    """A quantity in one program: ``things`` are Values or, of a gradient, Edges (of several, which meet, the sum is meant).

    ``op`` is what makes it there, in that program's own word; ``event`` the tape position, NONE for what was there before.
    """

    kind: Kind
    things: tuple[int, ...]
    op: str
    event: int


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity; per program its Cell, or None where the program has no such quantity."""

    label: str
    kind: Kind
    main: Main
    """What it is of the training: the loss, a weight before or after the update, the gradient of a weight; "" for the rest."""
    cells: tuple[Cell | None, ...]


def match(traces: Sequence[Trace]) -> tuple[Row, ...]:
    """The rows of two or more steps, in the order of the first; what only others have comes where it comes there.

    What matches nothing has a row of its own. Any steps can be matched, however different.
    """
    flows = [flow_of(trace.graph) for trace in traces]
    classes = _classes(traces, flows)
    tables = [_cells(trace, flow) for trace, flow in zip(traces, flows, strict=True)]
    places = _in_order(classes, tables)
    labels = _labels(traces, flows, classes)
    return tuple(_row(flows, tables, members, labels) for members in places)


def _classes(traces: Sequence[Trace], flows: Sequence[Flow]) -> list[list[int]]:
    """Per set of matched quantities its number in each flow, NONE where it has none. A column is matched with all before it."""
    classes: list[list[int]] = []
    of: list[dict[int, int]] = []
    for column, flow in enumerate(flows):
        mine: dict[int, int] = {}
        for before in range(column):
            if all(number in mine for number in range(len(flow.quantities))):
                break
            for there, here in _matched(traces[before], traces[column], flows[before], flow).items():
                found = of[before].get(there, NONE)
                if here not in mine and found != NONE and classes[found][column] == NONE:
                    classes[found][column] = here
                    mine[here] = found
        for number in range(len(flow.quantities)):
            if number not in mine:
                mine[number] = len(classes)
                classes.append([number if place == column else NONE for place in range(len(flows))])
        of.append(mine)
    return classes


def _matched(one: Trace, other: Trace, flow: Flow, second: Flow) -> dict[int, int]:
    if (one.graph is other.graph or one.graph.key == other.graph.key) and len(flow.quantities) == len(second.quantities):
        return {number: number for number in range(len(flow.quantities))}
    return pairs(flow, second, (_looks(one), _looks(other)))


def _looks(trace: Trace) -> Looks:
    """The smallest and largest element of a Value, in float32: the same for the same numbers in float32 and float64."""

    def look(quantity: Quantity) -> tuple[float, float] | None:
        column = trace.values[:, quantity.things[0]]
        if column[_COUNT] <= 0 or not np.isfinite(column[[_MIN, _MAX]]).all():
            return None
        with np.errstate(all="ignore"):
            return float(np.float32(column[_MIN])), float(np.float32(column[_MAX]))

    return look


def _cells(trace: Trace, flow: Flow) -> dict[int, tuple[float, Cell]]:
    """Per quantity that is recorded its Cell, and when it comes: what was there before, right before it is read first."""
    graph, when, look = trace.graph, moments(trace), index(trace.graph)
    found: dict[int, tuple[float, Cell]] = {}
    for number, quantity in enumerate(flow.quantities):
        if quantity.kind == "value":
            value = quantity.things[0]
            made = graph.values[value].op
            if made != NONE:
                event = int(when.values[value])
                found[number] = (
                    float(event) if event != NONE else float(len(trace.tape)),
                    Cell("value", quantity.things, graph.ops[made].name, event),
                )
            else:
                reads = [int(when.ops[op]) for op in look.consumers[value] if when.ops[op] != NONE]
                found[number] = min(reads, default=len(trace.tape)) - 0.5, Cell("value", quantity.things, "", NONE)
        elif quantity.kind == "gradient":
            event = max(int(when.edges[edge]) for edge in quantity.things)
            when_made = float(event) if event != NONE else float(len(trace.tape))
            found[number] = when_made, Cell("gradient", quantity.things, _maker(graph, quantity), event)
    return found


def _maker(graph: Graph, quantity: Quantity) -> str:
    """What makes a gradient: an op in a backward by hand, else a Node; several that meet are told by their number."""
    if len(quantity.things) > 1:
        return f"sum of {len(quantity.things)}"
    edge = graph.edges[quantity.things[0]]
    if edge.by != NONE:
        made = graph.values[edge.by].op
        return graph.ops[made].name if made != NONE else ""
    return graph.nodes[edge.source].name if edge.source != NONE else "backward()"


def _in_order(classes: Sequence[Sequence[int]], tables: Sequence[dict[int, tuple[float, Cell]]]) -> list[Sequence[int]]:
    """The classes that anything recorded is in, in the order of the first column; others after what comes before them."""
    keys: dict[int, tuple[int, int, int]] = {}
    for column, table in enumerate(tables):
        mine = [(table[members[column]][0], number) for number, members in enumerate(classes) if members[column] in table]
        anchor = -1
        for place, (_, number) in enumerate(sorted(mine)):
            if number in keys:
                anchor = max(anchor, keys[number][0])
            else:
                keys[number] = (place, 0, 0) if column == 0 else (anchor, column, place)
    return [classes[number] for number in sorted(keys, key=keys.__getitem__)]


def _row(
    flows: Sequence[Flow],
    tables: Sequence[dict[int, tuple[float, Cell]]],
    members: Sequence[int],
    labels: dict[tuple[int, int], str],
) -> Row:
    cells = tuple(table[number][1] if number in table else None for table, number in zip(tables, members, strict=True))
    column = next(column for column, cell in enumerate(cells) if cell is not None)
    number, found = members[column], cells[column]
    assert found is not None
    quantity = flows[column].quantities[number]
    if quantity.kind == "gradient":
        label = f"dL/d{_bracketed(labels.get((column, quantity.of), ''))}"
        label += f" from {flows[column].quantities[quantity.via].op}" if quantity.via != NONE else ""
    else:
        label = labels[column, number]
    main = (_main(flow, number) for flow, number, cell in zip(flows, members, cells, strict=True) if cell is not None)
    return Row(label, found.kind, next((one for one in main if one), ""), cells)


def _bracketed(label: str) -> str:
    return label if label.isidentifier() or all(part.isidentifier() for part in label.split(".")) else f"({label})"


def _labels(traces: Sequence[Trace], flows: Sequence[Flow], classes: Sequence[Sequence[int]]) -> dict[tuple[int, int], str]:
    """Per column and quantity that is a Value what it is called: by a name in one of the programs, else by its expression."""
    found: dict[tuple[int, int], str] = {}
    for members in classes:
        values = [
            (column, number)
            for column, number in enumerate(members)
            if number != NONE and flows[column].quantities[number].kind == "value"
        ]
        told = [_called(traces[column].graph, flows[column].quantities[number].things[0]) for column, number in values]
        for place in values:
            found[place] = max(told, key=lambda one: one[0])[1]
    return found


def _called(graph: Graph, number: int) -> tuple[bool, str]:
    """What a Value is called, and whether by a name of the program."""
    value = graph.values[number]
    op = graph.ops[value.op] if value.op != NONE else None
    label = value_label(graph, number)
    if op is not None and op.phase == "update" and value.base != NONE:
        label = f"{label} updated"
    if value.name or op is None or op.variable:
        return True, label
    expression = " ".join(graph.sites[op.site].expression.split()) if op.site != NONE else ""
    return False, expression if 0 < len(expression) <= LONGEST else label


def _main(flow: Flow, number: int) -> Main:
    quantity = flow.quantities[number]
    if number in flow.losses:
        return "loss"
    if quantity.learns:
        return "weight"
    if quantity.kind == "gradient":
        return "gradient" if flow.quantities[quantity.of].learns and quantity.via == NONE else ""
    return "updated" if number in flow.updated.values() else ""


__all__ = ["Cell", "Row", "match"]
