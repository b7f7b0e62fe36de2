"""What flies when the playhead moves on by one event: pulses along lanes, and flashes on cards. Plain data over time; no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .events_on_cards import Part
from .facts import Facts
from .scene import Scene

PER_EVENT = 300.0
SHORTEST, LONGEST = 60.0, 600.0


Way = TypeVar("Way", float, NDArray[np.float64])


def eased(way: Way) -> Way:
    """Slow at the start and at the end."""
    return way * way * (3 - 2 * way)


@dataclass(frozen=True, slots=True)
class Leg:
    """A pulse along a lane, between two fractions of the flight's time; ``magnitude`` is that of the gradient, None forward."""

    lane: int
    start: float
    end: float
    magnitude: float | None = None

    def along(self, time: float) -> float | None:
        """How far along the lane's curve the pulse is at a fraction of the flight's time; None where it is not on its way."""
        if not self.start <= time <= self.end:
            return None
        way = eased((time - self.start) / (self.end - self.start))
        return way if self.magnitude is None else 1 - way


@dataclass(frozen=True, slots=True)
class Flash:
    """A card that lights up and fades, in the colour of a phase or (``loss``) of the loss."""

    card: int
    part: Part
    start: float
    end: float
    loss: bool = False

    def glow(self, time: float) -> float:
        """How bright it is, 0 to 1."""
        if not self.start <= time <= self.end:
            return 0.0
        way = (time - self.start) / (self.end - self.start)
        return min(way / 0.25, 1.0) if way < 0.25 else 1 - (way - 0.25) / 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """All that one event sets flying."""

    legs: tuple[Leg, ...]
    flashes: tuple[Flash, ...]
    duration: float
    """Milliseconds."""

    def __bool__(self) -> bool:
        return bool(self.legs or self.flashes)


def duration_of(speed: float) -> float:
    """How long one event takes, in milliseconds: 300 at speed 1, from 60 to 600."""
    return min(max(PER_EVENT / max(speed, 1e-6), SHORTEST), LONGEST)


def flight_of(scene: Scene, facts: Facts, position: int, speed: float) -> Flight:
    """The flight of the event at a tape position."""
    place = facts.when.places[position] if position < len(facts.when.places) else None
    is_loss = place is not None and scene.picture.cards[place.card].kind == "loss"
    when = facts.when
    ahead = [lane for lane in np.flatnonzero(when.lane_forward == position).tolist() if len(scene.forward[lane])]
    came = np.flatnonzero(when.coming_at == position)
    back = [
        (lane, edge)
        for lane, edge in zip(when.coming.rows[came].tolist(), when.coming.flat[came].tolist(), strict=True)
        if len(scene.backward[lane])
    ]
    legs = [_forward_leg(scene, lane, is_loss) for lane in ahead]
    legs += [_backward_leg(scene, facts, lane, edge, is_loss) for lane, edge in back]
    flashes = []
    if place is not None and is_loss:
        flashes.append(Flash(place.card, "forward", 0.3, 0.8, loss=True))
    elif place is not None and not back:
        flashes.append(Flash(place.card, place.part, 0.55 if ahead else 0.0, 1.0))
    return Flight(tuple(legs), tuple(flashes), duration_of(speed))


def _forward_leg(scene: Scene, lane: int, is_loss: bool) -> Leg:
    if is_loss:
        return Leg(lane, 0.0, 0.45)
    knots = any(card.kind == "knot" for card in scene.picture.cards)
    if not knots:
        return Leg(lane, 0.0, 0.85)
    return Leg(lane, 0.45, 1.0) if scene.picture.lanes[lane].through else Leg(lane, 0.0, 0.5)


def _backward_leg(scene: Scene, facts: Facts, lane: int, edge: int, is_loss: bool) -> Leg:
    magnitude = float(facts.magnitudes[edge])
    if is_loss:
        return Leg(lane, 0.55, 1.0, magnitude)
    knots = any(card.kind == "knot" for card in scene.picture.cards)
    if not knots:
        return Leg(lane, 0.0, 1.0, magnitude)
    return Leg(lane, 0.0, 0.5, magnitude) if scene.picture.lanes[lane].through else Leg(lane, 0.45, 1.0, magnitude)
