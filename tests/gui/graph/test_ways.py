"""What lies up and down from a card, and where things are that are folded away."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from effort import calls
from nets import Transformer, recorded

from gradwalk_gui import names, showing
from gradwalk_gui.graph.events_on_cards import cards_of
from gradwalk_gui.graph.hit import where_is
from gradwalk_gui.graph.parts import Card, Lane, Picture
from gradwalk_gui.graph.scene import build
from gradwalk_gui.graph.scenes import default_lay_out
from gradwalk_gui.graph.ways import along, found, highlighted
from gradwalk_gui.revealing import reveal
from gradwalk_gui.state import Selection, View


def picture(*lanes, cards=7):
    return Picture(tuple(Card("op", i, str(i)) for i in range(cards)), tuple(Lane(a, b, i) for i, (a, b) in enumerate(lanes)))


#   0 -> 1 -> 3 -> 4      5 -> 5 (itself)      6 alone
#     -> 2 ->
DIAMOND = picture((0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (5, 5))


@pytest.mark.parametrize(
    ("starts", "way", "cards", "lanes"),
    [
        ([0], "up", [0], []),
        ([0], "down", [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        ([3], "up", [0, 1, 2, 3], [0, 1, 2, 3]),
        ([3], "down", [3, 4], [4]),
        ([1], "down", [1, 3, 4], [2, 4]),
        ([1, 2], "up", [0, 1, 2], [0, 1]),
        ([5], "up", [5], [5]),
        ([6], "down", [6], []),
        ([], "up", [], []),
    ],
)
def test_up_and_down_from_some_cards(starts, way, cards, lanes):
    lit = along(DIAMOND, starts, way)
    assert (np.flatnonzero(lit.cards).tolist(), np.flatnonzero(lit.lanes).tolist()) == (cards, lanes)


def test_a_picture_of_nothing_has_no_ways():
    assert not len(along(Picture(), [], "up").cards)


@pytest.mark.parametrize("way", ["up", "down"])
def test_each_of_twenty_thousand_cards_is_looked_at_once(way):
    chain = picture(*((i, i + 1) for i in range(19_999)), *((i, i + 7) for i in range(0, 19_990, 3)), cards=20_000)
    lit = []
    assert calls(lambda: lit.append(along(chain, [0 if way == "down" else 19_999], way))) < 2.5 * 20_000
    assert lit[0].cards.sum() == 20_000


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    torch.manual_seed(0)
    with recorded(tmp_path_factory.mktemp("net") / "run", Transformer(4), steps=1) as recording:
        yield recording[0].graph


def scene_of(graph, view):
    scene = build(graph, view, lambda text, style: 8.0 * len(text), default_lay_out())
    return scene, cards_of(scene.picture)


VIEWS = {
    "whole": lambda graph: View(auto_fold=False),
    "at first": lambda graph: showing.settled(View(), graph),
    "folded": lambda graph: showing.to_depth(graph, View(), 0),
    "depth 1": lambda graph: showing.to_depth(graph, View(), 1),
    "no stacks": lambda graph: showing.to_depth(graph, View(stacked=False), 2),
    "tensors": lambda graph: showing.settled(View(mode="tensors"), graph),
    "down": lambda graph: showing.settled(View(flow="down"), graph),
}


@pytest.mark.parametrize("name", VIEWS)
def test_every_thing_with_a_name_is_somewhere_in_the_picture(graph, name):
    scene, cards = scene_of(graph, VIEWS[name](graph))
    things = names.names_of(graph)
    assert len(things) > 100
    lost = [thing for thing in things if where_is(scene, cards, thing.selection) is None]
    assert lost == []


@pytest.mark.parametrize("name", VIEWS)
def test_what_is_revealed_has_a_card_of_its_own(graph, name):
    view = VIEWS[name](graph)
    for title, kind in (("net.layer.2.qkv", "Linear"), ("layer.3.out.bias", "parameter"), ("softmax", "op")):
        thing = next(each for each in names.names_of(graph) if (each.title, each.kind) == (title, kind))
        shown = reveal(graph, view, thing.selection)
        scene, cards = scene_of(graph, showing.settled(shown, graph))
        place = where_is(scene, cards, thing.selection)
        assert place is not None
        if kind == "Linear":
            assert place.place is None or scene.picture.cards[place.place.card].ref == thing.selection.id
        else:
            assert place.place is None or scene.picture.cards[place.place.card].kind != "module"
        assert reveal(graph, shown, thing.selection) == shown, "what shows already changes nothing"


def test_a_highlight_of_an_unfolded_module_starts_from_all_inside(graph):
    scene, cards = scene_of(graph, View(auto_fold=False))
    module = Selection("module", showing.call_at(graph, "net.layer.3"))
    down, up = (highlighted(scene, cards, [module], way) for way in ("down", "up"))
    inside = found(scene, cards, [module]).cards
    assert inside.sum() > 3
    assert (down.cards & up.cards)[inside].all()
    assert highlighted(scene, cards, [], "up") is None


def test_names_are_found_by_words_and_by_letters(graph):
    things = names.names_of(graph)
    assert [thing.title for thing in names.matches(things, "layer.1.qkv")] == [
        "net.layer.1.qkv",
        "layer.1.qkv.weight",
        "layer.1.qkv.bias",
    ]
    assert {thing.kind for thing in names.matches(things, "softmax")} == {"op", "Node"}
    assert {thing.path for thing in names.matches(things, "softmax net.layer.2")} == {"net.layer.2"}
    assert names.matches(things, "  ") == names.matches(things, "nothing like it") == []
    assert names.best(things, "l3outw")[0].title == "layer.3.out.weight"
    assert names.best(things, "softmax")[0].title.startswith("softmax")
    assert names.best(things, "xyzzy") == []
    assert names.best(things, "(") == []
    assert len(names.best(things, "", 10)) == 10


def test_a_filter_dims_what_does_not_match(open_canvas):
    canvas = open_canvas()
    session, cards = canvas.session, canvas.scene.picture.cards

    def bright():
        canvas.grab()
        lit, _ = canvas._bright()
        return None if lit is None else {cards[card].title for card in np.flatnonzero(lit.cards)}

    assert bright() is None
    session.set(filter="mm")
    assert bright() == {"mm"}
    session.set(filter="clamp $phase(bwd)")
    assert bright() == {"clamp"}
    titles = [(cards[lane.source].title, cards[lane.target].title) for lane in canvas.scene.picture.lanes]
    assert [titles[lane] for lane in np.flatnonzero(canvas._bright()[0].lanes)] == [("mm", "clamp")]
    session.set(filter="$phase(")
    assert bright() is None, "what cannot be read dims nothing"
    session.set(filter="nothing_is_called_so")
    assert bright() == set()
    session.set(filter="")
    assert bright() is None
