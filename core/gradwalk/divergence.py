"""Where two steps part: two ranks, two steps or two recordings, compared by their statistics as far as their structures agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .refusal import RefusalError
from .scales import unscaled
from .show import number_json
from .tape import event_at, index, module_of, moments, name_of, rms_of, site_of, target_of, value_label
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


@dataclass(frozen=True, slots=True)
class Fork:
    """Where the structures of two steps part: the first event that differs (or the end of the one), and how, in words."""

    event: int
    how: str


Parted: TypeAlias = tuple[Trace, Trace, list[Difference]]
"""Two steps and where they differ."""
_Event: TypeAlias = tuple[str, str, str, tuple[int, ...]]
"""Kind, phase, name and inputs of an event."""


class Steps(Protocol):
    """What is asked of a recording."""

    def __getitem__(self, index: int, /) -> Trace: ...
    def step_numbers(self) -> NDArray[np.int64]:
        """The number of every step."""


def differences(first: Trace, second: Trace, tolerance: float) -> list[Difference]:
    """What differs by more than a tolerance: tensors that were there from the start, then one difference per event of the tape.

    What was not counted on one side is left out. Where the structures part, what is before that event is compared. Raises
    RefusalError where nothing differs there: what comes after cannot be compared.
    """
    fork = fork_of(first, second)
    values, edges = _common(first.graph, second.graph, fork)
    one, other = unscaled(first), unscaled(second)
    when, graph = moments(one), one.graph
    start = np.array([value.op == NONE for value in graph.values], dtype=np.bool_)
    copies = np.array([value.op == NONE and value.gradient_of != NONE for value in graph.values], dtype=np.bool_)
    positions = np.where(start, NONE, when.values)
    found: dict[tuple[int, int], Difference] = {}
    for difference in _parted(
        "value", one.values, other.values, positions, tolerance, values & ~copies & (start | (positions != NONE))
    ):
        _keep(found, difference)
    for difference in _parted("gradient", one.gradients, other.gradients, when.edges, tolerance, edges & (when.edges != NONE)):
        _keep(found, difference)
    if fork is not None and not found:
        raise _refusal(first, second, fork, tolerance)
    return [found[place] for place in sorted(found)]


def _refusal(first: Trace, second: Trace, fork: Fork, tolerance: float) -> RefusalError:
    pair = f"step {first.step} and step {second.step}"
    if not fork.event:
        return RefusalError(f"{pair} cannot be compared, their structures differ: {fork.how}")
    agree = f"no figure before it differs by more than {tolerance:g}"
    return RefusalError(f"{pair} can be compared up to event {fork.event} only, their structures differ: {fork.how}; {agree}")


def first_divergence(first: Steps, second: Steps, tolerance: float) -> Parted | None:
    """Of the steps that both have, the first that parts; None where none does. Raises RefusalError as differences does."""
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


def fork_of(first: Trace, second: Trace) -> Fork | None:
    """Where the structures of two steps part; None where they are the same."""
    here, there = first.graph, second.graph
    if here is there or here.key == there.key:
        return None
    for position, (one, other) in enumerate(zip(_events(here), _events(there), strict=False)):
        if one != other:
            return Fork(position, _how(position, one, other))
    shorter = min(len(here.events), len(there.events))
    if len(here.events) != len(there.events):
        return Fork(shorter, f"the one has {len(here.events):,} events, the other {len(there.events):,}")
    if len(here.values) != len(there.values) or len(here.edges) != len(there.edges):
        return Fork(shorter, "they have other tensors or gradients")
    return None


def _how(position: int, one: _Event, other: _Event) -> str:
    if one[2] == other[2]:
        return f"event {position} is {one[2]} in both, of other inputs or in another phase"
    return f"event {position} is {one[2]} in the one and {other[2]} in the other"


def _common(first: Graph, second: Graph, fork: Fork | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which Values and Edges of ``first`` are the same things in ``second``: all, or those of the events before a fork."""
    values, edges = np.ones(len(first.values), dtype=np.bool_), np.ones(len(first.edges), dtype=np.bool_)
    if fork is not None:
        values[:], edges[:] = False, False
        values[list(_common_values(first, second, fork.event))] = True
        edges[list(_common_edges(first, second, fork.event))] = True
    return values, edges


def _common_values(first: Graph, second: Graph, end: int) -> Iterator[int]:
    """What the ops before an event read and make, where it has the same place, name and origin in both."""
    for one, other in zip(first.events[:end], second.events[:end], strict=True):
        if one.kind in ("op", "update") and one.ref == other.ref:
            op = first.ops[one.ref]
            for value in (*op.inputs, *op.outputs):
                here, there = first.values[value], second.values[value] if value < len(second.values) else None
                if there is not None and (here.op, here.name) == (there.op, there.name):
                    yield value


def _common_edges(first: Graph, second: Graph, end: int) -> Iterator[int]:
    """The gradients that the events before an event send, where they have the same way in both."""
    here, there = index(first).edges_of_event, index(second).edges_of_event
    for event in range(end):
        for edge in set(here[event]) & set(there[event]):
            if first.edges[edge] == second.edges[edge]:
                yield edge


def _events(graph: Graph) -> Iterator[_Event]:
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
    both = min(first.shape[1], second.shape[1])  # the two have other things after the event at which their structures part
    first, second, there = first[:, :both], second[:, :both], there[:both]
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
        return {"tolerance": tolerance, "step": None, "other_step": None, "differences": [], "structures_part": None}
    first, second, found = parted
    fork = fork_of(first, second)
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
        "structures_part": None if fork is None else {"event": fork.event, "how": fork.how},
    }


def report_lines(parted: Parted | None, tolerance: float) -> list[str]:
    """The same for people: a line per event that differs, the first first."""
    if parted is None:
        return [f"no difference above {tolerance:g}"]
    first, second, found = parted
    where = f"step {first.step}" if first.step == second.step else f"step {first.step} and step {second.step}"
    many = "1 event differs" if len(found) == 1 else f"{len(found):,} events differ"
    fork = fork_of(first, second)
    end = [f"compared up to event {fork.event}, where the structures part: {fork.how}"] if fork is not None else []
    return [f"{where}: {many} by more than {tolerance:g}, first this:", *(in_words(first, one) for one in found), *end]
