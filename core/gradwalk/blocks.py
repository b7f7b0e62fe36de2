"""Repeated blocks: sibling module calls that do the same, such as the twelve layers of a transformer.

Two calls are equal where their modules are of one class and what ran inside is equal: the same ops with the same arguments in the
same order, reading each other's results the same way, and the same from outside. What they are called and which parameters they
have does not matter. Each call's inside is put into one small number, children first, so the whole costs one walk over the Graph.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from .trace import NONE, Graph, Op


@dataclass(frozen=True, slots=True)
class Group:
    """Equal calls of one parent, in the order in which they ran; ``ops`` is how many ops each holds."""

    calls: tuple[int, ...]
    ops: int
    nested: bool
    """Whether each holds calls of other modules."""


@dataclass(slots=True)
class _Inside:
    """What ran inside a call: its ops and the calls it made (as ``~call``), in order."""

    items: list[int] = field(default_factory=list)
    first: int = NONE
    ops: int = 0
    outside: list[int] = field(default_factory=list)
    """The Values that came from outside, in the order in which they were first read."""
    number: int = NONE
    """Equal for equal calls."""


def repeated_blocks(graph: Graph) -> tuple[Group, ...]:
    """The groups of at least two equal sibling calls, outer ones first."""
    inside = _insides(graph)
    known: dict[Hashable, int] = {}
    for call in reversed(graph.modules):  # a call's children have greater ids than it has
        _number(graph, call.id, inside, known)
    groups: dict[tuple[int, int], list[int]] = {}
    for call in graph.modules:
        if inside[call.id].ops:
            groups.setdefault((call.parent, inside[call.id].number), []).append(call.id)
    return tuple(
        Group(tuple(calls), inside[calls[0]].ops, any(item < 0 for item in inside[calls[0]].items))
        for calls in groups.values()
        if len(calls) > 1
    )


def successions(graph: Graph, least: int = 3) -> tuple[tuple[int, ...], ...]:
    """Runs of at least ``least`` equal sibling calls, in their order, with nothing else of their parent between them."""
    inside = _insides(graph)
    known: dict[Hashable, int] = {}
    for call in reversed(graph.modules):
        _number(graph, call.id, inside, known)
    return tuple(
        run for items in (_at_the_top(graph), *(within.items for within in inside)) for run in _runs(items, inside, least)
    )


def _at_the_top(graph: Graph) -> list[int]:
    """What ran outside of all calls, and the outermost calls (as ``~call``), in order."""
    items: list[int] = []
    for op in graph.ops:
        if op.phase != "forward" or op.parent != NONE:
            continue
        call, item = op.module, op.id
        while call != NONE:
            call, item = graph.modules[call].parent, ~call
        if item >= 0 or not items or items[-1] != item:
            items.append(item)
    return items


def _runs(items: Sequence[int], inside: Sequence[_Inside], least: int) -> list[tuple[int, ...]]:
    runs: list[list[int]] = []
    before = NONE
    for item in items:
        number = inside[~item].number if item < 0 else NONE
        if number != NONE and number == before:
            runs[-1].append(~item)
        elif number != NONE:
            runs.append([~item])
        before = number
    return [tuple(run) for run in runs if len(run) >= least]


def blocks_in_words(graph: Graph, groups: Sequence[Group]) -> list[str]:
    """``layer.0 ... layer.11: 12 equal blocks (Layer, 14 ops each)``.

    Blocks of one op are left out, and those inside a block that is equal to one before.
    """
    repeated = {call for group in groups for call in group.calls[1:]}
    said = []
    for group in groups:
        first, last = (graph.modules[call] for call in (group.calls[0], group.calls[-1]))
        if group.ops > 1 and not _is_within(graph, first.parent, repeated) and first.path != last.path:
            many = f"{len(group.calls)} equal blocks ({first.kind}, {group.ops} ops each)"
            said.append(f"{first.path} {'...' if len(group.calls) > 2 else 'and'} {last.path}: {many}")
    return said


def _is_within(graph: Graph, call: int, around: set[int]) -> bool:
    while call != NONE:
        if call in around:
            return True
        call = graph.modules[call].parent
    return False


def _insides(graph: Graph) -> list[_Inside]:
    inside = [_Inside() for _ in graph.modules]
    for op in graph.ops:
        if op.phase != "forward" or op.module == NONE:
            continue
        call, item = op.module, op.id
        while call != NONE:
            within = inside[call]
            new = within.first == NONE
            if item >= 0 or not within.items or within.items[-1] != item:
                within.items.append(item)
            if new:
                within.first = op.id
            within.ops += 1
            call, item = graph.modules[call].parent, ~call
    return inside


def _number(graph: Graph, call: int, inside: list[_Inside], known: dict[Hashable, int]) -> None:
    within = inside[call]
    places: dict[int, int] = {}

    def reference(value: int) -> Hashable:
        of = graph.values[value]
        if of.op != NONE and of.op >= within.first and _is_within(graph, graph.ops[of.op].module, {call}):
            return of.op - within.first, of.output
        place = places.get(value)
        if place is None:
            place = places[value] = len(within.outside)
            within.outside.append(value)
        return "outside", place, of.dtype, len(of.shape), of.parameter

    def op_inside(op: Op) -> Hashable:
        gives = tuple(graph.values[output].dtype for output in op.outputs)
        return op.name, op.arguments, op.tags, tuple(map(reference, op.inputs)), gives

    content = tuple(
        op_inside(graph.ops[item]) if item >= 0 else (inside[~item].number, tuple(map(reference, inside[~item].outside)))
        for item in within.items
    )
    within.number = known.setdefault((graph.modules[call].kind, content), len(known))
