"""How every card and lane looks at a playhead: its state, its magnitude and its texts. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gradwalk.tape import shape_of
from gradwalk.trace import NONE, STATISTICS, Trace

from ..numbers import NO_PATH, count, number, shape_text
from .events_on_cards import Place
from .facts import Facts
from .magnitudes import NOT_THERE, text
from .meeting import meeting_text
from .parts import BACKWARD, FORWARD, Card
from .scene import Scene

NOT_YET = "not yet"
NOT_RUN = "not run"
CLEARED = "cleared"
NOT_WRITTEN = "not written out"
"""Of an op whose gradient a hand-written backward takes together with others, as ``2 (y_pred - y)`` for a sum of squares."""


class State(IntEnum):
    """The state of a half or of a lane."""

    PENDING = 0
    PARTLY = 1
    """Some of what it stands for has run."""
    DONE = 2
    NO_GRAD = 3
    """It never happens: there is no path for a gradient."""
    ERROR = 4


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The picture at a playhead.

    ``halves`` is uint8 ``[cards, 2]`` and ``lanes`` uint8 ``[lanes, 2]`` of :class:`State`, forward and backward;
    ``card_magnitudes`` and ``lane_magnitudes`` are float64, -1 where there is none to show.
    """

    facts: Facts
    position: int
    halves: NDArray[np.uint8]
    lanes: NDArray[np.uint8]
    card_magnitudes: NDArray[np.float64]
    lane_magnitudes: NDArray[np.float64]
    waiting: NDArray[np.bool_]
    """Per lane: its gradient has come and waits for others to be added to."""
    next: Place | None
    just: Place | None
    """Where the event shows that has just run."""

    @property
    def trace(self) -> Trace:
        """The step."""
        return self.facts.trace


def look_at(scene: Scene, facts: Facts, position: int) -> Look:
    """The look of a scene at a playhead."""
    arrived = [_latest(coming, position) for coming in facts.lane_backward]
    places = facts.places
    return Look(
        facts,
        position,
        _halves(facts, position),
        _lanes(facts, position, arrived),
        _card_magnitudes(scene, facts, position),
        np.array([NOT_THERE if edge == NONE else facts.magnitudes[edge] for edge in arrived], dtype=np.float64),
        _waiting(scene, facts, position),
        places[position] if position < len(places) else None,
        places[position - 1] if 0 < position <= len(places) else None,
    )


def _ended(trace: Trace) -> bool:
    """Whether what has not run by the end of the tape never will."""
    return trace.done and trace.error is None


def _halves(facts: Facts, position: int) -> NDArray[np.uint8]:
    halves = _states(facts.first, facts.last, position)
    forward = halves[:, FORWARD]
    forward[forward == State.NO_GRAD] = State.PENDING
    if not _ended(facts.trace):
        waiting = np.array([bool(edges) for edges in facts.given], dtype=np.bool_)
        halves[waiting & (halves[:, BACKWARD] == State.NO_GRAD), BACKWARD] = State.PENDING
    error = facts.trace.error
    if error is not None and 0 <= error.event < min(position, len(facts.places)):
        place = facts.places[error.event]
        if place is not None:
            halves[place.card, FORWARD if place.part == "forward" else BACKWARD] = State.ERROR
    return halves


def _states(first: NDArray[np.int32], last: NDArray[np.int32], position: int) -> NDArray[np.uint8]:
    states = np.full(first.shape, State.PENDING, dtype=np.uint8)
    states[first < position] = State.PARTLY
    states[last < position] = State.DONE
    states[first == NONE] = State.NO_GRAD
    return states


def _lanes(facts: Facts, position: int, arrived: list[int]) -> NDArray[np.uint8]:
    lanes = np.zeros((len(arrived), 2), dtype=np.uint8)
    lanes[:, FORWARD] = _states(facts.lane_forward, facts.lane_forward, position)
    lanes[lanes[:, FORWARD] == State.NO_GRAD, FORWARD] = State.PENDING
    never = State.NO_GRAD if _ended(facts.trace) else State.PENDING
    for i, (coming, edge) in enumerate(zip(facts.lane_backward, arrived, strict=True)):
        lanes[i, BACKWARD] = State.DONE if edge != NONE else State.PENDING if coming else never
    return lanes


