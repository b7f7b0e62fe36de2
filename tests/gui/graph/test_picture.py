"""What is drawn: cards, lanes and frames of a step in each View."""

from __future__ import annotations

import pytest

from gradwalk_gui.graph.category import category_of
from gradwalk_gui.graph.picture import draw
from gradwalk_gui.state import View


def titles(picture, kind):
    return [card.title for card in picture.cards if card.kind == kind]


def ends(picture):
    return [(picture.cards[lane.source].title, picture.cards[lane.target].title) for lane in picture.lanes]


def test_every_forward_op_is_one_card_and_leaves_inputs_and_the_loss_are_pills(traces):
    picture = draw(traces["sample"]().graph, View())
    assert titles(picture, "op") == ["mm", "clamp", "mm", "sub", "pow", "sum"]
    assert titles(picture, "leaf") == ["w1", "w2"]
    assert titles(picture, "input") == ["x", "y"]
    assert titles(picture, "loss") == ["loss"]


def test_a_card_carries_its_nodes_and_a_leaf_its_accumulate_grad(traces):
    graph = traces["sample"]().graph
    picture = draw(graph, View())
    assert [card.under for card in picture.cards if card.kind == "op"][:2] == ["MmBackward0", "ClampBackward1"]
    w1 = next(card for card in picture.cards if card.title == "w1")
    assert [graph.nodes[node].name for node in w1.nodes] == ["AccumulateGrad"]


def test_each_gradient_edge_between_cards_lies_on_exactly_one_lane(traces):
    for name in ("sample", "mlp", "residual"):
        graph = traces[name]().graph
        picture = draw(graph, View())
        on_lanes = sorted(edge for lane in picture.lanes for edge in lane.edges)
        card_of = {node: i for i, card in enumerate(picture.cards) for node in card.nodes}
        crossing = [e.id for e in graph.edges if e.target != -1 and (e.source == -1 or card_of[e.source] != card_of[e.target])]
        assert on_lanes == crossing


def test_lanes_without_a_gradient_are_those_of_inputs(traces):
    picture = draw(traces["mlp"]().graph, View())
    assert {picture.cards[lane.source].title for lane in picture.lanes if not lane.edges} == {"x", "target"}


def test_a_composite_op_names_all_its_nodes(traces):
    picture = draw(traces["mlp"]().graph, View())
    entropy = next(card for card in picture.cards if card.title == "cross_entropy")
    assert entropy.under == "NllLossBackward0 · LogSoftmaxBackward0"


def test_modules_are_nested_frames_and_parameters_lie_inside_with_short_names(traces):
    picture = draw(traces["mlp"]().graph, View())
    assert [(frame.title, frame.note, frame.depth) for frame in picture.frames] == [
        ("net", "TwoLayerNet", 0),
        ("fc1", "Linear", 1),
        ("relu", "ReLU", 1),
        ("fc2", "Linear", 1),
    ]
    homes = {(card.title, picture.frames[card.frame].title) for card in picture.cards if card.kind == "leaf"}
    assert homes == {("weight", "fc1"), ("bias", "fc1"), ("weight", "fc2"), ("bias", "fc2")}
    assert next(card for card in picture.cards if card.title == "x").frame == -1


def test_a_folded_module_is_one_card_that_takes_its_parameters_and_nodes_in(traces):
    graph = traces["mlp"]().graph
    picture = draw(graph, View(folded=frozenset({"net.fc1"})))
    folded = next(card for card in picture.cards if card.kind == "module")
    assert (folded.title, folded.note, len(folded.ops)) == ("fc1", "Linear", 1)
    assert sorted(graph.nodes[node].name for node in folded.nodes) == ["AccumulateGrad", "AccumulateGrad", "AddmmBackward0"]
    assert titles(picture, "leaf") == ["weight", "bias"]
    assert ("fc1", "relu") in ends(picture)


