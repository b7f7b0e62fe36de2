"""The picture with ops as cards: a forward op and its backward Nodes share one; leaves, inputs and the loss are pills. No Qt."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from gradwalk.layout.cancel import Check, never, watched
from gradwalk.tape import index, label_of
from gradwalk.trace import NONE, Graph

from ..structure import Structure
from .category import category_of
from .draft import Draft
from .folds import Folds
from .frames import common_module, short_name, shown_op, up_from
from .noise import is_view
from .parts import Card, Lane


def draw_ops(graph: Graph, folds: Folds, *, skip_views: bool = False, check: Check = never) -> Draft:
    """Cards and lanes of a Graph, ops as cards."""
    draft = Draft(graph, folds, skip_views)
    for op in watched(graph.ops, check):
        if op.parent == NONE and op.phase in ("forward", "loss"):
            _add_op(draft, op.id)
    for op in watched(graph.ops, check):
        if op.id in draft.card_of_op and op.parent == NONE:
            _add_lanes_into(draft, op.id)
    _add_losses(draft)
    draft.close_cards()
    check()
    add_nodes(draft)
    add_gradients(draft, check)
    return draft


def _add_op(draft: Draft, op: int) -> None:
    graph, module = draft.graph, draft.graph.ops[op].module
    nodes = draft.index.nodes_of_op[op]
    if draft.folds.of(module) != NONE:
        place = draft.module_card(module)
        draft.put(place, (op,), nodes, module)
    elif (into := _skipped_into(draft, op)) is not None:
        place = into
        draft.put(place, (op,), nodes)
        draft.contents[place].skipped.append(op)
    else:
        place = draft.add_card(op_card(graph, op), module)
    draft.card_of_op[op] = place


def _skipped_into(draft: Draft, op: int) -> int | None:
    """The card of the op whose result ``op`` is only a view of, where views are not drawn."""
    inputs = draft.graph.ops[op].inputs
    if not draft.skip_views or len(inputs) != 1 or not is_view(draft.graph.ops[op]):
        return None
    return maker_of(draft, inputs[0])


def op_card(graph: Graph, op_id: int) -> Card:
    """The card of one op."""
    op, nodes = graph.ops[op_id], index(graph).nodes_of_op[op_id]
    return Card(
        kind="op",
        ref=op_id,
        title=op.name,
        note=op.variable,
        under=" · ".join(dict.fromkeys(graph.nodes[node].name for node in nodes)),
        category="other" if op.custom else category_of(op.name),
        ops=(op_id,),
        values=op.outputs,
        nodes=nodes,
    )


def _add_lanes_into(draft: Draft, op: int) -> None:
    target = draft.card_of_op[op]
    inputs = draft.graph.ops[op].inputs
    for value in inputs if draft.cards[target].kind == "op" else dict.fromkeys(inputs):
        source = maker_of(draft, value)
        if source is None:
            source = _pill(draft, value, op)
        if source in (target, NONE):
            continue
        known = draft.lane_of_pair.get((source, target), [])
        if draft.cards[target].kind == "module" and any(draft.lanes[lane].value == value for lane in known):
            continue
        draft.add_lane(Lane(source, target, value, op))


def maker_of(draft: Draft, value: int) -> int | None:
    """The card of the op that made a Value, or None where no drawn op did."""
    op = shown_op(draft.graph, draft.graph.values[value].op)
    return draft.card_of_op.get(op) if op != NONE else None


def _pill(draft: Draft, value: int, reader: int) -> int:
    """The pill of a leaf or an input; NONE for a parameter or buffer that only one folded module reads."""
    if value in draft.card_of_value:
        return draft.card_of_value[value]
    graph, (modules, module) = draft.graph, _homes(Structure(draft.graph))[value]
    folds = {draft.folds.of(call) for call in modules}
    fold = draft.folds.of(module)
    if len(folds) == 1 and NONE not in folds and (is_leaf(graph, value) or fold in folds):
        node = draft.index.node_of_leaf.get(value)
        draft.card_of_value[value] = NONE
        if node is not None:
            draft.put(draft.card_of_op[reader], nodes=(node,), module=modules[0])
        return NONE
    module = graph.modules[fold].parent if fold != NONE else module
    draft.card_of_value[value] = draft.add_card(value_card(graph, value), module)
    return draft.card_of_value[value]


@lru_cache(maxsize=8)
def _homes(structure: Structure) -> dict[int, tuple[tuple[int, ...], int]]:
    """Per leaf and input the module calls of the forward ops that read it, and the call that it belongs to."""
    graph, homes = structure.graph, {}
    for value in graph.values:
        maker = shown_op(graph, value.op)
        if maker != NONE and graph.ops[maker].phase in ("forward", "loss"):
            continue
        readers = [op for op in index(graph).consumers[value.id] if graph.ops[shown_op(graph, op)].phase in ("forward", "loss")]
        if readers:
            homes[value.id] = tuple(graph.ops[op].module for op in readers), home_of(graph, value.id, readers)
    return homes


def is_leaf(graph: Graph, value: int) -> bool:
    """Whether a Value is a leaf that takes a gradient."""
    return graph.values[value].role == "leaf" or value in index(graph).node_of_leaf


def home_of(graph: Graph, value: int, readers: list[int]) -> int:
    """The module call that a leaf or an input belongs to: where its readers are (leaves), or whose name it bears (buffers)."""
    common = common_module(graph, (graph.ops[op].module for op in readers))
    if is_leaf(graph, value):
        return common
    name = graph.values[value].name
    return next((call for call in up_from(graph, common) if short_name(name, graph.modules[call].path) != name), NONE)


def value_card(graph: Graph, value: int) -> Card:
    """The pill of a leaf or of an input."""
    if not is_leaf(graph, value):
        return Card("input", value, label_of(graph.values[value]), category="input", values=(value,), backward=False)
    node = index(graph).node_of_leaf.get(value)
    nodes = () if node is None else (node,)
    return Card("leaf", value, label_of(graph.values[value]), under=".grad", category="leaf", values=(value,), nodes=nodes)


def _add_losses(draft: Draft) -> None:
    for event in draft.graph.events:
        if event.kind != "loss" or event.ref in draft.card_of_value:
            continue
        maker = maker_of(draft, event.ref)
        if maker is None:
            continue
        draft.card_of_value[event.ref] = draft.add_card(loss_card(draft.graph, event.ref))
        draft.add_lane(Lane(maker, draft.card_of_value[event.ref], event.ref, loss=True))


def loss_card(graph: Graph, value: int) -> Card:
    """The pill of the loss."""
    return Card("loss", value, graph.values[value].name or "loss", category="loss", values=(value,), backward=False)


def add_nodes(draft: Draft) -> None:
    """Find every Node's card; a Node that belongs to no drawn op and no drawn leaf gets one of its own."""
    for place, card in enumerate(draft.cards):
        draft.card_of_node.update(dict.fromkeys(card.nodes, place))
    for node in draft.graph.nodes:
        if node.id in draft.card_of_node:
            continue
        op = shown_op(draft.graph, node.op)
        if op in draft.card_of_op:
            _join(draft, draft.card_of_op[op], node.id)
            continue
        name = f"{node.name} {label_of(draft.graph.values[node.leaf])}" if node.leaf != NONE else node.name
        card = Card("node", node.id, "", under=name, nodes=(node.id,), forward=False)
        draft.card_of_node[node.id] = draft.add_card(card)


