"""What the things of a Graph are called, for finding them: modules, ops, parameters and inputs, Nodes. No Qt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from gradwalk.tape import label_of
from gradwalk.trace import NONE, Graph

from .state import Selection
from .structure import Structure


@dataclass(frozen=True, slots=True)
class Name:
    """One thing: what it is called, what it is, and the path of the module that it lies in (a module's: its own)."""

    selection: Selection
    title: str
    kind: str
    path: str = ""

    @property
    def text(self) -> str:
        """All of it, in small letters."""
        return f"{self.title} {self.path} {self.kind}".lower()


def names_of(graph: Graph) -> tuple[Name, ...]:
    """The names of a Graph (cached): modules, then ops and parameters, then Nodes, each as they ran."""
    return _names(Structure(graph))


@lru_cache(maxsize=4)
def _names(structure: Structure) -> tuple[Name, ...]:
    graph = structure.graph
    return (*_modules(graph), *_forward(graph), *_nodes(graph))


def _modules(graph: Graph) -> Iterator[Name]:
    for module in graph.modules:
        yield Name(Selection("module", module.id), module.path or module.kind, module.kind, module.path)


def _forward(graph: Graph) -> Iterator[Name]:
    seen: set[int] = set()
    for op in graph.ops:
        if op.phase not in ("forward", "loss"):
            continue
        path = graph.modules[op.module].path if op.module != NONE else ""
        for value in op.inputs:
            there = graph.values[value]
            if there.op == NONE and there.gradient_of == NONE and value not in seen:
                seen.add(value)
                yield Name(Selection("value", value), label_of(there), "parameter" if there.role == "leaf" else there.role, path)
        title = f"{op.name} {op.variable}".rstrip()
        yield Name(Selection("op", op.id), title, "function" if op.custom else "op", path)


def _nodes(graph: Graph) -> Iterator[Name]:
    for node in graph.nodes:
        op = graph.ops[node.op] if node.op != NONE else None
        path = graph.modules[op.module].path if op is not None and op.module != NONE else ""
        if node.leaf == NONE:
            yield Name(Selection("node", node.id), node.name, "Node", path)


def matches(names: Iterable[Name], text: str) -> list[Name]:
    """The things whose title, path and kind hold every word of ``text``, and whose title holds one of them."""
    words = text.lower().split()
    if not words:
        return []
    found = (name for name in names if any(word in name.title.lower() for word in words))
    return [name for name in found if all(word in name.text for word in words)]


def best(names: Iterable[Name], text: str, most: int = 200) -> list[Name]:
    """The things whose name has the letters of ``text`` in their order, best first; of an empty text the first ones."""
    names = tuple(names)
    query = "".join(text.lower().split())
    if not query:
        return list(names[:most])
    in_order = re.compile(".*?".join(map(re.escape, query)))
    ranked = []
    for place, name in enumerate(names):
        title = name.title.lower()
        if in_order.search(title):
            ranked.append((_cost(title, query), place))
        elif in_order.search(name.text):
            ranked.append((_cost(name.text, query) + 1_000, place))
    return [names[place] for _, place in sorted(ranked)[:most]]


def _cost(text: str, query: str) -> int:
    """Less is better: in one piece, at the beginning of a word, in a short name; else by the length of the gaps."""
    at = text.find(query)
    if at >= 0:
        begins = at == 0 or not text[at - 1].isalnum()
        return (0 if text == query else 10 if begins else 60) + min(len(text), 40)
    return 150 + _gaps(text, query) + min(len(text), 40)


def _gaps(text: str, query: str) -> int:
    """How many letters are passed over after the first; a letter that begins a word costs nothing."""
    at, passed = text.find(query[0]), 0
    for letter in query[1:]:
        following = text.find(letter, at + 1)
        if following < 0:
            break
        if text[following - 1].isalnum():
            passed += following - at - 1
        at = following
    return passed


def name_of(graph: Graph, selection: Selection) -> str:
    """What a thing is called, for the clipboard: a module's path, a parameter's whole name, an op with its module."""
    kind, ref = selection.kind, selection.id
    if kind == "edge":
        value = graph.edges[ref].value
        kind, ref = ("value", value) if value != NONE else ("node", graph.edges[ref].source)
    if kind == "value":
        return label_of(graph.values[ref])
    if kind == "module":
        return graph.modules[ref].path or graph.modules[ref].kind
    if kind == "node":
        return graph.nodes[ref].name
    op = graph.ops[ref]
    path = graph.modules[op.module].path if op.module != NONE else ""
    return f"{path}.{op.name}" if path else op.name