def test_folding_an_outer_module_hides_the_inner_ones(traces):
    picture = draw(traces["mlp"]().graph, View(folded=frozenset({"net", "net.fc1"})))
    assert titles(picture, "module") == ["net"]
    assert picture.frames == ()
    assert len(next(card for card in picture.cards if card.kind == "module").ops) == 3


@pytest.mark.parametrize("mode", ["ops", "tensors"])
def test_forward_alone_has_no_gradients_and_backward_alone_no_inputs(traces, mode):
    graph = traces["sample"]().graph
    forward = draw(graph, View(mode=mode, halves="forward"))
    assert not any(lane.edges for lane in forward.lanes)
    assert not any(card.backward for card in forward.cards)
    backward = draw(graph, View(mode=mode, halves="backward"))
    assert backward.lanes
    assert not any(lane.forward for lane in backward.lanes)
    assert titles(backward, "input") == []


def test_tensors_as_nodes_join_the_edges_of_an_op_in_a_labelled_knot(traces):
    picture = draw(traces["sample"]().graph, View(mode="tensors"))
    assert titles(picture, "knot") == ["mm", "clamp", "mm", "sub", "pow", "sum"]
    assert titles(picture, "tensor") == ["x.mm(w1)", "x.mm(w1).clamp(min=0)", "y_pred", "y_pred - y", "(y_pred - y).pow(2)"]
    second_mm = [i for i, card in enumerate(picture.cards) if card.title == "mm"][1]
    into = [picture.cards[lane.source].title for lane in picture.lanes if lane.target == second_mm]
    assert into == ["x.mm(w1).clamp(min=0)", "w2"]


def test_where_gradients_meet_is_marked_on_the_card_that_adds_them(traces):
    picture = draw(traces["residual"]().graph, View())
    assert [(card.title, len(card.meets)) for card in picture.cards if card.meets] == [("relu", 2)]
    tensors = draw(traces["residual"]().graph, View(mode="tensors"))
    assert [(card.title, len(card.meets)) for card in tensors.cards if card.meets] == [("y", 2)]


def test_a_step_without_nodes_has_forward_halves_only(traces):
    graph = traces["forward_only"]().graph
    assert not any(card.backward for card in draw(graph, View()).cards)
    assert draw(graph, View(halves="backward")).cards == ()


def test_ops_inside_a_custom_function_are_not_drawn(traces):
    from gradwalk.builder import GraphBuilder

    build = GraphBuilder()
    x = build.add_value((2,), "float32", name="x", role="leaf", requires_grad=True)
    out, inner = build.add_value((2,), "float32"), build.add_value((2,), "float32")
    function = build.add_op("MyReLU", (x,), (out,), custom=True)
    build.add_op("clamp", (x,), (inner,), parent=function)
    assert titles(draw(build.freeze(), View()), "op") == ["MyReLU"]


def test_a_node_that_belongs_to_no_op_has_a_card_of_its_own_between_its_neighbours(traces):
    from gradwalk.builder import GraphBuilder

    build = GraphBuilder()
    x = build.add_value((2,), "float32", name="x", role="leaf", requires_grad=True)
    out = build.add_value((), "float32")
    total = build.add_op("sum", (x,), (out,))
    first, between = build.add_node("SumBackward0", op=total), build.add_node("CopySlices")
    last = build.add_node("AccumulateGrad", leaf=x)
    build.add_edge(first, between, value=x)
    build.add_edge(between, last, value=x)
    picture = draw(build.freeze(), View())
    alone = next(i for i, card in enumerate(picture.cards) if card.kind == "node")
    assert picture.cards[alone].under == "CopySlices"
    assert {(lane.source, lane.target) for lane in picture.lanes if not lane.forward} == {(alone, 0), (1, alone)}


@pytest.mark.parametrize(
    ("op", "family"),
    [
        ("mm", "linear"),
        ("relu", "activation"),
        ("view", "shaping"),
        ("nll_loss", "loss"),
        ("MyThing", "other"),
        ("torch.mm", "linear"),
    ],
)
def test_families_of_ops(op, family):
    assert category_of(op) == family
