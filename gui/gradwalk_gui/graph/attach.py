"""Leaves and inputs that one op alone reads stand close to it, across the flow, and not in a rank of their own. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from gradwalk.trace import NONE

from .parts import Picture

Size = tuple[float, float]
Corner = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Beside:
    """The card before (above, or left where the flow goes down) and the card after an op's card, NONE for none."""

    before: int = NONE
    after: int = NONE


@dataclass(frozen=True, slots=True)
class Attached:
    """What is attached to which card, and the lanes from there, which the layout never sees."""

    beside: dict[int, Beside]
    lanes: frozenset[int]

    @property
    def cards(self) -> frozenset[int]:
        """The cards that are attached to another."""
        return frozenset(card for pair in self.beside.values() for card in (pair.before, pair.after) if card != NONE)


def attached(picture: Picture) -> Attached:
    """Choose at most one leaf or input before and one after each op (or knot); at least one lane stays in the flow."""
    leaving: dict[int, list[int]] = {}
    entering: dict[int, list[int]] = {}
    for i, lane in enumerate(picture.lanes):
        leaving.setdefault(lane.source, []).append(i)
        entering.setdefault(lane.target, []).append(i)
    beside: dict[int, Beside] = {}
    lanes: set[int] = set()
    for place, into in entering.items():
        if picture.cards[place].kind not in ("op", "knot"):
            continue
        can = [i for i in into if _can_attach(picture, i, leaving, entering)]
        can.sort(key=lambda i: picture.cards[picture.lanes[i].source].kind != "leaf")
        chosen = can[: min(2, len(into) - 1)] if len(into) > 1 else []
        if chosen:
            beside[place] = _pair(picture, chosen)
            lanes.update(chosen)
    return Attached(beside, frozenset(lanes))


def _can_attach(picture: Picture, lane: int, leaving: dict[int, list[int]], entering: dict[int, list[int]]) -> bool:
    source, target = picture.lanes[lane].source, picture.lanes[lane].target
    card = picture.cards[source]
    alone = len(leaving[source]) == 1 and source not in entering
    return card.kind in ("leaf", "input") and alone and card.frame == picture.cards[target].frame


def _pair(picture: Picture, chosen: list[int]) -> Beside:
    cards = [picture.lanes[i].source for i in chosen]
    if len(cards) == 2:
        return Beside(cards[0], cards[1])
    return Beside(before=cards[0]) if picture.cards[cards[0]].kind == "leaf" else Beside(after=cards[0])


@dataclass(frozen=True, slots=True)
class Group:
    """A card with what is attached to it, as one box: its size and the corner of each card in it."""

    size: Size
    corners: dict[int, Corner]


def group_of(picture: Picture, place: int, beside: Beside, sizes: list[Size]) -> Group:
    """The box around a card and what is attached to it."""
    down = picture.flow == "down"
    gap = _gap(picture)
    members = [card for card in (beside.before, place, beside.after) if card != NONE]
    turned = {card: _turned(sizes[card], down) for card in members}
    wide = max(width for width, _ in turned.values())
    corners: dict[int, Corner] = {}
    top = 0.0
    for card in members:
        width, height = turned[card]
        corners[card] = _turned(((wide - width) / 2, top), down)
        top += height + gap
    return Group(_turned((wide, top - gap), down), corners)


def _turned(pair: tuple[float, float], turn: bool) -> tuple[float, float]:
    return (pair[1], pair[0]) if turn else pair


def _gap(picture: Picture) -> float:
    numbers = picture.halves != "forward" and any(lane.edges for lane in picture.lanes)
    if picture.flow == "down":
        return 86.0 if numbers else 44.0
    return 46.0 if numbers else 32.0


def across_at(low: float, high: float, flow: str) -> float:
    """Where between the common borders of two attached cards their lane runs: near the left, for the number stands beside it."""
    return low + min(32.0, (high - low) / 2) if flow == "right" else (low + high) / 2
