"""The gradient of every parameter at every step, as numbers: rows in the order of the forward, a column per step. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.leaves import Leaves, least_ratios, leaves_of
from gradwalk.paths import path_of
from gradwalk.recording.tables import Asked, Tables
from gradwalk.same import Same
from gradwalk.tape import index
from gradwalk.trace import NONE, Graph

from ..graph.magnitudes import NOT_THERE, MeasureName, magnitudes
from ..probes import Figure, asked_of

Numbers = NDArray[np.float64]
ABSENT, NO_GRADIENT = -3.0, -2.0
"""In place of a magnitude (beside the -1 of ``graph/magnitudes.py``): a step has no such parameter or could not be read; it has,
but there is no gradient. Of several numbers the largest counts, NaN before all others.
"""
MOST_CELLS = 8_000_000
"""More numbers than this are not kept: of two neighbouring steps the larger is."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row: path and name of a leaf, and the paths of the module calls around it, outermost first."""

    path: str
    name: str
    modules: tuple[str, ...] = ()
    used: bool = True
    """Whether an op of the forward reads it."""


@dataclass(frozen=True, slots=True)
class Group:
    """What is one row of the picture: a parameter, or all of a module. ``rows`` are those of the Heat."""

    title: str
    rows: tuple[int, ...]
    module: str = ""


