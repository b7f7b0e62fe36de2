"""Modules as cards in real nets: what is folded at first, stacks of equal layers, views as part of edges, looking into one."""

from __future__ import annotations

import pytest
import torch
from nets import Normed, Transformer, deep, recorded
from torch import nn

from gradwalk.trace import NONE
from gradwalk_gui import folding, showing
from gradwalk_gui.graph.canvas import GraphCanvas
from gradwalk_gui.graph.events_on_cards import cards_of, place_of
from gradwalk_gui.graph.facts import gather
from gradwalk_gui.graph.hit import Hit
from gradwalk_gui.graph.hover_text import hover_of, views_on
from gradwalk_gui.graph.look import cell_magnitudes, look_at
from gradwalk_gui.graph.picture import draw
from gradwalk_gui.graph.scene import build
from gradwalk_gui.graph.scenes import default_lay_out
from gradwalk_gui.graph.sizes import card_sizes
from gradwalk_gui.inspection.tree import items_of
from gradwalk_gui.session import Session
from gradwalk_gui.state import Selection, View
from gradwalk_gui.theme import LIGHT


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    torch.manual_seed(0)
    with recorded(tmp_path_factory.mktemp("net") / "run", Transformer(12)) as recording:
        yield recording


@pytest.fixture
def session(transformer):
    session = Session()
    session.open(transformer)
    return session


def picture_of(session):
    return draw(session.state.trace.graph, session.state.view)


def titles(picture, *kinds):
    return [card.title for card in picture.cards if not kinds or card.kind in kinds]


def test_equal_layers_that_follow_each_other_are_one_card_with_a_cell_for_each(session):
    graph, picture = session.state.trace.graph, picture_of(session)
    (stack,) = [card for card in picture.cards if card.strip]
    assert (stack.title, stack.note, len(stack.strip)) == ("layer × 12", "Block", 12)
    for number, nodes in enumerate(stack.strip):
        inside = {graph.modules[graph.ops[graph.nodes[node].op].module].path for node in nodes if graph.nodes[node].op != NONE}
        assert inside <= {f"net.layer.{number}{within}" for within in ("", ".norm", ".qkv", ".out")}
        weights = sorted(graph.values[graph.nodes[node].leaf].name for node in nodes if graph.nodes[node].leaf != NONE)
        assert len(weights) == 6
        assert all(f"layer.{number}." in name for name in weights)
    assert sorted(node for nodes in stack.strip for node in nodes) == sorted(stack.nodes)


def test_the_layers_are_shown_one_by_one_and_put_together_again(session):
    session.fold("net.layer.0")
    assert [title for title in titles(picture_of(session), "module") if title.startswith("layer")] == [
        f"layer.{i}" for i in range(12)
    ]
    session.fold("net.layer.3")
    assert "softmax" in titles(picture_of(session), "op")
    session.select(Selection("module", showing.call_at(session.state.trace.graph, "net.layer.3")))
    session.fold_selected(fold=True)
    session.fold_selected(fold=True)
    assert "layer × 12" in titles(picture_of(session), "module")
    for _ in range(4):
        session.undo()
    assert "layer × 12" in titles(picture_of(session), "module")
    session.redo()
    assert "layer.7" in titles(picture_of(session), "module")


@pytest.mark.parametrize("mode", ["ops", "tensors"])
def test_buffers_are_in_their_modules_and_go_with_them(mode, tmp_path):
    with recorded(tmp_path / "run", Normed(), (2, 1, 6, 6)) as recording:
        session = Session()
        session.open(recording)
        session.set_view(mode=mode, stacked=False)
        session.unfold_all()
        picture, graph = picture_of(session), recording[0].graph
        buffers = {"bn1": ["num_batches_tracked", "running_mean", "running_var"]}
        for module, names in (*buffers.items(), ("layer1.1", buffers["bn1"])):
            frame = next(i for i, one in enumerate(picture.frames) if graph.modules[one.module].path == f"net.{module}")
            held = [card for card in picture.cards if card.kind == "input" and card.frame == frame]
            assert sorted({graph.values[card.ref].name for card in held}) == [f"{module}.{name}" for name in names]
        session.fold("net.bn1")
        session.fold("net.layer1.1")
        inputs = [card for card in picture_of(session).cards if card.kind == "input"]
        assert not [card for card in inputs if "running" in graph.values[card.ref].name]


