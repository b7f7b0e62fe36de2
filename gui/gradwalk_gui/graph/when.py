"""When each part of a picture happens: the same for every step that runs its events in the same order. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradwalk.ragged import Ragged, ragged
from gradwalk.tape import Moments, index, moments
from gradwalk.trace import NONE, Graph, Trace

from .events_on_cards import Cards, Place, cards_of, place_of
from .frames import shown_op
from .parts import BACKWARD, Card
from .scene import Scene
from .strip import cells_of

Ints = NDArray[np.int32]
ALWAYS = -2
"""The tape position of what is there from the start: leaves and inputs."""
_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, eq=False)
class When:
    """Tape positions are int32, NONE for never. ``first`` and ``last`` are ``[cards, 2]``: forward and backward half."""

    fixed: Fixed
    first: Ints
    last: Ints
    lane_forward: Ints
    coming: Ragged
    """Per lane the edges whose gradients come back, in the order in which they ran."""
    coming_at: Ints
    """Of each of these when it comes."""
    edges: Ints
    """Per edge when its gradient is made."""
    waits: Ints
    """``[lanes, 2]``: above the first playhead and up to the second, a gradient that has come waits for others to be added to."""
    places: tuple[Place | None, ...]
    """Per tape position where its event shows."""
    updates: dict[int, tuple[int, str]]
    """Per leaf's card when its update ran, and its versions, such as ``v0 → v1``."""
    cleared: dict[int, int]
    """Per leaf's card when its gradient was set to zero or dropped."""


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """What is the same in every step of a scene."""

    cards: Cards
    given: Ragged
    """Per card the edges whose magnitude its backward half shows."""
    cells: Ragged
    """Per cell of the strips of all stacks the edges that leave it."""
    cell_bounds: NDArray[np.intp]
    """Per card where its cells begin, and where those of the last end."""
    values: Ragged
    """Per card the Values whose shape it shows."""
    tensors: NDArray[np.bool_]
    """Which cards are tensors."""
    summed: NDArray[np.intp]
    """The tensors where gradients meet: they show the sum once all have come."""
    meets: dict[int, tuple[int, ...]]
    """Per card where gradients meet the edges of these."""
    places: tuple[Place | None, ...]
    """Per event of the Graph where it shows."""
    spans: tuple[Ragged, Ragged, Ragged]
    """Per card the ops of its forward half, and the Nodes and the edges of its backward half."""
    always: NDArray[np.bool_]
    """Which cards are there from the start."""
    loss_events: dict[int, tuple[int, ...]]
    """Per card of a loss its events."""
    lane_ops: Ints
    """Per lane the op that reads its Value, or NONE."""
    lane_losses: dict[int, tuple[int, ...]]
    """Per lane into a loss the events of that."""
    lane_edges: Ragged
    through: tuple[Ragged, NDArray[np.bool_]]
    """Per lane the Nodes whose run carries its gradient through a knot, and which lanes these are."""


def when_of(trace: Trace, scene: Scene) -> When:
    """When the parts of a scene happen in a step of its Graph (cached: most steps run in the order of the one before)."""
    return _when(scene, trace.tape.tobytes())


@lru_cache(maxsize=4)
def _when(scene: Scene, tape: bytes) -> When:
    order = np.frombuffer(tape, dtype=np.int32)
    nothing = np.zeros((0, 0))
    moment, fixed = moments(Trace(0, scene.graph, order, nothing, nothing)), fixed_of(scene)
    first, last = _halves(fixed, moment)
    coming, coming_at = _coming(fixed, moment)
    return When(
        fixed,
        first,
        last,
        _lanes(fixed, moment),
        coming,
        coming_at,
        moment.edges,
        _waits(scene, fixed, moment, coming, coming_at, first),
        tuple(map(fixed.places.__getitem__, order.tolist())),
        *_updates(scene.graph, fixed.cards, moment.ops),
    )


def _halves(fixed: Fixed, moment: Moments) -> tuple[Ints, Ints]:
    ops, nodes, edges = fixed.spans
    ends = []
    for ufunc in (np.minimum, np.maximum):
        forward = _end(ops, moment.ops, ufunc)
        forward[fixed.always] = ALWAYS
        for card, events in fixed.loss_events.items():
            forward[card] = _end(ragged([events]), moment.events, ufunc)[0]
        backward = _end(nodes, moment.nodes, ufunc)
        backward[fixed.tensors] = _end(edges, moment.edges, ufunc)[fixed.tensors]
        ends.append(np.stack([forward, backward], axis=1))
    return ends[0], ends[1]


def _end(things: Ragged, when: Ints, ufunc: np.ufunc) -> Ints:
    """The first (``np.minimum``) or last moment of the things of each row that ran; NONE where none did."""
    at = when[things.flat]
    return things.reduced(ufunc, at, NONE, where=at != NONE).astype(np.int32)


def _lanes(fixed: Fixed, moment: Moments) -> Ints:
    if not len(fixed.lane_ops):
        return np.zeros(0, dtype=np.int32)
    at = np.where(fixed.lane_ops == NONE, NONE, moment.ops[fixed.lane_ops] if len(moment.ops) else NONE).astype(np.int32)
    for lane, events in fixed.lane_losses.items():
        at[lane] = _end(ragged([events]), moment.events, np.minimum)[0]
    return at


