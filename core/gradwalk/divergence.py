"""Where two steps of the same structure part: two ranks, two steps or two recordings, compared by their statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .refusal import RefusalError
from .scales import unscaled
from .show import number_json
from .tape import event_at, module_of, moments, name_of, rms_of, site_of, target_of, value_label
from .trace import NONE, STATISTICS, Graph, Trace

Numbers = NDArray[np.float64]
FIGURES = ("rms", "min", "max", "mean", "nan", "inf")
_ROW = {name: STATISTICS.index(name) for name in STATISTICS}


@dataclass(frozen=True, slots=True)
class Difference:
    """The Value or gradient (an Edge's) of one event that differs most; ``event`` is NONE for what was there from the start.

    ``apart`` is the difference of the figure relative to the largest element of both; infinite for NaN or Inf on one side only.
    """

    event: int
    kind: Literal["value", "gradient"]
    thing: int
    figure: str
    first: float
    second: float
    apart: float


Parted: TypeAlias = tuple[Trace, Trace, list[Difference]]
"""Two steps and where they differ."""


class Steps(Protocol):
    """What is asked of a recording."""

    def __getitem__(self, index: int, /) -> Trace: ...
    def step_numbers(self) -> NDArray[np.int64]:
        """The number of every step."""


def differences(first: Trace, second: Trace, tolerance: float) -> list[Difference]:
    """What differs by more than a tolerance: tensors that were there from the start, then one difference per event of the tape.

    What was not counted on one side is left out. Raises RefusalError where the steps differ in structure.
    """
    check_structure(first, second)
    first, second = unscaled(first), unscaled(second)
    when, graph = moments(first), first.graph
    start = np.array([value.op == NONE for value in graph.values], dtype=np.bool_)
    copies = np.array([value.op == NONE and value.gradient_of != NONE for value in graph.values], dtype=np.bool_)
    positions = np.where(start, NONE, when.values)
    found: dict[tuple[int, int], Difference] = {}
    for one in _parted("value", first.values, second.values, positions, tolerance, ~copies & (start | (positions != NONE))):
        _keep(found, one)
    for one in _parted("gradient", first.gradients, second.gradients, when.edges, tolerance, when.edges != NONE):
        _keep(found, one)
    return [found[place] for place in sorted(found)]


def first_divergence(first: Steps, second: Steps, tolerance: float) -> Parted | None:
    """Of the steps that both have, the first that parts; None where none does. Raises RefusalError for other structures."""
    numbers = first.step_numbers(), second.step_numbers()
    _, here, there = np.intersect1d(*numbers, return_indices=True)
    if not len(here):
        raise RefusalError("the two recordings have no step in common")
    for place, other in zip(here.tolist(), there.tolist(), strict=True):
        steps = first[place], second[other]
        found = differences(*steps, tolerance)
        if found:
            return *steps, found
    return None


def check_structure(first: Trace, second: Trace) -> None:
    """Raises RefusalError, which names the first event that differs, unless two steps have the same structure."""
    here, there = first.graph, second.graph
    if here is there or here.key == there.key:
        return
    for position, (one, other) in enumerate(zip(_events(here), _events(there), strict=False)):
        if one != other:
            raise _other(first, second, f"event {position} is {one[2]} in the one and {other[2]} in the other")
    if len(here.events) != len(there.events):
        raise _other(first, second, f"the one has {len(here.events):,} events, the other {len(there.events):,}")
    if len(here.values) != len(there.values) or len(here.edges) != len(there.edges):
        raise _other(first, second, "they have other tensors or gradients")


def _other(first: Trace, second: Trace, how: str) -> RefusalError:
    return RefusalError(f"step {first.step} and step {second.step} cannot be compared, their structures differ: {how}")


def _events(graph: Graph) -> Iterator[tuple[str, str, str, tuple[int, ...]]]:
    for event in graph.events:
        inputs = graph.ops[event.ref].inputs if event.kind in ("op", "update") else ()
        yield event.kind, event.phase, name_of(graph, event), inputs


def _keep(found: dict[tuple[int, int], Difference], one: Difference) -> None:
    place = one.event, one.thing if one.event == NONE else 0
    if place not in found or one.apart > found[place].apart:
        found[place] = one


def _parted(
    kind: Literal["value", "gradient"],
    first: Numbers,
    second: Numbers,
    positions: NDArray[np.integer],
    tolerance: float,
    there: NDArray[np.bool_],
) -> Iterator[Difference]:
    figures, others = figures_of(first), figures_of(second)
    apart = how_far_apart(first, second, figures, others)
    for thing in np.flatnonzero(there & (apart.max(axis=0) > tolerance)).tolist():
        row = int(apart[:, thing].argmax())
        numbers = float(figures[row, thing]), float(others[row, thing])
        yield Difference(int(positions[thing]), kind, thing, FIGURES[row], *numbers, float(apart[row, thing]))


def figures_of(table: Numbers) -> Numbers:
    """The FIGURES of a statistics table, ``[figures, things]``."""
    with np.errstate(all="ignore"):
        mean = table[_ROW["sum"]] / table[_ROW["count"]]
    return np.stack([rms_of(table), table[_ROW["min"]], table[_ROW["max"]], mean, table[_ROW["nan"]], table[_ROW["inf"]]])


def how_far_apart(first: Numbers, second: Numbers, figures: Numbers, others: Numbers) -> Numbers:
    """How far the figures are apart, ``[figures, things]``; 0 for what one side did not count."""
    counted = (first[_ROW["count"]] >= 0) & (second[_ROW["count"]] >= 0)
    with np.errstate(all="ignore"):
        largest = np.fmax.reduce(np.abs(np.concatenate([figures[1:3], others[1:3]])), axis=0, initial=0.0)
        apart = np.abs(figures - others) / np.where(largest > 0, largest, 1.0)
    apart[np.isnan(apart)] = 0.0  # NaN or Inf on both sides, or told by the counts below
    apart[4:] = np.where((figures[4:] != others[4:]) & (figures[4:] >= 0) & (others[4:] >= 0), np.inf, 0.0)
    found: Numbers = np.where(counted, apart, 0.0)
    return found


def in_words(trace: Trace, one: Difference) -> str:
    """``#12 backward AddmmBackward0 in net.fc1: gradient to AccumulateGrad w: rms 1.2 and 1.3, 8 % apart, model.py:88``."""
    graph = trace.graph
    thing = value_label(graph, one.thing) if one.kind == "value" else f"gradient to {target_of(graph, graph.edges[one.thing])}"
    far = "" if np.isinf(one.apart) else f", {one.apart:.2g} apart"
    figures = f"{one.figure} {one.first:.9g} and {one.second:.9g}{far}"
    if one.event == NONE:
        return f"from the start: {thing}: {figures}"
    event = event_at(trace, one.event)
    module, site = module_of(graph, event), site_of(graph, event)
    inside = f" in {module}" if module else ""
    source = f", {site.file.replace(chr(92), '/').rpartition('/')[2]}:{site.line}" if site is not None else ""
    return f"#{one.event} {event.phase} {name_of(graph, event)}{inside}: {thing}: {figures}{source}"


def report_json(parted: Parted | None, tolerance: float) -> dict[str, Any]:
    """Where two steps part, as plain data."""
    if parted is None:
        return {"tolerance": tolerance, "step": None, "other_step": None, "differences": []}
    first, second, found = parted
    return {
        "tolerance": tolerance,
        "step": first.step,
        "other_step": second.step,
        "differences": [
            {
                "event": None if one.event == NONE else one.event,
                "kind": one.kind,
                "thing": one.thing,
                "figure": one.figure,
                "first": number_json(one.first),
                "second": number_json(one.second),
                "apart": number_json(one.apart),
                "sentence": in_words(first, one),
            }
            for one in found
        ],
    }


def report_lines(parted: Parted | None, tolerance: float) -> list[str]:
    """The same for people: a line per event that differs, the first first."""
    if parted is None:
        return [f"no difference above {tolerance:g}"]
    first, second, found = parted
    where = f"step {first.step}" if first.step == second.step else f"step {first.step} and step {second.step}"
    many = "1 event differs" if len(found) == 1 else f"{len(found):,} events differ"
    return [f"{where}: {many} by more than {tolerance:g}, first this:", *(in_words(first, one) for one in found)]
