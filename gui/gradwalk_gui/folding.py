"""Which module calls are drawn as one card: at first, to a depth, and equal ones together. Functions over a Graph; no Qt.

A *stack* is a run of equal sibling calls, such as the twelve layers of a transformer, that can be drawn as one card.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from gradwalk.blocks import successions
from gradwalk.trace import NONE, Graph

from .structure import Structure

LEAST, MOST = 30, 80
"""How many cards a graph shows at first: levels of modules are unfolded until it is the one, and never more than the other."""
_KEPT = 16


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The module calls of a Graph; index -1 of every list is the level above them all.

    ``own`` counts the cards that stand directly in a call, ``children`` are its calls, ``depth`` counts the calls around one.
    """

    own: list[int]
    children: list[list[int]]
    depth: list[int]
    stacks: tuple[tuple[int, ...], ...]
    stack_of: dict[int, tuple[int, ...]] = field(default_factory=dict)


def tree_of(graph: Graph) -> Tree:
    """The module calls of a Graph (cached)."""
    return _tree(Structure(graph))


@lru_cache(maxsize=_KEPT)
def _tree(structure: Structure) -> Tree:
    graph = structure.graph
    calls = len(graph.modules)
    tree = Tree([0] * (calls + 1), [[] for _ in range(calls + 1)], [0] * (calls + 1), successions(graph))
    tree.depth[NONE] = NONE
    for call in graph.modules:
        tree.children[call.parent].append(call.id)
        tree.depth[call.id] = tree.depth[call.parent] + 1
    seen: set[int] = set()
    for op in graph.ops:
        if op.parent == NONE and op.phase in ("forward", "loss"):
            pills = {value for value in op.inputs if graph.values[value].op == NONE} - seen
            seen |= pills
            tree.own[op.module] += 1 + len(pills)
    for stack in tree.stacks:
        tree.stack_of.update(dict.fromkeys(stack, stack))
    return tree


def all_folds(graph: Graph) -> frozenset[str]:
    """Every module folded."""
    return frozenset(call.path for call in graph.modules)


def folds_to_depth(graph: Graph, depth: int) -> frozenset[str]:
    """The folds that leave ``depth`` levels of modules open."""
    tree = tree_of(graph)
    return frozenset(call.path for call in graph.modules if tree.depth[call.id] >= depth)


def deepest(graph: Graph) -> int:
    """How many levels of modules there are."""
    return max(tree_of(graph).depth, default=NONE) + 1


def default_folds(graph: Graph, root: int = NONE, *, most: int = MOST) -> frozenset[str]:
    """The folds with which 30 to ``most`` cards show: none if all do, else level by level, those of one class alike.

    A stack stays one card. ``root`` is the call that is looked into (what is outside of it is folded); NONE for the whole graph.
    """
    return _default_folds(Structure(graph), root, most)


@lru_cache(maxsize=_KEPT)
def _default_folds(structure: Structure, root: int, most: int) -> frozenset[str]:
    graph = structure.graph
    tree = tree_of(graph)
    folded, outside = set(_within(tree, root)), _outside(graph, root)
    if tree.own[root] + sum(tree.own[call] for call in folded) <= most:
        return outside
    level = tree.children[root]
    shown = tree.own[root] + _cards(tree, level)
    while level and shown < LEAST:
        below: list[int] = []
        for alike in _alike(graph, level):
            more = sum(tree.own[call] + _cards(tree, tree.children[call]) - 1 for call in alike)
            if shown + more <= most:
                shown += more
                folded.difference_update(alike)
                below += [inner for call in alike for inner in tree.children[call]]
        level = below
    return outside | {graph.modules[call].path for call in folded}


def _outside(graph: Graph, root: int) -> frozenset[str]:
    """The paths of the calls that neither hold a call nor lie in it."""
    inside = {root, *_within(tree_of(graph), root)}
    call = root
    while call != NONE:
        inside.add(call)
        call = graph.modules[call].parent
    return frozenset(call.path for call in graph.modules if call.id not in inside) if root != NONE else frozenset()


def calls_within(graph: Graph, root: int = NONE) -> Iterable[int]:
    """All calls inside a call, or all calls."""
    return _within(tree_of(graph), root)


def _within(tree: Tree, root: int) -> Iterable[int]:
    waiting = list(tree.children[root])
    while waiting:
        call = waiting.pop()
        yield call
        waiting += tree.children[call]


def _cards(tree: Tree, calls: Iterable[int]) -> int:
    """How many cards calls make while they are folded."""
    return len({tree.stack_of.get(call, (call,))[0] for call in calls})


def _alike(graph: Graph, calls: Iterable[int]) -> list[list[int]]:
    """The calls that are not in a stack, those of one class together."""
    tree = tree_of(graph)
    groups: dict[str, list[int]] = {}
    for call in calls:
        if call not in tree.stack_of:
            groups.setdefault(graph.modules[call].kind, []).append(call)
    return list(groups.values())
