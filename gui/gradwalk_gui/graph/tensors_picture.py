"""The picture with tensors as cards and functions as edges: an op with n inputs is n edges joined in one labelled knot. No Qt."""

from __future__ import annotations

from dataclasses import replace

from gradwalk.layout.cancel import Check, never, watched
from gradwalk.tape import index, label_of
from gradwalk.trace import NONE, Graph

from .draft import Draft
from .folds import Folds
from .frames import shown_op
from .ops_picture import add_nodes, home_of, is_leaf, loss_card, meeting, op_card, value_card
from .parts import Card, Lane


def draw_tensors(graph: Graph, folds: Folds, check: Check = never) -> Draft:
    """Cards and lanes of a Graph, tensors as cards; a folded module is one knot. Every view is a tensor and is drawn."""
    draft = Draft(graph, folds)
    losses = {event.ref for event in graph.events if event.kind == "loss"}
    for op in watched(graph.ops, check):
        if op.parent == NONE and op.phase in ("forward", "loss"):
            _add_knot(draft, op.id)
    for shown in watched(draft.card_of_op, check):
        for value in (*graph.ops[shown].inputs, *graph.ops[shown].outputs):
            _add_tensor(draft, value, losses, shown)
    for shown, knot in watched(draft.card_of_op.items(), check):
        _add_lanes(draft, shown, knot, losses)
    draft.close_cards()
    add_nodes(draft)
    _add_gradients(draft)
    return draft


def _add_knot(draft: Draft, op: int) -> None:
    graph, module = draft.graph, draft.graph.ops[op].module
    if draft.folds.of(module) == NONE:
        draft.card_of_op[op] = draft.add_card(replace(op_card(graph, op), kind="knot", note=""), module)
        return
    place = draft.card_of_op[op] = draft.module_card(module)
    draft.put(place, (op,), index(graph).nodes_of_op[op], module)


def _add_tensor(draft: Draft, value: int, losses: set[int], near: int) -> None:
    """The card of a Value, unless it never leaves one folded module."""
    if value in draft.card_of_value:
        return
    graph = draft.graph
    readers = [op for op in index(graph).consumers[value] if shown_op(graph, op) in draft.card_of_op]
    maker = shown_op(graph, graph.values[value].op)
    around = {
        draft.card_of_op[shown_op(graph, op)]
        for op in (*readers, maker)
        if op != NONE and shown_op(graph, op) in draft.card_of_op
    }
    made_here = maker in draft.card_of_op
    module = graph.ops[maker].module if made_here else home_of(graph, value, readers or [near])
    fold = draft.folds.of(module)
    place = next(iter(around)) if len(around) == 1 else NONE
    hidden = fold != NONE or is_leaf(graph, value)
    if place != NONE and draft.cards[place].kind == "module" and hidden and readers:
        draft.card_of_value[value] = NONE
        node = index(graph).node_of_leaf.get(value)
        if node is not None:
            draft.put(place, nodes=(node,), module=graph.ops[readers[0]].module)
        return
    draft.card_of_value[value] = draft.add_card(
        _tensor_card(graph, value, losses, made_here), graph.modules[fold].parent if fold != NONE else module
    )


def _tensor_card(graph: Graph, value: int, losses: set[int], made_here: bool) -> Card:
    if value in losses:
        return loss_card(graph, value)
    if not made_here:
        return value_card(graph, value)
    requires_grad = graph.values[value].requires_grad
    return Card(
        "tensor", value, _tensor_name(graph, value), under="grad", category="shaping", values=(value,), backward=requires_grad
    )


def _tensor_name(graph: Graph, value: int) -> str:
    """The variable that holds a result, else the expression that made it, else its number."""
    there = graph.values[value]
    op = graph.ops[shown_op(graph, there.op)]
    if there.name or len(op.outputs) != 1:
        return label_of(there)
    return op.variable or (graph.sites[op.site].expression if op.site != NONE else "") or label_of(there)


def _add_lanes(draft: Draft, op: int, knot: int, losses: set[int]) -> None:
    graph = draft.graph
    for value in graph.ops[op].inputs:
        source = draft.card_of_value[value]
        if source != NONE and not _twice(draft, source, knot, value):
            draft.add_lane(Lane(source, knot, value, op))
    nodes = index(graph).nodes_of_op[op]
    for value in graph.ops[op].outputs:
        target = draft.card_of_value[value]
        if target != NONE:
            draft.add_lane(Lane(knot, target, value, op, value in losses, nodes=nodes, through=True))


def _twice(draft: Draft, source: int, knot: int, value: int) -> bool:
    known = draft.lane_of_pair.get((source, knot), [])
    return draft.cards[knot].kind == "module" and any(draft.lanes[lane].value == value for lane in known)


def _add_gradients(draft: Draft) -> None:
    graph = draft.graph
    for edge in graph.edges:
        if edge.target == NONE:
            continue
        maker, tensor = draft.card_of_node[edge.target], draft.card_of_value.get(edge.value, NONE)
        source = tensor if edge.source == NONE else draft.card_of_node[edge.source]
        if tensor == NONE:
            if source not in (NONE, maker):
                draft.give_back(draft.lane_for(maker, source, edge), edge.id)
            continue
        if source not in (NONE, tensor):
            draft.give_back(draft.lane_for(tensor, source, edge), edge.id)
        if maker != tensor:
            draft.give_back(_through(draft, maker, tensor, edge.value), edge.id)
    _add_meetings(draft)


def _add_meetings(draft: Draft) -> None:
    """Mark the tensors that have a gradient, and where several gradients meet."""
    edges_of: dict[int, list[int]] = {}
    for edge in draft.graph.edges:
        if edge.target != NONE:
            edges_of.setdefault(edge.value, []).append(edge.id)
    for place, card in enumerate(draft.cards):
        if card.kind == "tensor":
            edges = tuple(edges_of.get(card.ref, ()))
            draft.cards[place] = replace(card, backward=card.backward or bool(edges), meets=edges if len(edges) > 1 else ())
        elif card.kind == "leaf":
            draft.cards[place] = replace(card, meets=meeting(draft.graph, card))


def _through(draft: Draft, maker: int, tensor: int, value: int) -> int:
    pair = draft.lane_of_pair.get((maker, tensor), [])
    return pair[0] if pair else draft.add_lane(Lane(maker, tensor, value, forward=False, through=True))
