"""Probes: things that are plotted over the training steps, and their figures in the statistics of many steps. No Qt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from gradwalk.paths import Columns, Kind, columns_of, id_of
from gradwalk.recording.tables import Asked, Tables
from gradwalk.trace import NONE, STATISTICS, Graph

from .graph.magnitudes import NOT_THERE, MeasureName, magnitudes

Figure: TypeAlias = Literal["rms", "norm", "max", "zeros", "mean", "least", "most"]
"""What is plotted of a thing; the last three of Values only."""
FIGURES: dict[Figure, str] = {
    "rms": "RMS",
    "norm": "L2 norm",
    "max": "max |x|",
    "zeros": "zeros",
    "mean": "mean",
    "least": "min",
    "most": "max",
}
_READ: dict[Figure, tuple[str, ...]] = {
    "rms": ("sumsq",),
    "norm": ("sumsq",),
    "max": ("min", "max"),
    "zeros": ("zero",),
    "mean": ("sum",),
    "least": ("min",),
    "most": ("max",),
}
_ALWAYS = ("count", "nan", "inf")
_ROW = {name: row for row, name in enumerate(STATISTICS)}
LONGEST_PATH = 4000


@dataclass(frozen=True, slots=True)
class Probe:
    """One line: a thing by its path, which steps of other Graphs have too; ``ink`` is the number of its colour."""

    kind: Kind
    path: str
    name: str
    figure: Figure = "rms"
    ink: int = 0

    @property
    def thing(self) -> tuple[Kind, str]:
        """What is plotted, whatever of it."""
        return self.kind, self.path

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What can be plotted of the thing."""
        all_ = get_args(Figure)
        return all_ if self.kind in ("op", "value") else all_[:4]


def asked_of(figure: Figure, *, gradient: bool) -> Asked:
    """The statistics that a figure needs."""
    names = frozenset((*_ALWAYS, *_READ[figure]))
    return Asked(gradients=names) if gradient else Asked(values=names)


def columns_in(graph: Graph, probe: Probe) -> Columns | None:
    """Where a Graph has the thing of a probe, or None."""
    thing = id_of(graph, probe.kind, probe.path)
    return None if thing == NONE else columns_of(graph, probe.kind, thing)


def figures_of(tables: Tables, probe: Probe) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """A probe's figure of each step, float64 ``[steps]``, NaN where it was not counted, and which are NaN or Inf themselves.

    None where the Graph has no such thing.
    """
    columns = columns_in(tables.graph, probe)
    if columns is None:
        return None
    table = (tables.values if columns.table == "values" else tables.gradients)[:, list(columns.things)]
    if probe.figure in ("mean", "least", "most"):
        found, there = _signed(table, probe.figure)
    else:
        found = magnitudes(table, cast(MeasureName, probe.figure)).max(axis=0)
        there = ~(found == NOT_THERE)
    return np.where(there, found, np.nan), there & ~np.isfinite(found)


def _signed(table: NDArray[np.float64], figure: Figure) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    count, nan = table[_ROW["count"], 0], table[_ROW["nan"], 0]
    with np.errstate(all="ignore"):
        found = table[_ROW["sum"], 0] / count if figure == "mean" else table[_ROW["min" if figure == "least" else "max"], 0]
    return np.where(nan > 0, np.nan, found), count > 0


def free_ink(probes: tuple[Probe, ...], inks: int) -> int:
    """The number of a colour for one more probe: the first that none has, else one that the fewest have."""
    used = [probe.ink for probe in probes]
    return min(range(inks), key=lambda ink: (used.count(ink), ink))


def to_text(probes: tuple[Probe, ...]) -> str:
    """Probes as JSON."""
    return json.dumps([[probe.kind, probe.path, probe.name, probe.figure, probe.ink] for probe in probes])


def from_text(text: str) -> tuple[Probe, ...]:
    """Probes from JSON; what is no probe is left out. Never raises."""
    try:
        rows = json.loads(text)
    except ValueError:
        return ()
    return tuple(Probe(*row) for row in rows if _is_probe(row)) if isinstance(rows, list) else ()


def _is_probe(row: Any) -> bool:
    if not isinstance(row, list) or len(row) != 5 or not all(isinstance(text, str) for text in row[:4]):
        return False
    kind, path, name, figure, ink = row
    known = kind in get_args(Kind) and len(path) <= LONGEST_PATH and len(name) <= LONGEST_PATH
    return known and figure in Probe(kind, path, name).figures and type(ink) is int and 0 <= ink < 100