def test_the_outline_has_buffers_in_their_modules(tmp_path):
    with recorded(tmp_path / "run", Normed(), (2, 1, 6, 6)) as recording:
        items = items_of(recording[0].graph)
        found = {item.name: items[item.parent].path for item in items if "running_mean" in item.name}
        assert found == {"bn1.running_mean": "net.bn1", "layer1.1.running_mean": "net.layer1.1"}


def test_stacks_can_be_switched_off(session):
    session.set_view(stacked=False)
    assert len(titles(picture_of(session), "module")) >= 12
    assert not any(card.strip for card in picture_of(session).cards)


@pytest.mark.parametrize(("layers", "least"), [(2, 1), (12, 30), (20, 30), (300, 1)])
def test_at_first_as_much_is_unfolded_as_can_be_seen(tmp_path, layers, least):
    with recorded(tmp_path / "run", deep(layers), (3, 4), steps=1) as recording:
        graph = recording[0].graph
        view = showing.settled(View(), graph)
        cards = len(draw(graph, view).cards)
        whole = len(draw(graph, View()).cards)
    assert cards <= max(folding.MOST, layers + 9), "300 layers of a Sequential are 300 cards, folded or not"
    assert cards >= min(least, whole)
    assert (layers > 2) == bool(view.folded)


def test_to_depth_and_back(session):
    deepest = folding.deepest(session.state.trace.graph)
    shown = []
    for depth in range(deepest + 1):
        session.unfold_to(depth)
        assert showing.depth_of(session.state.trace.graph, session.state.view) == depth
        shown.append(len(picture_of(session).cards))
    assert shown[0] == len(titles(picture_of(session))) - shown[-1] + shown[0]
    assert shown == sorted(shown)
    session.fold_all()
    assert titles(picture_of(session), "module") == ["net"]
    session.unfold_all()
    assert not titles(picture_of(session), "module")
    session.fold_as_at_first()
    assert "layer × 12" in titles(picture_of(session), "module")


@pytest.mark.parametrize("fold", ["whole", "at first"])
def test_views_are_part_of_the_edge_that_leads_on_from_them(session, fold):
    if fold == "whole":
        session.unfold_all()
    graph = session.state.trace.graph
    picture = picture_of(session)
    assert not {"view", "transpose", "reshape", "split"} & set(titles(picture, "op"))
    cards = cards_of(picture)
    assert all(place_of(graph, cards, event) is not None for event in graph.events if event.phase in ("forward", "backward"))
    crossing = {
        e.id for e in graph.edges if NONE not in (e.target, e.source) and cards.of_node[e.source] != cards.of_node[e.target]
    }
    assert crossing <= {edge for lane in picture.lanes for edge in lane.edges}
    session.set_view(skip_views=False)
    drawn = titles(picture_of(session), "op")
    assert ("view" in drawn) == (fold == "whole")
    session.set_view(mode="tensors", skip_views=True)
    assert ("view" in titles(picture_of(session), "knot")) == (fold == "whole"), "a view is a tensor"


def test_a_module_is_looked_into_with_stubs_of_what_it_is_joined_to(session):
    session.dive("net.layer.5")
    picture = picture_of(session)
    assert [frame.title for frame in picture.frames] == ["norm", "qkv", "out"]
    stubs = {card.title for card in picture.cards if card.kind == "input"}
    assert stubs == {"net.layer.4", "net.layer.6"}
    session.go_up()
    assert session.state.view.root == "net"
    session.go_up()
    session.undo()
    assert session.state.view.root == "net"
    session.dive("no.such.module")
    assert session.state.view.root == ""


