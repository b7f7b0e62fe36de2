"""From one View to the next: fold, unfold, look into a module. Functions over a Graph and a View; no Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from gradwalk.trace import NONE, Graph

from . import folding

if TYPE_CHECKING:
    from .state import View


def settled(view: View, graph: Graph) -> View:
    """The View as it is for a Graph: without a root that it lacks, folded as at first where that is asked for."""
    root = call_at(graph, view.root)
    if view.root and root == NONE:
        view = replace(view, root="")
    if view.auto_fold:
        view = replace(view, folded=folding.default_folds(graph, root))
    return view


def call_at(graph: Graph, path: str) -> int:
    """The first call of the module at ``path``, or NONE."""
    return next((call.id for call in graph.modules if path and call.path == path), NONE)


def fold(graph: Graph, view: View, path: str) -> View:
    """Fold the module at ``path``, or unfold it; a stack's card becomes its calls, one by one."""
    stack = _stack(graph, view, path)
    if stack:
        return replace(view, opened=view.opened | {stack})
    return replace(view, folded=view.folded ^ {path}, auto_fold=False)


def unfold_at(graph: Graph, view: View, path: str) -> View:
    """Unfold the module at ``path``; a stack's card becomes its calls, one by one."""
    return fold(graph, view, path) if path in view.folded else view


def fold_at(graph: Graph, view: View, path: str) -> View:
    """Fold the module at ``path``; where it is folded, put it back into its stack, else fold what is around it."""
    if path not in view.folded:
        return replace(view, folded=view.folded | {path}, auto_fold=False)
    opened = _first_of_stack(graph, path)
    if view.stacked and opened in view.opened:
        return replace(view, opened=view.opened - {opened})
    around = above(graph, path)
    return replace(view, folded=view.folded | {around}, auto_fold=False) if around else view


def to_depth(graph: Graph, view: View, depth: int) -> View:
    """Leave ``depth`` levels of modules open, counted from what is looked into."""
    root = call_at(graph, view.root)
    inside = folding.tree_of(graph).depth[root] + 1 if root != NONE else 0
    return replace(view, folded=folding.folds_to_depth(graph, depth + inside), auto_fold=False, opened=frozenset())


def depth_of(graph: Graph, view: View) -> int:
    """How many levels of modules are open everywhere, counted from what is looked into."""
    tree, root = folding.tree_of(graph), call_at(graph, view.root)
    closed = [tree.depth[call] for call in folding.calls_within(graph, root) if graph.modules[call].path in view.folded]
    inside = tree.depth[root] + 1 if root != NONE else 0
    return (min(closed) if closed else folding.deepest(graph)) - inside


def dive(graph: Graph, view: View, path: str) -> View:
    """Look into the module at ``path``; "" for the whole graph. It and what is around it are unfolded."""
    call = call_at(graph, path)
    around = {graph.modules[one].path for one in _up(graph, call)}
    return replace(view, root=path if call != NONE else "", folded=view.folded - around)


def above(graph: Graph, path: str) -> str:
    """The path of the call around the one at ``path``, or ""."""
    call = call_at(graph, path)
    around = graph.modules[call].parent if call != NONE else NONE
    return graph.modules[around].path if around != NONE else ""


def _up(graph: Graph, call: int) -> Iterable[int]:
    while call != NONE:
        yield call
        call = graph.modules[call].parent


def _stack(graph: Graph, view: View, path: str) -> str:
    """The path of the first call of the stack in whose card the module at ``path`` is drawn, or ""."""
    first = _first_of_stack(graph, path)
    closed = view.stacked and first not in view.opened
    stack = folding.tree_of(graph).stack_of.get(call_at(graph, first), ())
    return first if closed and stack and all(graph.modules[call].path in view.folded for call in stack) else ""


def _first_of_stack(graph: Graph, path: str) -> str:
    stack = folding.tree_of(graph).stack_of.get(call_at(graph, path), ())
    return graph.modules[stack[0]].path if stack else ""