def _join(draft: Draft, place: int, node: int) -> None:
    card = draft.cards[place]
    name = draft.graph.nodes[node].name
    under = (
        card.under if card.kind == "module" or name in card.under.split(" · ") else " · ".join(filter(None, (card.under, name)))
    )
    draft.cards[place] = replace(card, nodes=(*card.nodes, node), under=under)
    draft.card_of_node[node] = place


def add_gradients(draft: Draft, check: Check) -> None:
    """Put every gradient edge that goes from one card to another on its lane, and mark where several meet."""
    for edge in watched(draft.graph.edges, check):
        if edge.target == NONE:
            continue
        target = draft.card_of_node[edge.target]
        source = draft.card_of_value.get(edge.value, NONE) if edge.source == NONE else draft.card_of_node[edge.source]
        if source not in (NONE, target):
            draft.give_back(draft.lane_for(target, source, edge), edge.id)
    for place, card in enumerate(draft.cards):
        meets = meeting(draft.graph, card)
        if meets:
            draft.cards[place] = replace(card, meets=meets)


def meeting(graph: Graph, card: Card) -> tuple[int, ...]:
    """The first gradients that are added up before a Node of the card takes them, or ()."""
    if card.kind == "module":
        return ()
    look = index(graph)
    for node in card.nodes:
        groups: dict[tuple[int, int], list[int]] = {}
        for edge in look.edges_into[node]:
            key = (graph.edges[edge].input_nr, graph.edges[edge].backward)
            groups.setdefault(key, []).append(edge)
        for group in groups.values():
            if len(group) > 1:
                return tuple(group)
    return ()