def test_what_is_selected_is_hidden_or_alone_until_all_is_shown(session):
    whole = titles(picture_of(session))
    first = Selection("module", showing.call_at(session.state.trace.graph, "net.first"))
    loss = Selection("value", next(event.ref for event in session.state.trace.graph.events if event.kind == "loss"))
    session.pick((first, loss))
    session.hide_picked()
    assert set(whole) - set(titles(picture_of(session))) >= {"loss"}
    session.show_all()
    assert titles(picture_of(session)) == whole
    session.isolate_picked()
    assert "loss" in titles(picture_of(session))
    assert "layer × 12" not in titles(picture_of(session))
    session.undo()
    assert titles(picture_of(session)) == whole


def _op_in(session, path):
    graph = session.state.trace.graph
    call = showing.call_at(graph, path)
    return Selection("op", next(op.id for op in graph.ops if op.module == call))


def test_of_what_lies_in_a_folded_module_or_a_stack_the_card_is_hidden_or_alone(session):
    graph, whole = session.state.trace.graph, titles(picture_of(session))
    inside = _op_in(session, "net.layer.7.out")
    node = next(node.id for node in graph.nodes if node.op == inside.id)
    leaf = next(value for value in graph.ops[inside.id].inputs if graph.values[value].role == "leaf")
    edge = next(edge.id for edge in graph.edges if edge.source == node)
    things = (
        Selection("node", node),
        Selection("value", leaf),
        Selection("edge", edge),
        Selection("value", graph.ops[inside.id].outputs[0]),
    )
    for thing in (inside, *things, Selection("module", showing.call_at(graph, "net.layer.7"))):
        session.select(thing)
        session.isolate_picked()
        assert titles(picture_of(session)) == ["layer × 12"], thing
        session.undo()
        if thing.kind != "edge":
            session.hide_picked()
            assert set(whole) - set(titles(picture_of(session))) == {"layer × 12"}, thing
            session.undo()
    session.select(inside)
    session.isolate_picked()
    session.fold("net.layer.0")
    assert titles(picture_of(session), "module") == [f"layer.{number}" for number in range(12)], "all layers of the stack"
    session.show_all()
    session.fold_all()
    session.isolate_picked()
    assert titles(picture_of(session)) == ["net"]


def test_what_is_alone_shows_on_the_card_that_it_is_folded_into_and_hidden_hides_no_more_than_itself(session):
    session.unfold_all()
    session.select(_op_in(session, "net.layer.7.out"))
    session.isolate_picked()
    assert len(titles(picture_of(session))) == 1
    session.fold_all()
    assert titles(picture_of(session)) == ["net"]
    session.show_all()
    session.unfold_all()
    session.hide_picked()
    session.fold_all()
    assert "net" in titles(picture_of(session))


def test_of_a_lane_both_ends_are_alone_and_nothing_is_hidden(session):
    session.unfold_all()
    whole, lane = picture_of(session), next(lane for lane in picture_of(session).lanes if lane.edges)
    ends = sorted(whole.cards[end].title for end in (lane.source, lane.target))
    session.select(Selection("edge", lane.edges[0]))
    session.isolate_picked()
    assert sorted(titles(picture_of(session))) == ends
    session.undo()
    session.hide_picked()
    assert session.state.view.hidden == frozenset()


def test_picks_and_highlights_go_with_the_selection(session):
    one, other = Selection("op", 0), Selection("op", 1)
    session.pick((one, other, one))
    session.toggle_highlight("up")
    assert (session.state.selection, session.state.picked, session.state.highlight) == (one, (one, other), "up")
    session.toggle_highlight("down")
    assert session.state.highlight == "down"
    session.toggle_highlight("down")
    assert session.state.highlight == ""
    session.toggle_highlight("up")
    session.select(None)
    assert (session.state.picked, session.state.highlight) == ((), "")


