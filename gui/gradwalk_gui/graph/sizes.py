"""How large each card is. No Qt: the measuring comes from outside."""

from __future__ import annotations

from collections.abc import Collection

from gradwalk.trace import Graph

from ..numbers import NO_PATH, shape_text
from . import styles
from .parts import Card, Picture
from .styles import GAP, Measure

LONGEST_NUMBER = "1.2e-12"
CELL = 14.0
"""The width of a stack's cell, where there is room."""


def card_sizes(graph: Graph, picture: Picture, measure: Measure, lanes: Collection[int]) -> list[tuple[float, float]]:
    """Width and height of every card; from the Graph's first shapes only, so that a card keeps its size from step to step.

    ``lanes`` are those that need room at the sides of their cards.
    """
    ends = _ends(picture, lanes)
    sizes = []
    for place, card in enumerate(picture.cards):
        width, height = _SIZES[card.kind](graph, card, measure)
        room = max(ends[place]) - styles.PORT_STEP[True] + 2 * 2 * styles.LANE_OFFSET + 4 if max(ends[place]) > 0 else 0.0
        if card.kind != "knot":
            height, width = (max(height, room), width) if picture.flow == "right" else (height, max(width, room))
        sizes.append((float(round(width)), float(round(height))))
    return sizes


def _ends(picture: Picture, lanes: Collection[int]) -> list[list[float]]:
    """Per card the room that its lanes need on its two sides; more than six lanes share the room of six."""
    room = [[0.0, 0.0] for _ in picture.cards]
    for lane in (picture.lanes[i] for i in lanes):
        step = styles.PORT_STEP[bool(lane.edges) and lane.forward]
        room[lane.source][0] += step
        room[lane.target][1] += step
    return [[min(side, 6 * styles.PORT_STEP[True]) for side in sides] for sides in room]


def _op_size(graph: Graph, card: Card, measure: Measure) -> tuple[float, float]:
    note = GAP + measure(card.note, styles.NOTE) if card.note else 0.0
    title = measure(card.title, styles.TITLE) + note
    upper = max(title, measure(_shape(graph, card), styles.SHAPE)) if card.forward else 0.0
    lower = max(measure(card.under, styles.NODE), measure(NO_PATH, styles.NOTE)) if card.backward else 0.0
    meets = measure(f"{LONGEST_NUMBER} + {LONGEST_NUMBER} = {LONGEST_NUMBER}", styles.PLATE) if card.meets else 0.0
    width = styles.LEFT + max(upper, lower, meets) + styles.RIGHT
    height = styles.HALF * (card.forward + card.backward) + (styles.ROW if card.meets and card.backward else 0.0)
    return min(max(width, styles.MIN_CARD), styles.MAX_CARD), height + (6.0 if card.forward != card.backward else 0.0)


def _module_size(graph: Graph, card: Card, measure: Measure) -> tuple[float, float]:
    width, height = _op_size(graph, card, measure)
    strip = styles.LEFT + CELL * len(card.strip) + styles.RIGHT
    return min(max(width + 20.0, strip), styles.MAX_CARD), height


def _pill_size(graph: Graph, card: Card, measure: Measure) -> tuple[float, float]:
    title = measure(card.title, styles.TITLE) + GAP + measure(_shape(graph, card), styles.SHAPE)
    meets = measure(f"{LONGEST_NUMBER} + {LONGEST_NUMBER} = {LONGEST_NUMBER}", styles.PLATE) if card.meets else 0.0
    lower = measure(f"{card.under} {LONGEST_NUMBER}", styles.NUMBER) if card.backward else 0.0
    height = (styles.PILL if card.backward else styles.HALF_PILL) + (styles.ROW if card.meets else 0.0)
    return min(max(title, lower, meets) + 40.0, styles.MAX_CARD), height


def _input_size(graph: Graph, card: Card, measure: Measure) -> tuple[float, float]:
    title = measure(card.title, styles.TITLE) + GAP + measure(_shape(graph, card), styles.SHAPE)
    return min(title + 28.0, styles.MAX_CARD), styles.INPUT


def _loss_size(graph: Graph, card: Card, measure: Measure) -> tuple[float, float]:
    width = measure(card.title, styles.TITLE) + GAP + measure("-1.2345e7", styles.TITLE) + 40.0
    return min(width, styles.MAX_CARD), styles.LOSS


def _knot_size(graph: Graph, card: Card, measure: Measure) -> tuple[float, float]:
    return min(measure(card.title, styles.NODE) + 32.0, styles.MAX_CARD), styles.KNOT


def _shape(graph: Graph, card: Card) -> str:
    if card.kind == "module":
        return (
            f"{len(card.ops)} ops   {shape_text(graph.values[card.values[0]].shape)}" if card.values else f"{len(card.ops)} ops"
        )
    shapes = [shape_text(graph.values[value].shape) for value in card.values]
    return ", ".join(shapes[:2])


_SIZES = {
    "op": _op_size,
    "node": _op_size,
    "module": _module_size,
    "leaf": _pill_size,
    "tensor": _pill_size,
    "input": _input_size,
    "loss": _loss_size,
    "knot": _knot_size,
}
