"""What a step's picture shows whatever the playhead: when each part happens, and how large its gradients are. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.tape import Moments, index, moments
from gradwalk.trace import NONE, STATISTICS, Graph, Trace

from .events_on_cards import Cards, Place, cards_of, place_of
from .frames import shown_op
from .magnitudes import MeasureName, magnitudes
from .meeting import sum_magnitude
from .parts import Card, Lane
from .scene import Scene

Ints = NDArray[np.int32]
ALWAYS = -2
"""The tape position of what is there from the start: leaves and inputs."""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Tape positions are int32, NONE for never. ``first`` and ``last`` are ``[cards, 2]``: forward and backward half."""

    trace: Trace
    scene: Scene
    measure: MeasureName
    cards: Cards
    first: Ints
    last: Ints
    lane_forward: Ints
    lane_backward: tuple[tuple[tuple[int, int], ...], ...]
    """Per lane ``(position, edge)`` of each gradient that comes back, in the order in which they ran."""
    edges: Ints
    """Per edge when its gradient is made."""
    magnitudes: NDArray[np.float64]
    """Per edge."""
    given: tuple[tuple[int, ...], ...]
    """Per card the edges whose magnitude its backward half shows."""
    bad: tuple[str, ...]
    """Per card ``NaN`` or ``Inf`` where its forward values hold one, else an empty string."""
    updates: dict[int, tuple[int, str]]
    """Per leaf's card when its update ran, and its versions, such as ``v0 → v1``."""
    cleared: dict[int, int]
    """Per leaf's card when its gradient was set to zero or dropped."""
    places: tuple[Place | None, ...]
    """Per tape position where its event shows."""
    sums: dict[int, float]
    """Per card where gradients meet the magnitude of their sum, -1 where it cannot be told."""


def gather(trace: Trace, scene: Scene, measure: MeasureName) -> Facts:
    """The facts of a step for a scene of its Graph."""
    graph, when, fixed = trace.graph, moments(trace), _fixed(scene)
    cards = fixed.cards
    spans = [_card_spans(graph, card, when) for card in scene.picture.cards]
    updates, cleared = _updates(trace, cards, when.ops)
    return Facts(
        trace,
        scene,
        measure,
        cards,
        np.array([[first for first, _ in span] for span in spans], dtype=np.int32).reshape(-1, 2),
        np.array([[last for _, last in span] for span in spans], dtype=np.int32).reshape(-1, 2),
        np.array([_lane_moment(graph, lane, when.ops, when.events) for lane in scene.picture.lanes], dtype=np.int32),
        tuple(_coming(lane, when.edges, when.nodes) for lane in scene.picture.lanes),
        when.edges,
        magnitudes(trace.gradients, measure),
        fixed.given,
        tuple(_badness(trace, card) for card in scene.picture.cards),
        updates,
        cleared,
        tuple(map(fixed.places.__getitem__, trace.tape.tolist())),
        {i: sum_magnitude(trace, card.meets, measure) for i, card in enumerate(scene.picture.cards) if card.meets},
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Fixed:
    """What is the same in every step of a scene: ``given`` as in Facts, ``places`` by the Graph's events."""

    cards: Cards
    given: tuple[tuple[int, ...], ...]
    places: tuple[Place | None, ...]


@lru_cache(maxsize=4)
def _fixed(scene: Scene) -> _Fixed:
    graph, cards = scene.graph, cards_of(scene.picture)
    return _Fixed(
        cards,
        tuple(_given(graph, cards, place, card) for place, card in enumerate(scene.picture.cards)),
        tuple(place_of(graph, cards, event) for event in graph.events),
    )


Span = tuple[int, int]
NEVER: Span = (NONE, NONE)


def _card_spans(graph: Graph, card: Card, when: Moments) -> tuple[Span, Span]:
    backward = _span([int(when.nodes[node]) for node in card.nodes])
    if card.kind in ("leaf", "input"):
        return (ALWAYS, ALWAYS), backward
    if card.kind == "loss":
        return _span(_loss_moments(graph, card.ref, when.events)), backward
    if card.kind == "tensor":
        maker = shown_op(graph, graph.values[card.ref].op)
        coming = [int(when.edges[edge.id]) for edge in graph.edges if edge.value == card.ref and edge.target != NONE]
        return _span([int(when.ops[maker])]), _span(coming)
    return _span([int(when.ops[op]) for op in card.ops]), backward


def _loss_moments(graph: Graph, value: int, events: Ints) -> list[int]:
    return [int(events[event.id]) for event in graph.events if event.kind == "loss" and event.ref == value]


def _span(positions: list[int]) -> Span:
    ran = [position for position in positions if position != NONE]
    return (min(ran), max(ran)) if ran else NEVER


def _lane_moment(graph: Graph, lane: Lane, ops: Ints, events: Ints) -> int:
    if lane.loss:
        return _span(_loss_moments(graph, lane.value, events))[0]
    return int(ops[lane.op]) if lane.op != NONE else NONE


def _coming(lane: Lane, edges: Ints, nodes: Ints) -> tuple[tuple[int, int], ...]:
    if lane.through and lane.nodes:
        at = _span([int(nodes[node]) for node in lane.nodes])[0]
        return tuple((at, edge) for edge in lane.edges if at != NONE)
    return tuple(sorted((int(edges[edge]), edge) for edge in lane.edges if edges[edge] != NONE))


def _given(graph: Graph, cards: Cards, place: int, card: Card) -> tuple[int, ...]:
    """The edges that leave a card (else enter it, of a module); of a leaf that to its ``.grad``; of a tensor its own."""
    if card.kind == "tensor":
        return tuple(edge.id for edge in graph.edges if edge.value == card.ref and edge.target != NONE)
    look = index(graph)
    edges = [graph.edges[edge] for node in card.nodes for edge in look.edges_from[node]]
    if card.kind == "leaf":
        return tuple(edge.id for edge in edges if edge.target == NONE)
    out = tuple(edge.id for edge in edges if edge.target != NONE and cards.of_node.get(edge.target) != place)
    if out or card.kind != "module":
        return out
    into = [graph.edges[edge] for node in card.nodes for edge in look.edges_into[node]]
    return tuple(edge.id for edge in into if cards.of_node.get(edge.source) != place)


def _badness(trace: Trace, card: Card) -> str:
    values = list(card.values)
    if not values:
        return ""
    nan, inf = STATISTICS.index("nan"), STATISTICS.index("inf")
    if (trace.values[nan, values] > 0).any():
        return "NaN"
    return "Inf" if (trace.values[inf, values] > 0).any() else ""


def _updates(trace: Trace, cards: Cards, ops: Ints) -> tuple[dict[int, tuple[int, str]], dict[int, int]]:
    graph = trace.graph
    updates: dict[int, tuple[int, str]] = {}
    cleared: dict[int, int] = {}
    for event in graph.events:
        at = int(ops[event.ref]) if event.kind == "update" else NONE
        if at == NONE:
            continue
        op = graph.ops[event.ref]
        for value in op.inputs if op.name == "zero_grad" else ():
            if value in cards.of_leaf:
                cleared[cards.of_leaf[value]] = at
        for value in op.outputs:
            leaf = graph.values[value].base
            if leaf in cards.of_leaf:
                versions = f"v{graph.values[leaf].version} → v{graph.values[value].version}"
                updates.setdefault(cards.of_leaf[leaf], (at, versions))
    return updates, cleared