def _latest(coming: tuple[tuple[int, int], ...], position: int) -> int:
    arrived = [edge for at, edge in coming if at < position]
    return arrived[-1] if arrived else NONE


def _card_magnitudes(scene: Scene, facts: Facts, position: int) -> NDArray[np.float64]:
    """What each backward half shows: the largest gradient that it gives, or for a tensor its own, the sum of those that came."""
    result = np.full(len(facts.given), NOT_THERE)
    for place, edges in enumerate(facts.given):
        there = [facts.magnitudes[edge] for edge in edges if 0 <= facts.edges[edge] < position]
        total = facts.sums.get(place, NOT_THERE) if scene.picture.cards[place].kind == "tensor" else NOT_THERE
        if there:
            result[place] = total if len(there) == len(edges) and total != NOT_THERE else np.max(there)  # NaN wins
    return result


def _waiting(scene: Scene, facts: Facts, position: int) -> NDArray[np.bool_]:
    waiting = np.zeros(len(scene.picture.lanes), dtype=np.bool_)
    for i, lane in enumerate(scene.picture.lanes):
        meets = scene.picture.cards[lane.source].meets
        if not meets or lane.through:
            continue
        came = any(at < position and edge in meets for at, edge in facts.lane_backward[i])
        all_came = all(0 <= facts.edges[edge] < position for edge in meets)
        taken = int(facts.first[lane.source, BACKWARD])
        waiting[i] = came and (not all_came or taken >= position)
    return waiting


def shape_line(look: Look, card: Card) -> str:
    """The shape (or shapes) of what a card gives, in this step."""
    shapes = [shape_text(shape_of(look.trace, value)) for value in card.values]
    shown = ", ".join(shapes[:2]) + (" …" if len(shapes) > 2 else "")
    return f"{count(len(card.ops), 'op')}   {shown}" if card.kind == "module" else shown


def gradient_text(look: Look, place: int) -> str:
    """The text of a backward half: a number, ``0 (exactly)``, ``not yet``, ``None (no path)``, ``not run`` or ``cleared``."""
    facts = look.facts
    given = facts.given[place]
    if 0 <= facts.cleared.get(place, NONE) < look.position and look.halves[place, BACKWARD] == State.DONE:
        return CLEARED
    if look.card_magnitudes[place] != NOT_THERE:
        return text(float(look.card_magnitudes[place]), facts.measure)
    moments = [int(facts.edges[edge]) for edge in given if facts.edges[edge] != NONE]
    if any(moment < look.position for moment in moments):
        return text(NOT_THERE, facts.measure)
    if moments or not look.trace.done:
        return NOT_YET
    if not given and facts.scene.picture.cards[place].under.endswith("(by hand)"):
        return NOT_WRITTEN
    return NOT_RUN if given and look.trace.error is not None else NO_PATH


def loss_text(look: Look, place: int, card: Card) -> str:
    """The value of the loss once it is known."""
    if look.halves[place, FORWARD] != State.DONE:
        return NOT_YET
    recorded = look.trace.loss
    return number(float(look.trace.values[STATISTICS.index("sum"), card.ref]) if recorded is None else recorded, 5)


def sum_text(look: Look, place: int, card: Card) -> str:
    """The line ``g1 + g2 = sum`` of a card where gradients meet."""
    facts = look.facts
    parts = [float(facts.magnitudes[edge]) if 0 <= facts.edges[edge] < look.position else None for edge in card.meets]
    return meeting_text(parts, facts.sums.get(place, NOT_THERE), facts.measure)


def version_text(look: Look, place: int) -> str:
    """``v0 → v1`` once the update of a leaf has run, or an empty string."""
    at, versions = look.facts.updates.get(place, (NONE, ""))
    return versions if 0 <= at < look.position else ""
