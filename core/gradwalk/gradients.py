"""The gradients of a step as a table: a row per parameter or leaf that requires grad."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .leaves import Leaves, exact_update, least_update, leaves_of
from .scales import unscaled
from .tape import Moments, Stats, index, moments, shape_of, stats_of
from .trace import NONE, Shape, Trace
from .why import why_no_gradient

NONE_AT_ALL, NOT_YET, EXACTLY_ZERO = "None (no path)", "not yet computed", "0 (exactly)"


@dataclass(frozen=True, slots=True)
class GradientRow:
    """One parameter. Figures are None where there is no gradient or it was not counted.

    ``absmax`` is the largest absolute element, ``zeros`` the fraction of exact zeros. ``update_ratio`` is |update| / |weight|;
    where the elements were not kept it is not ``exact``, but the least that it can be. ``said`` is one of three texts where there
    is no gradient to speak of, ``why`` the reason.
    """

    value: int
    name: str
    module: str
    shape: Shape
    rms: float | None = None
    absmax: float | None = None
    norm: float | None = None
    update_ratio: float | None = None
    exact: bool = False
    zeros: float | None = None
    nan: int | None = None
    inf: int | None = None
    said: str = ""
    why: str = ""


def gradients_of(trace: Trace, position: int | None = None) -> tuple[GradientRow, ...]:
    """A row per parameter in the order of the forward, at the end of the step or when ``position`` events have run.

    Gradients under a GradScaler are given without its factor.
    """
    trace = unscaled(trace)
    leaves, when = leaves_of(trace.graph), moments(trace)
    least = least_update(trace, leaves)
    end = len(trace.tape) if position is None else position
    rows = []
    for leaf, value in enumerate(leaves.values.tolist()):
        edge = int(leaves.edges[leaf])
        at = int(when.edges[edge]) if edge != NONE else NONE
        said = NONE_AT_ALL if at == NONE else (NOT_YET if at >= end else "")
        stats = stats_of(trace.gradients, edge) if not said else None
        if stats is not None and stats.zero == stats.count > 0:
            said = EXACTLY_ZERO
        why = why_no_gradient(trace, value) if said == NONE_AT_ALL else ""
        ratio, exact = _update(trace, leaves, leaf, float(least[leaf]), when, end)
        rows.append(_row(trace, value, leaves.names[leaf], stats, ratio, exact, said, why))
    return tuple(rows)


def _row(
    trace: Trace, value: int, name: str, stats: Stats | None, ratio: float | None, exact: bool, said: str, why: str
) -> GradientRow:
    place = value, name, _module(trace, value), shape_of(trace, value)
    if stats is None:
        return GradientRow(*place, update_ratio=ratio, exact=exact, said=said, why=why)
    return GradientRow(
        *place,
        rms=stats.rms,
        absmax=max(abs(stats.min), abs(stats.max)),
        norm=stats.norm,
        update_ratio=ratio,
        exact=exact,
        zeros=stats.zero / stats.count if stats.zero is not None and stats.count else None,
        nan=stats.nan,
        inf=stats.inf,
        said=said,
    )


def _update(trace: Trace, leaves: Leaves, leaf: int, least: float, when: Moments, end: int) -> tuple[float | None, bool]:
    """|update| / |weight| and whether it is exact; None before the update, and where none is known."""
    written = int(leaves.written[leaf])
    if written == NONE or int(when.values[written]) >= end:
        return None, False
    exact = exact_update(trace, int(leaves.values[leaf]), written)
    if exact is not None:
        return exact, True
    return (None if math.isnan(least) else least), False


def _module(trace: Trace, value: int) -> str:
    """The path of the module whose op reads a leaf first; an empty string outside of modules."""
    graph = trace.graph
    modules = [graph.ops[op].module for op in index(graph).consumers[value] if graph.ops[op].phase == "forward"]
    return graph.modules[modules[0]].path if modules and modules[0] != NONE else ""
