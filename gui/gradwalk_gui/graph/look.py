"""How every card and lane looks at a playhead: its state, its magnitude and its texts. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gradwalk.ragged import Ragged
from gradwalk.tape import shape_of
from gradwalk.trace import NONE, STATISTICS, Trace

from ..numbers import NO_PATH, count, number, shape_text
from ..verdicts import NO_VERDICTS, Verdicts
from .check_marks import CheckMarks, marks_in
from .events_on_cards import Place
from .facts import Facts
from .magnitudes import NOT_THERE, MeasureName, magnitudes, text
from .meeting import meeting_text
from .parts import BACKWARD, FORWARD, Card
from .when import When

NOT_YET = "not yet"
NOT_RUN = "not run"
CLEARED = "cleared"
NO_UPDATE, NO_WEIGHT = "no update", "-"
"""In place of |update| / |weight|: where the weight is not written, or was 0; and where there is no weight."""
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
    cells: NDArray[np.float64]
    """Per cell of all stacks (``Fixed.cells``) the largest gradient that it has given so far, as for cards."""
    waiting: NDArray[np.bool_]
    """Per lane: its gradient has come and waits for others to be added to."""
    next: Place | None
    just: Place | None
    """Where the event shows that has just run."""
    checks: CheckMarks
    """What is known of the ops against the reference."""

    @property
    def trace(self) -> Trace:
        """The step."""
        return self.facts.trace


def look_at(facts: Facts, position: int, verdicts: Verdicts = NO_VERDICTS) -> Look:
    """The look of a scene at a playhead, with the marks of ``verdicts``; they are pale on what is yet to run."""
    when = facts.when
    arrived = _latest(when, position)
    places = when.places
    return Look(
        facts,
        position,
        _halves(facts, position),
        _lanes(facts, position, arrived),
        _card_magnitudes(facts, position),
        _lane_magnitudes(facts, position, arrived),
        _largest(facts, facts.cells, position),
        (when.waits[:, 0] < position) & (position <= when.waits[:, 1]),
        places[position] if position < len(places) else None,
        places[position - 1] if 0 < position <= len(places) else None,
        marks_in(facts.scene, verdicts),
    )


def _at(numbers: NDArray[np.float64], which: NDArray[np.intp], empty: float) -> NDArray[np.float64]:
    """The numbers at some indices; ``empty`` where an index is NONE."""
    found = np.full(len(which), empty)
    found[which != NONE] = numbers[which[which != NONE]]
    return found


def _ended(trace: Trace) -> bool:
    """Whether what has not run by the end of the tape never will."""
    return trace.done and trace.error is None


def _halves(facts: Facts, position: int) -> NDArray[np.uint8]:
    halves = _states(facts.when.first, facts.when.last, position)
    forward = halves[:, FORWARD]
    forward[forward == State.NO_GRAD] = State.PENDING
    if not _ended(facts.trace):
        waiting = np.diff(facts.given.bounds) > 0
        halves[waiting & (halves[:, BACKWARD] == State.NO_GRAD), BACKWARD] = State.PENDING
    error = facts.trace.error
    if error is not None and 0 <= error.event < min(position, len(facts.when.places)):
        place = facts.when.places[error.event]
        if place is not None:
            halves[place.card, FORWARD if place.part == "forward" else BACKWARD] = State.ERROR
    return halves


def _states(first: NDArray[np.int32], last: NDArray[np.int32], position: int) -> NDArray[np.uint8]:
    states = np.full(first.shape, State.PENDING, dtype=np.uint8)
    states[first < position] = State.PARTLY
    states[last < position] = State.DONE
    states[first == NONE] = State.NO_GRAD
    return states


def _lanes(facts: Facts, position: int, arrived: NDArray[np.intp]) -> NDArray[np.uint8]:
    lanes = np.zeros((len(arrived), 2), dtype=np.uint8)
    lanes[:, FORWARD] = _states(facts.when.lane_forward, facts.when.lane_forward, position)
    lanes[lanes[:, FORWARD] == State.NO_GRAD, FORWARD] = State.PENDING
    never = State.NO_GRAD if _ended(facts.trace) else State.PENDING
    lanes[:, BACKWARD] = np.where(np.diff(facts.when.coming.bounds) > 0, State.PENDING, never)
    lanes[arrived != NONE, BACKWARD] = State.DONE
    return lanes


def _latest(when: When, position: int) -> NDArray[np.intp]:
    """Per lane the edge whose gradient came last, NONE where none has come."""
    came = when.coming.reduced(np.add, (when.coming_at < position).astype(np.intp), 0)
    latest = np.full(len(came), NONE, dtype=np.intp)
    there = came > 0
    latest[there] = when.coming.flat[when.coming.bounds[:-1][there] + came[there] - 1]
    return latest


def _largest(facts: Facts, edges: Ragged, position: int) -> NDArray[np.float64]:
    """Per row of edges the largest gradient that has come, NaN if one is NaN, -1 where none has come yet."""
    return edges.reduced(np.maximum, facts.magnitudes[edges.flat], NOT_THERE, where=_there(facts, edges, position))


def _there(facts: Facts, edges: Ragged, position: int) -> NDArray[np.bool_]:
    at = facts.at[edges.flat]
    return (at >= 0) & (at < position)


def _lane_magnitudes(facts: Facts, position: int, arrived: NDArray[np.intp]) -> NDArray[np.float64]:
    """The magnitude of the gradient that came last on each lane, -1 before it is there."""
    at = _at(facts.at.astype(np.float64), arrived, NONE)
    return np.where((at >= 0) & (at < position), _at(facts.magnitudes, arrived, NOT_THERE), NOT_THERE)


def _card_magnitudes(facts: Facts, position: int) -> NDArray[np.float64]:
    """What each backward half shows: the largest gradient that it gives, or for a tensor its own, the sum of those that came."""
    result = _largest(facts, facts.given, position)
    summed = facts.when.fixed.summed
    if len(summed) and facts.measure != "update":
        there = facts.given.reduced(np.logical_and, _there(facts, facts.given, position), empty=False)
        for card in summed[there[summed]].tolist():
            total = facts.sum_at(card)
            result[card] = result[card] if total == NOT_THERE else total
    return result


def cell_magnitudes(look: Look, place: int) -> NDArray[np.float64]:
    """Per call of a stack's card the largest gradient that it has given so far."""
    bounds = look.facts.when.fixed.cell_bounds
    return look.cells[bounds[place] : bounds[place + 1]]