def _coming(fixed: Fixed, moment: Moments) -> tuple[Ragged, Ints]:
    flat, lanes = fixed.lane_edges.flat, fixed.lane_edges.rows
    nodes, through = fixed.through
    at = np.where(through[lanes], _end(nodes, moment.nodes, np.minimum)[lanes], moment.edges[flat])
    kept = at != NONE
    flat, lanes, at = flat[kept], lanes[kept], at[kept]
    order = np.lexsort((np.where(through[lanes], 0, flat), at, lanes))
    bounds = np.concatenate([[0], np.cumsum(np.bincount(lanes, minlength=len(fixed.lane_edges)))]).astype(np.intp)
    return Ragged(flat[order], bounds), at[order].astype(np.int32)


def _waits(scene: Scene, fixed: Fixed, moment: Moments, coming: Ragged, coming_at: Ints, first: Ints) -> Ints:
    waits = np.full((len(coming), 2), (_NEVER, NONE), dtype=np.int32)
    for lane, there in enumerate(scene.picture.lanes):
        meets = fixed.meets.get(there.source)
        if meets is None or there.through:
            continue
        part = slice(coming.bounds[lane], coming.bounds[lane + 1])
        came = coming_at[part][np.isin(coming.flat[part], meets)]
        if len(came):
            made = moment.edges[list(meets)]
            waits[lane] = came.min(), max(made.max() if (made >= 0).all() else _NEVER, first[there.source, BACKWARD])
    return waits


@lru_cache(maxsize=4)
def fixed_of(scene: Scene) -> Fixed:
    """What is the same in every step of a scene (cached)."""
    graph, cards, lanes = scene.graph, scene.picture.cards, scene.picture.lanes
    where = cards_of(scene.picture)
    tensors = np.array([card.kind == "tensor" for card in cards], dtype=np.bool_)
    losses: dict[int, list[int]] = {}
    for event in graph.events:
        if event.kind == "loss":
            losses.setdefault(event.ref, []).append(event.id)
    of_value = _edges_by_value(graph) if tensors.any() else {}
    return Fixed(
        where,
        ragged(_given(graph, where, place, card, of_value) for place, card in enumerate(cards)),
        *cells_of(graph, scene.picture),
        ragged(card.values for card in cards),
        tensors,
        np.array([place for place, card in enumerate(cards) if card.kind == "tensor" and card.meets], dtype=np.intp),
        {place: card.meets for place, card in enumerate(cards) if card.meets},
        tuple(place_of(graph, where, event) for event in graph.events),
        (
            ragged(_forward_ops(graph, card) for card in cards),
            ragged(card.nodes for card in cards),
            ragged(of_value.get(card.ref, ()) if card.kind == "tensor" else () for card in cards),
        ),
        np.array([card.kind in ("leaf", "input") for card in cards], dtype=np.bool_),
        {place: tuple(losses.get(card.ref, ())) for place, card in enumerate(cards) if card.kind == "loss"},
        np.array([NONE if lane.loss else lane.op for lane in lanes], dtype=np.int32),
        {i: tuple(losses.get(lane.value, ())) for i, lane in enumerate(lanes) if lane.loss},
        ragged(lane.edges for lane in lanes),
        (
            ragged(lane.nodes if lane.through else () for lane in lanes),
            np.array([lane.through and bool(lane.nodes) for lane in lanes], dtype=np.bool_),
        ),
    )


def _forward_ops(graph: Graph, card: Card) -> tuple[int, ...]:
    if card.kind == "tensor":
        maker = shown_op(graph, graph.values[card.ref].op)
        return (maker,) if maker != NONE else ()
    return card.ops


def _edges_by_value(graph: Graph) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for edge in graph.edges:
        if edge.target != NONE:
            found.setdefault(edge.value, []).append(edge.id)
    return {value: tuple(edges) for value, edges in found.items()}


def _given(graph: Graph, cards: Cards, place: int, card: Card, of_value: dict[int, tuple[int, ...]]) -> tuple[int, ...]:
    """The edges that leave a card (else enter it, of a module); of a leaf that to its ``.grad``; of a tensor its own."""
    if card.kind == "tensor":
        return of_value.get(card.ref, ())
    look = index(graph)
    edges = [graph.edges[edge] for node in card.nodes for edge in look.edges_from[node]]
    if card.kind == "leaf":
        return tuple(edge.id for edge in edges if edge.target == NONE)
    out = tuple(edge.id for edge in edges if edge.target != NONE and cards.of_node.get(edge.target) != place)
    if out or card.kind != "module":
        return out
    into = [graph.edges[edge] for node in card.nodes for edge in look.edges_into[node]]
    return tuple(edge.id for edge in into if cards.of_node.get(edge.source) != place)


def _updates(graph: Graph, cards: Cards, ops: Ints) -> tuple[dict[int, tuple[int, str]], dict[int, int]]:
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