class Heat:
    """Grows. A Track for the gatherer: ``at`` counts the steps it has taken."""

    def __init__(self, measure: MeasureName = "rms") -> None:
        self.measure = measure
        self.at = 0
        self.per = 1
        """How many steps share a column."""
        self.parameters: list[Parameter] = []
        self._row_of: dict[str, int] = {}
        self._order: list[int] = []
        self._cells = np.full((8, 256), ABSENT)

    @property
    def asked(self) -> Asked:
        """What it needs of a step."""
        if self.measure == "update":
            return Asked(values=frozenset(("count", "sum", "sumsq")))
        figure: Figure = "max" if self.measure == "bad" else self.measure
        return asked_of(figure, gradient=True)

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return -(-self.at // self.per)

    @property
    def order(self) -> tuple[int, ...]:
        """The rows as they are shown: parameters in the order of the forward."""
        return tuple(self._order)

    def cells(self, rows: Sequence[int], columns: slice = slice(None)) -> Numbers:
        """Magnitudes, float64 ``[rows, columns]``: NaN, Inf, and the numbers that stand for none."""
        found: Numbers = self._cells[: len(self.parameters), : self.columns][list(rows), columns]
        return found

    def take(self, end: int, tables: Sequence[Tables]) -> None:
        """Take the steps up to ``end``."""
        for table in tables:
            rows, leaves = self._rows(table.graph)
            self._make_room(end)
            found = np.full((len(rows), len(table.places)), NO_GRADIENT)
            there = np.flatnonzero(leaves.edges != NONE)
            found[there] = self._found(table, leaves, there)
            self._put(rows, table.places // self.per, found)
        self._make_room(end)
        self.at = end

    def _found(self, table: Tables, leaves: Leaves, of: NDArray[np.intp]) -> Numbers:
        """The magnitude of some of the leaves in each step, -1 where it is not known."""
        if self.measure != "update":
            return magnitudes(table.gradients[:, leaves.edges[of]], self.measure)
        written = leaves.written[of]
        ratios = least_ratios(table.values[:, leaves.values[of]], table.values[:, written])
        return np.where(np.isfinite(ratios) & (written != NONE)[:, None], ratios, NOT_THERE)

    def _put(self, rows: NDArray[np.intp], columns: NDArray[np.int64], found: Numbers) -> None:
        """Of the numbers of one column, and of what is there already, the largest."""
        if not len(columns) or not len(rows):
            return
        starts = np.flatnonzero(np.diff(columns, prepend=-1))
        place = np.ix_(rows, columns[starts])
        self._cells[place] = np.maximum(self._cells[place], np.maximum.reduceat(found, starts, axis=1))

    def _rows(self, graph: Graph) -> tuple[NDArray[np.intp], Leaves]:
        """The rows of a Graph's parameters, and the leaves that these are."""
        parameters, leaves = _parameters(Same(graph))
        if any(parameter.path not in self._row_of or parameter.used > self._known(parameter).used for parameter in parameters):
            self._add(parameters)
        return np.array([self._row_of[one.path] for one in parameters], dtype=np.intp), leaves

    def _known(self, parameter: Parameter) -> Parameter:
        return self.parameters[self._row_of[parameter.path]]

    def _add(self, parameters: Iterable[Parameter]) -> None:
        """Rows for those that have none, each after the one before it; for those that nothing has used up to now, at the end."""
        place = 0
        for parameter in parameters:
            row = self._row_of.get(parameter.path)
            if row is None:
                self._row_of[parameter.path] = row = len(self.parameters)
                self.parameters.append(parameter)
                self._order.insert(place if parameter.used else len(self._order), row)
            elif parameter.used and not self.parameters[row].used:
                self.parameters[row] = parameter
                self._order.remove(row)
                self._order.insert(place, row)
            place = self._order.index(row) + 1 if parameter.used else place

    def _make_room(self, end: int) -> None:
        while len(self.parameters) * -(-end // self.per) > MOST_CELLS:
            self._halve()
        rows, columns = self._cells.shape
        if len(self.parameters) > rows or -(-end // self.per) > columns:
            needed = -(-end // self.per)
            wanted = max(len(self.parameters), rows), max(needed, 2 * columns) if needed > columns else columns
            grown = np.full(wanted, ABSENT)
            grown[:rows, :columns] = self._cells
            self._cells = grown

    def _halve(self) -> None:
        """Twice as many steps in each column."""
        if self._cells.shape[1] % 2:
            self._cells = np.append(self._cells, np.full((len(self._cells), 1), ABSENT), axis=1)
        self._cells = np.maximum(self._cells[:, ::2], self._cells[:, 1::2])
        self.per *= 2


@lru_cache(maxsize=16)
def _parameters(key: Same[Graph]) -> tuple[tuple[Parameter, ...], Leaves]:
    graph = key.thing
    leaves = leaves_of(graph)
    made = []
    for value, name in zip(leaves.values.tolist(), leaves.names, strict=True):
        readers = [op for op in index(graph).consumers[value] if graph.ops[op].phase == "forward"]
        around = _modules_around(graph, graph.ops[readers[0]].module) if readers else ()
        made.append(Parameter(path_of(graph, "value", value), name, around, bool(readers)))
    return tuple(made), leaves


def _modules_around(graph: Graph, module: int) -> tuple[str, ...]:
    """The paths of a module call and of those around it, outermost first."""
    paths: list[str] = []
    while module != NONE:
        paths.append(graph.modules[module].path)
        module = graph.modules[module].parent
    return tuple(reversed(paths))


def groups_of(parameters: Sequence[Parameter], order: Sequence[int], fit: int, folded: Iterable[str] = ()) -> tuple[Group, ...]:
    """The rows of a picture in which ``fit`` rows have room: a parameter each if they do.

    Else a folded module is one row; else all modules at the greatest depth at which they have room.
    """
    each = tuple(Group(parameters[row].name, (row,)) for row in order)
    if len(each) <= fit:
        return each
    away, around = frozenset(folded), [parameters[row].modules for row in order]
    levels = [[next((path for path in modules if path in away), "") for modules in around]]
    deepest = max(map(len, around), default=0)
    levels += [[modules[:depth][-1] if modules else "" for modules in around] for depth in range(deepest, 0, -1)]
    found = [groups for groups in (_grouped(parameters, order, level) for level in levels) if len(groups) > 1]
    return next((groups for groups in found if len(groups) <= fit), min([each, *found], key=len))


def _grouped(parameters: Sequence[Parameter], order: Sequence[int], modules: Sequence[str]) -> tuple[Group, ...]:
    rows: dict[str, list[int]] = {}
    for row, module in zip(order, modules, strict=True):
        rows.setdefault(f"module {module}" if module else f"parameter {row}", []).append(row)
    made = []
    for key, members in rows.items():
        module = key.removeprefix("module ") if key.startswith("module ") else ""
        made.append(Group(module or parameters[members[0]].name, tuple(members), module))
    return tuple(made)


def binned(cells: Numbers, groups: Sequence[Group], pixels: int) -> Numbers:
    """The largest of each group's rows and of the columns that share a pixel: float64 ``[groups, min(columns, pixels)]``.

    The rows of ``cells`` are those of the groups, one group after the other.
    """
    columns = cells.shape[1]
    if columns > pixels:
        cells = np.maximum.reduceat(cells, np.arange(pixels) * columns // pixels, axis=1)
    if len(cells) > len(groups):
        starts = np.cumsum([0, *(len(group.rows) for group in groups[:-1])])
        cells = np.maximum.reduceat(cells, starts, axis=0)
    return cells


def largest(cells: Numbers) -> int:
    """The column that stands for several, float64 ``[rows, columns]``: with NaN, else with the largest number."""
    top: Numbers = np.maximum.reduce(cells, axis=0)
    bad = np.flatnonzero(np.isnan(top))
    return int(bad[0]) if len(bad) else int(np.argmax(top))
