"""Less of a picture: what is inside one module, what was isolated, without what was hidden. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gradwalk.trace import NONE, Graph

from ..showing import call_at
from ..state import Selection, View
from .draft import only
from .frames import up_from
from .parts import Card, Picture


def reduced(graph: Graph, picture: Picture, view: View) -> Picture:
    """The cards that a View shows; a card's ``frame`` is still the module call that it lies in."""
    root = call_at(graph, view.root)
    if root != NONE:
        picture = _inside(graph, picture, root)
    if view.isolated:
        picture = only(picture, _meant(graph, picture, view.isolated, holders=True))
    if view.hidden:
        picture = only(picture, [not meant for meant in _meant(graph, picture, view.hidden)])
    return picture


def _inside(graph: Graph, picture: Picture, root: int) -> Picture:
    """What lies in a module call, with stubs of what it is joined to outside."""
    within = [root in up_from(graph, card.frame) for card in picture.cards]
    joined = set()
    for lane in picture.lanes:
        if within[lane.source] != within[lane.target]:
            joined |= {lane.source, lane.target}
    cards = tuple(
        card if within[place] else _stub(graph, card) if place in joined else card for place, card in enumerate(picture.cards)
    )
    lanes = tuple(lane for lane in picture.lanes if within[lane.source] or within[lane.target])
    keep = [within[place] or place in joined for place in range(len(cards))]
    return only(replace(picture, cards=cards, lanes=lanes), keep)


def _stub(graph: Graph, card: Card) -> Card:
    """A card outside as a pill that names it."""
    if card.kind in ("leaf", "input", "loss") or not card.values:
        return replace(card, frame=NONE)
    title = graph.modules[card.ref].path if card.kind == "module" else card.title or card.under
    return Card("input", card.values[0], title, values=card.values, backward=False, category="input")


def _meant(graph: Graph, picture: Picture, things: Iterable[Selection], *, holders: bool = False) -> list[bool]:
    """Per card whether it is or lies in one of some things; with ``holders`` also whether it is a folded module with one."""
    ids: dict[str, set[int]] = {}
    for thing in things:
        ids.setdefault(thing.kind, set()).add(thing.id)
    ops, nodes, values = ids.get("op", set()), ids.get("node", set()), ids.get("value", set())
    modules = ids.get("module", set())
    return [
        not modules.isdisjoint(up_from(graph, card.ref if card.kind == "module" else card.frame))
        or ((holders or card.kind != "module") and not (ops.isdisjoint(card.ops) and nodes.isdisjoint(card.nodes)))
        or (card.kind in ("leaf", "input", "loss", "tensor") and card.ref in values)
        for card in picture.cards
    ]
