"""The outline: module calls with their ops and parameters, as a tree of plain items."""

from __future__ import annotations

from dataclasses import dataclass

from gradwalk.tape import label_of
from gradwalk.trace import NONE, Graph, Op, Value

from ..graph.frames import short_name
from ..numbers import shape_text
from ..state import Selection


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the outline. ``path`` is set for modules: what folding knows them by."""

    selection: Selection
    name: str
    detail: str
    kind: str
    parent: int = NONE
    """Index of the item above it in the list, or NONE."""
    path: str = ""


def items_of(graph: Graph) -> list[Item]:
    """The outline from top to bottom: every parent before its children.

    Inside a module call: its parameters, then its calls and ops in the order in which they ran. What belongs to no module
    stands at the top: inputs and leaves first. The ops in the forward of a custom Function stand under it.
    """
    made: list[Item] = []
    place: dict[int, int] = {NONE: NONE}
    ops: dict[int, int] = {}
    homes = _homes(graph)
    at_home: dict[int, list[int]] = {}
    for value, home in homes.items():
        at_home.setdefault(home, []).append(value)
    made += [_leaf(value, NONE) for value in graph.values if _stands_alone(value) and homes.get(value.id, NONE) == NONE]
    for thing in _in_order(graph):
        if isinstance(thing, Op):
            ops[thing.id] = len(made)
            made.append(_op(graph, thing, ops.get(thing.parent, place.get(thing.module, NONE))))
            continue
        call = graph.modules[thing]
        place[thing] = len(made)
        made.append(Item(Selection("module", thing), call.name, call.kind, "module", place.get(call.parent, NONE), call.path))
        made += [_leaf(graph.values[value], place[thing]) for value in at_home.get(thing, ())]
    return made


def _stands_alone(value: Value) -> bool:
    return value.role != "result" and value.gradient_of == NONE and value.version == 0


def _in_order(graph: Graph) -> list[int | Op]:
    """Module calls (by id) and forward ops in the order in which they ran; a call comes before its first op."""
    seen: set[int] = set()
    order: list[int | Op] = []
    for op in graph.ops:
        if op.phase != "forward":
            continue
        for call in reversed(_above(graph, op.module)):
            if call not in seen:
                seen.add(call)
                order.append(call)
        order.append(op)
    return order


def _above(graph: Graph, module: int) -> list[int]:
    calls = []
    while module != NONE and module not in calls:
        calls.append(module)
        module = graph.modules[module].parent
    return calls


def _homes(graph: Graph) -> dict[int, int]:
    """The module call that each leaf, and each buffer by its name, belongs to: where its first reader ran."""
    homes: dict[int, int] = {}
    for op in graph.ops:
        if op.phase == "forward":
            for value in op.inputs:
                if graph.values[value].role == "leaf" or _is_buffer(graph, value, op.module):
                    homes.setdefault(value, op.module)
    return homes


def _is_buffer(graph: Graph, value: int, module: int) -> bool:
    """Whether an input bears the name of a module call, as ``bn1.running_mean`` that of ``net.bn1``."""
    of = graph.values[value]
    bears = of.role == "input" and module != NONE
    return bears and short_name(of.name, graph.modules[module].path) != of.name


def _leaf(value: Value, parent: int) -> Item:
    return Item(Selection("value", value.id), label_of(value), shape_text(value.shape), value.role, parent)


def _op(graph: Graph, op: Op, parent: int) -> Item:
    shape = shape_text(graph.values[op.outputs[0]].shape) if op.outputs else ""
    name = f"{op.name} {op.variable}".rstrip()
    return Item(Selection("op", op.id), name, shape, "custom" if op.custom else "op", parent)


def places_of(items: list[Item]) -> dict[Selection, int]:
    """The place of each item by what it selects."""
    return {item.selection: place for place, item in enumerate(items)}


def place_for(graph: Graph, places: dict[Selection, int], selection: Selection | None) -> int:
    """The place of a selection's item: a Node's is its op or leaf, a result's its op, an edge's the Value's; else NONE."""
    if selection is None:
        return NONE
    wanted = [selection]
    if selection.kind == "edge":
        value = graph.edges[selection.id].value
        wanted = [Selection("value", value)] if value != NONE else []
    if selection.kind == "node":
        node = graph.nodes[selection.id]
        wanted = [Selection("op", node.op)] if node.op != NONE else [Selection("value", node.leaf)]
    wanted += [Selection("op", graph.values[w.id].op) for w in wanted if w.kind == "value" and w.id != NONE]
    return next((places[w] for w in wanted if w in places), NONE)
