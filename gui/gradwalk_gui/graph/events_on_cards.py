"""Which card shows an event: also those of the update and of a hand-written backward, which have no card of their own. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gradwalk.tape import index
from gradwalk.trace import NONE, Event, Graph

from .frames import shown_op
from .parts import Picture

Part = Literal["forward", "backward", "update"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event shows: a card's index, and which part of it."""

    card: int
    part: Part


@dataclass(frozen=True, slots=True)
class Cards:
    """The card of each thing of a Graph that has one."""

    of_op: dict[int, int]
    of_node: dict[int, int]
    of_leaf: dict[int, int]
    of_loss: dict[int, int]


def cards_of(picture: Picture) -> Cards:
    """Look-ups from things to cards."""
    found = Cards({}, {}, {}, {})
    for place, card in enumerate(picture.cards):
        found.of_op.update(dict.fromkeys(card.ops, place))
        found.of_node.update(dict.fromkeys(card.nodes, place))
        if card.kind == "leaf":
            found.of_leaf[card.ref] = place
        elif card.kind == "loss":
            found.of_loss[card.ref] = place
    return found


def place_of(graph: Graph, cards: Cards, event: Event) -> Place | None:
    """Where an event shows, or None where nothing in the picture stands for it."""
    if event.kind == "loss":
        return _at(cards.of_loss.get(event.ref), "forward")
    if event.kind in ("node", "accumulate"):
        return _at(cards.of_node.get(event.ref), "backward")
    op = graph.ops[event.ref]
    if op.phase == "update":
        return _at(cards.of_leaf.get(updated_leaf(graph, op.id)), "update")
    if op.phase == "backward":
        return _by_hand(graph, cards, event)
    return _at(cards.of_op.get(shown_op(graph, op.id)), "forward")


def _at(card: int | None, part: Part) -> Place | None:
    return None if card is None else Place(card, part)


def updated_leaf(graph: Graph, op_id: int) -> int:
    """The leaf that an op of the update works on or for, or NONE."""
    for op in _with_readers(graph, op_id):
        for value in (*graph.ops[op].outputs, *graph.ops[op].inputs):
            leaf = _leaf_of(graph, value)
            if leaf != NONE:
                return leaf
    return NONE


def _leaf_of(graph: Graph, value: int) -> int:
    there = graph.values[value]
    for candidate in (value, _first_version(graph, value), there.gradient_of):
        if candidate != NONE and (graph.values[candidate].role == "leaf" or candidate in index(graph).node_of_leaf):
            return candidate
    return NONE


def _first_version(graph: Graph, value: int) -> int:
    while value != NONE and graph.values[value].base != NONE:
        value = graph.values[value].base
    return value


def _with_readers(graph: Graph, op_id: int) -> list[int]:
    """An op and what reads its results, on and on, nearest first; 64 ops at most."""
    found, at = [op_id], 0
    while at < len(found) and len(found) < 64:
        for value in graph.ops[found[at]].outputs:
            found += [op for op in index(graph).consumers[value] if op not in found]
        at += 1
    return found


def _by_hand(graph: Graph, cards: Cards, event: Event) -> Place | None:
    """An op of a hand-written backward shows on the Node whose gradients it, or what reads its result, gives."""
    edges_by: dict[int, list[int]] = {}
    for edge in graph.edges:
        if edge.by != NONE and edge.source != NONE:
            edges_by.setdefault(edge.by, []).append(edge.source)
    for op in _with_readers(graph, event.ref):
        for value in graph.ops[op].outputs:
            for node in edges_by.get(value, ()):
                if node in cards.of_node:
                    return Place(cards.of_node[node], "backward")
    return _reader_of_what_it_is_for(graph, cards, event)


def _reader_of_what_it_is_for(graph: Graph, cards: Cards, event: Event) -> Place | None:
    """Where a gradient goes nowhere: the op that reads the Value which it is the gradient of."""
    for op in _with_readers(graph, event.ref):
        for value in graph.ops[op].outputs:
            of = graph.values[value].gradient_of
            for reader in index(graph).consumers[of] if of != NONE else ():
                if reader in cards.of_op and graph.ops[reader].phase != "backward":
                    return Place(cards.of_op[reader], "backward")
    return None
