"""What a thing of a Graph is called in every Graph that has it: for finding it again in a step of another structure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

from .leaves import leaves_of
from .same import Same
from .tape import index
from .trace import NONE, Edge, Graph, Node, Op, Value

Kind: TypeAlias = Literal["op", "node", "value", "edge", "module"]


@dataclass(frozen=True, slots=True)
class Columns:
    """What to read of a thing: columns of the statistics of Values or of gradients; of several the largest counts."""

    table: Literal["values", "gradients"]
    things: tuple[int, ...]


@dataclass(slots=True)
class _Names:
    """Paths of one kind; those that are equal are numbered."""

    of: list[str] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    _times: Counter[str] = field(default_factory=Counter)

    def add(self, path: str) -> None:
        unique = path
        while unique in self.ids:
            self._times[path] += 1
            unique = f"{path} #{self._times[path] + 1}"
        self.ids[unique] = len(self.of)
        self.of.append(unique)


def path_of(graph: Graph, kind: Kind, thing: int) -> str:
    """The path of a thing by its id: of an op its module, its name and its variable, of a leaf its name; always unique."""
    return _paths(Same(graph))[kind].of[thing]


def id_of(graph: Graph, kind: Kind, path: str) -> int:
    """The id of the thing with a path, or NONE where the Graph has no such thing."""
    return _paths(Same(graph))[kind].ids.get(path, NONE)


def columns_of(graph: Graph, kind: Kind, thing: int) -> Columns | None:
    """Where the statistics of a thing stand in the tables of a Graph, or None where it has none (cached).

    Of an op its first output; of a Node the gradients that it gives on, or where it gives none those that it gets; of a module
    the gradients of the parameters inside.
    """
    return _columns(Same(graph), kind, thing)


@lru_cache(maxsize=256)
def _columns(key: Same[Graph], kind: Kind, thing: int) -> Columns | None:
    graph = key.thing
    if kind == "value":
        return Columns("values", (thing,))
    if kind == "op":
        outputs = graph.ops[thing].outputs
        return Columns("values", outputs[:1]) if outputs else None
    edges = (thing,) if kind == "edge" else _edges_of_node(graph, thing) if kind == "node" else _edges_inside(graph, thing)
    return Columns("gradients", edges) if edges else None


def _edges_of_node(graph: Graph, node: int) -> tuple[int, ...]:
    look = index(graph)
    given = tuple(edge for edge in look.edges_from[node] if not graph.edges[edge].none)
    return given or look.edges_into[node]


def _edges_inside(graph: Graph, module: int) -> tuple[int, ...]:
    """The edges whose gradients are those of the parameters that ops inside a module call read."""
    inside = {module}
    for call in graph.modules:
        if call.parent in inside:
            inside.add(call.id)
    leaves, read = leaves_of(graph), {value for op in graph.ops if op.module in inside for value in op.inputs}
    pairs = zip(leaves.values.tolist(), leaves.edges.tolist(), strict=True)
    return tuple(edge for value, edge in pairs if edge != NONE and value in read)


@lru_cache(maxsize=16)
def _paths(key: Same[Graph]) -> dict[Kind, _Names]:
    graph = key.thing
    made: dict[Kind, _Names] = {kind: _Names() for kind in ("op", "value", "node", "edge", "module")}
    for module in graph.modules:
        made["module"].add(module.path)
    for op in graph.ops:
        made["op"].add(_op_path(graph, op))
    for value in graph.values:
        made["value"].add(_value_path(value, made))
    for node in graph.nodes:
        made["node"].add(_node_path(node, made))
    for edge in graph.edges:
        made["edge"].add(_edge_path(edge, made))
    return made


def _op_path(graph: Graph, op: Op) -> str:
    module = graph.modules[op.module].path if op.module != NONE else ""
    return f"{op.phase}:{module}/{op.name} {op.variable}".rstrip()


def _value_path(value: Value, made: dict[Kind, _Names]) -> str:
    if value.op != NONE:
        return f"({made['op'].of[value.op]}) -> {value.output}"
    return value.name or value.role


def _node_path(node: Node, made: dict[Kind, _Names]) -> str:
    if node.leaf != NONE:
        return f"{node.name} of ({made['value'].of[node.leaf]})"
    return f"{node.name} of ({made['op'].of[node.op]})" if node.op != NONE else node.name


def _edge_path(edge: Edge, made: dict[Kind, _Names]) -> str:
    source = f"({made['node'].of[edge.source]}) {edge.output}" if edge.source != NONE else "seed"
    target = f"({made['node'].of[edge.target]}) {edge.input_nr}" if edge.target != NONE else "grad"
    value = made["value"].of[edge.value] if edge.value != NONE else ""
    return f"{source} -> {target} of ({value}) @{edge.backward}"
