"""What a thing is in a picture: itself where it has a card, else what the card that holds it stands for. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gradwalk.tape import index
from gradwalk.trace import NONE, Graph

from ..state import Selection, View
from .folds import folds_of
from .frames import shown_op
from .parts import Card, Picture
from .picture import draw

_VALUES = ("leaf", "input", "loss", "tensor")


def held_as(graph: Graph, view: View, things: Iterable[Selection]) -> frozenset[Selection]:
    """What a View draws some things as: what lies in a folded module or in a stack of equal ones as that; of a lane both ends."""
    holders = _Holders(graph, replace(view, hidden=frozenset(), isolated=frozenset()))
    return frozenset(meant for thing in things for meant in holders.of(thing))


class _Holders:
    """The things of a Graph by the cards that hold them."""

    def __init__(self, graph: Graph, view: View) -> None:
        self._graph = graph
        self._folds = folds_of(graph, view)
        self._fill(draw(graph, view))

    def _fill(self, picture: Picture) -> None:
        cards = picture.cards
        self._of_op = {op: card for card in cards for op in (*card.skipped, *card.ops)}
        self._of_node = {node: card for card in cards for node in card.nodes}
        self._of_value = {card.ref: card for card in cards if card.kind in _VALUES}

    def of(self, thing: Selection) -> frozenset[Selection]:
        """What a thing is drawn as; nothing where it is not drawn."""
        if thing.kind == "module":
            call = self._folds.of(thing.id)
            return frozenset({thing}) if call == NONE else self._calls(call)
        return frozenset(meant for card in self._cards(thing) if card is not None for meant in self._meant(card))

    def _cards(self, thing: Selection) -> Iterable[Card | None]:
        if thing.kind == "edge":
            edge = self._graph.edges[thing.id]
            return self._of_node.get(edge.source), self._of_node.get(edge.target)
        if thing.kind == "node":
            return (self._of_node.get(thing.id),)
        if thing.kind == "op":
            return (self._of_op.get(shown_op(self._graph, thing.id)),)
        return (self._card_of_value(thing.id),)

    def _card_of_value(self, value: int) -> Card | None:
        if value in self._of_value:
            return self._of_value[value]
        made, node = self._graph.values[value].op, index(self._graph).node_of_leaf.get(value, NONE)
        if made == NONE and node in self._of_node:
            return self._of_node[node]
        maker = made if made != NONE else next(iter(index(self._graph).consumers[value]), NONE)
        return self._of_op.get(shown_op(self._graph, maker))

    def _meant(self, card: Card) -> frozenset[Selection]:
        if card.kind == "module":
            return self._calls(card.ref)
        if card.kind in _VALUES:
            return frozenset({Selection("value", card.ref)})
        return frozenset({Selection("node" if card.kind == "node" else "op", card.ref)})

    def _calls(self, call: int) -> frozenset[Selection]:
        return frozenset(Selection("module", one) for one in self._folds.stacks.get(call, (call,)))