def test_what_is_hidden_comes_back_in_a_step_of_another_structure(tmp_path):
    class Sometimes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.calls = nn.Linear(4, 4), 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return self.fc(x) if self.calls % 2 else torch.relu(self.fc(x))

    with recorded(tmp_path / "run", Sometimes(), (2, 4)) as recording:
        session = Session()
        session.open(recording)
        session.select(Selection("op", 0))
        session.hide_picked()
        assert session.state.view.hidden
        session.next_step()
        assert not session.state.view.hidden


def test_the_hover_card_names_the_views_on_a_lane_and_what_a_stack_is(session):
    session.fold("net.layer.0")
    session.fold("net.layer.0")
    trace = session.state.trace
    scene = build(trace.graph, session.state.view, lambda text, style: 8.0 * len(text), default_lay_out())
    look = look_at(gather(trace, scene, "rms"), session.state.events)
    titles = [scene.picture.cards[lane.source].title for lane in scene.picture.lanes]
    said = {
        (start, tuple(hover_of(scene, look, Hit("lane", lane, backward=back)).rows[0]))
        for lane, start in enumerate(titles)
        for back in (False, True)
        if views_on(scene, lane)
    }
    assert ("qkv", ("through", "split, view, transpose")) in said, "qkv is one card here: a module that is folded"
    assert ("matmul", ("through", "transpose, reshape")) in said
    session.fold_as_at_first()
    scene = build(trace.graph, session.state.view, lambda text, style: 8.0 * len(text), default_lay_out())
    place = next(place for place, card in enumerate(scene.picture.cards) if card.strip)
    hover = hover_of(scene, look_at(gather(trace, scene, "rms"), 0), Hit("card", place))
    assert (hover.title, hover.rows[0]) == ("layer × 12", ("path", "net.layer.0 and 11 that do the same"))


def test_the_cells_of_a_stack_fill_from_the_last_layer_to_the_first(session):
    trace = session.state.trace
    scene = build(trace.graph, session.state.view, lambda text, style: 8.0 * len(text), default_lay_out())
    facts = gather(trace, scene, "rms")
    stack = next(place for place, card in enumerate(scene.picture.cards) if card.strip)
    filled = []
    for position in (*range(0, len(trace.tape), 7), len(trace.tape)):
        there = cell_magnitudes(look_at(facts, position), stack) >= 0
        assert list(there) == sorted(there), "never a layer before the one behind it"
        filled.append(int(there.sum()))
    assert filled == sorted(filled)
    assert (filled[0], filled[-1]) == (0, 12)
    last = cell_magnitudes(look_at(facts, len(trace.tape)), stack)
    into_the_first = [lane.edges[0] for lane in scene.picture.lanes if lane.target == stack]
    assert last[0] == pytest.approx(max(facts.magnitudes[edge] for edge in into_the_first))


def test_the_strip_is_painted_anew_when_a_layer_gives_its_gradient(session, qtbot):
    session.set(reduced_motion=True)
    canvas = GraphCanvas(session, LIGHT)
    qtbot.addWidget(canvas)
    canvas.resize(1600, 400)
    canvas.show()
    qtbot.waitUntil(lambda: canvas.scene is not None and not canvas.busy)
    place = next(place for place, card in enumerate(canvas.scene.picture.cards) if card.strip)
    x, y = canvas.camera.to_screen(*(canvas.scene.cards[place, :2] + canvas.scene.cards[place, 2:] * (0.0, 0.5)))
    width, height = canvas.scene.cards[place, 2:] * (canvas.zoom, canvas.zoom * 0.5)
    strips = set()
    for position in range(0, session.state.events + 1, 7):
        session.go_to(0, position)
        half = canvas.grab().copy(round(x), round(y), round(width), round(height)).toImage()
        strips.add(bytes(half.constBits()))
    assert len(strips) >= 12


def test_a_stack_has_room_for_its_title(session):
    picture = picture_of(session)
    place = next(place for place, card in enumerate(picture.cards) if card.strip)
    sizes = card_sizes(session.state.trace.graph, picture, lambda text, style: 8.0 * len(text), range(len(picture.lanes)))
    assert sizes[place][0] > 8.0 * len("layer × 12")