def shape_line(look: Look, card: Card) -> str:
    """The shape (or shapes) of what a card gives, in this step."""
    shapes = [shape_text(shape_of(look.trace, value)) for value in card.values]
    shown = ", ".join(shapes[:2]) + (" …" if len(shapes) > 2 else "")
    return f"{count(len(card.ops), 'op')}   {shown}" if card.kind == "module" else shown


def gradient_text(look: Look, place: int) -> str:
    """The text of a backward half: a number, ``0 (exactly)``, ``not yet``, ``None (no path)``, ``not run`` or ``cleared``."""
    facts = look.facts
    given = facts.given[place]
    if facts.measure == "update":
        return _ratio_text(look, place)
    if 0 <= facts.when.cleared.get(place, NONE) < look.position and look.halves[place, BACKWARD] == State.DONE:
        return CLEARED
    if look.card_magnitudes[place] != NOT_THERE:
        return text(float(look.card_magnitudes[place]), facts.measure)
    moments = [int(facts.when.edges[edge]) for edge in given if facts.when.edges[edge] != NONE]
    if any(moment < look.position for moment in moments):
        return text(NOT_THERE, facts.measure)
    if moments or not look.trace.done:
        return NOT_YET
    if not len(given) and facts.scene.picture.cards[place].under.endswith("(by hand)"):
        return NOT_WRITTEN
    return NOT_RUN if len(given) and look.trace.error is not None else NO_PATH


def _ratio_text(look: Look, place: int) -> str:
    """The text of a backward half where it shows |update| / |weight|: of the weights whose gradient it gives."""
    facts, given = look.facts, look.facts.given[place]
    if look.card_magnitudes[place] != NOT_THERE:
        return f"{'≥ ' if facts.least else ''}{text(float(look.card_magnitudes[place]), facts.measure)}"
    if any(at >= look.position for at in facts.at[given].tolist()) or (len(given) and not look.trace.done):
        return NOT_YET
    return NO_UPDATE if len(given) else NO_WEIGHT


def loss_text(look: Look, place: int, card: Card) -> str:
    """The value of the loss once it is known."""
    if look.halves[place, FORWARD] != State.DONE:
        return NOT_YET
    recorded = look.trace.loss
    return number(float(look.trace.values[STATISTICS.index("sum"), card.ref]) if recorded is None else recorded, 5)


def sum_text(look: Look, place: int, card: Card) -> str:
    """The line ``g1 + g2 = sum`` of a card where gradients meet."""
    facts = look.facts
    measure: MeasureName = "rms" if facts.measure == "update" else facts.measure
    all_ = magnitudes(look.trace.gradients[:, list(card.meets)], measure).tolist()
    came = [0 <= facts.when.edges[edge] < look.position for edge in card.meets]
    parts = [magnitude if there else None for magnitude, there in zip(all_, came, strict=True)]
    return meeting_text(parts, facts.sum_at(place), measure)


def version_text(look: Look, place: int) -> str:
    """``v0 → v1`` once the update of a leaf has run, or an empty string."""
    at, versions = look.facts.when.updates.get(place, (NONE, ""))
    return versions if 0 <= at < look.position else ""
