"""What of a picture lies upstream or downstream of some cards. Plain arrays over lanes; no Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gradwalk.filter import FilterError, asks_checks, matches, parse
from gradwalk.trace import NONE

from ..state import Selection
from ..verdicts import NO_VERDICTS, Verdicts, with_verdicts
from .events_on_cards import Cards
from .facts import Facts
from .frames import up_from
from .hit import where_is
from .parts import Picture
from .scene import Scene

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Lit:
    """What is not dimmed: bool ``[cards]`` and bool ``[lanes]``."""

    cards: Mask
    lanes: Mask


def along(picture: Picture, starts: Iterable[int], way: Literal["up", "down"]) -> Lit:
    """The cards that some cards depend on (up) or that depend on them (down), themselves too, and the lanes between those."""
    ends = np.array([(lane.source, lane.target) for lane in picture.lanes], dtype=np.intp).reshape(-1, 2)
    here, there = (ends[:, 1], ends[:, 0]) if way == "up" else (ends[:, 0], ends[:, 1])
    order = np.argsort(here, kind="stable")
    first = np.searchsorted(here[order], np.arange(len(picture.cards) + 1)).tolist()
    beyond = there[order].tolist()
    reached = np.zeros(len(picture.cards), dtype=np.bool_)
    waiting = list(dict.fromkeys(starts))
    reached[waiting] = True
    while waiting:
        card = waiting.pop()
        for other in beyond[first[card] : first[card + 1]]:
            if not reached[other]:
                reached[other] = True
                waiting.append(other)
    return Lit(reached, reached[ends[:, 0]] & reached[ends[:, 1]])


def cards_of_selection(scene: Scene, cards: Cards, selection: Selection, way: Literal["up", "down"]) -> list[int]:
    """The cards that a selection shows on: of an unfolded module all inside, of a lane the one that it comes from, or goes to."""
    shown = where_is(scene, cards, selection)
    if shown is None:
        return []
    if shown.place is not None:
        return [shown.place.card]
    if shown.lane != NONE:
        lane = scene.picture.lanes[shown.lane]
        return [lane.source if way == "up" else lane.target]
    frames = scene.picture.frames
    inside = {
        i for i, frame in enumerate(frames) if frames[shown.frame].module in up_from(scene.graph, frame.module)
    }  # a module's frame and those in it
    return [i for i, card in enumerate(scene.picture.cards) if card.frame in inside]


def highlighted(scene: Scene, cards: Cards, picked: Iterable[Selection], way: Literal["up", "down"]) -> Lit | None:
    """What a highlight of some things leaves bright; None where none of them shows."""
    starts = [card for one in picked for card in cards_of_selection(scene, cards, one, way)]
    return along(scene.picture, starts, way) if starts else None


def found(scene: Scene, cards: Cards, things: Iterable[Selection]) -> Lit:
    """The cards that some things show on, and the lanes that some are."""
    lit = Lit(np.zeros(len(scene.picture.cards), dtype=np.bool_), np.zeros(len(scene.picture.lanes), dtype=np.bool_))
    for thing in things:
        shown = where_is(scene, cards, thing)
        if shown is not None and shown.place is not None:
            lit.cards[shown.place.card] = True
        elif shown is not None and shown.lane != NONE:
            lit.lanes[shown.lane] = True
        elif shown is not None:
            lit.cards[[i for i, card in enumerate(scene.picture.cards) if card.frame == shown.frame]] = True
    return lit


def matching(facts: Facts, asked: str, verdicts: Verdicts = NO_VERDICTS) -> Lit | None:
    """The cards whose events match a filter, and the lanes along which something ran in one; None for one that asks nothing.

    What cannot be read asks nothing.
    """
    try:
        wanted = parse(asked)
    except FilterError:
        return None
    if wanted == parse(""):
        return None
    when, ran = facts.when, np.zeros(len(facts.when.places) + 1, dtype=np.bool_)  # the last stands for "never"
    ran[:-1] = matches(wanted, with_verdicts(facts.trace, verdicts if asks_checks(wanted) else NO_VERDICTS))
    lit = Lit(np.zeros(len(when.first), dtype=np.bool_), ran[when.lane_forward])
    lit.cards[[place.card for place, hit in zip(when.places, ran, strict=False) if hit and place is not None]] = True
    lit.lanes[when.coming.rows[ran[when.coming_at]]] = True
    return lit
