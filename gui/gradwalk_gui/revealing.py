"""From a View to one in which a thing shows as a card of its own: what holds it is unfolded. No Qt."""

from __future__ import annotations

from dataclasses import replace

from gradwalk.trace import NONE, Graph

from . import showing
from .folding import tree_of
from .graph.frames import up_from
from .state import Selection, View


def reveal(graph: Graph, view: View, selection: Selection) -> View:
    """The View with what holds a thing unfolded, looked into from outside, and nothing hidden where something was."""
    call = _module_of(graph, selection)
    around = list(up_from(graph, call))
    holders = around[1:] if selection.kind == "module" else around
    root = showing.call_at(graph, view.root)
    wanted = replace(
        view,
        folded=view.folded - {graph.modules[one].path for one in holders},
        opened=view.opened | _stacks(graph, view, around),
        root=view.root if root == NONE or root in holders else "",
        hidden=frozenset(),
        isolated=frozenset(),
    )
    return wanted if wanted.folded == view.folded else replace(wanted, auto_fold=False)


def _stacks(graph: Graph, view: View, calls: list[int]) -> set[str]:
    """The paths of the first calls of the stacks that some calls are in."""
    stack_of = tree_of(graph).stack_of
    firsts = {stack_of[call][0] for call in calls if call in stack_of} if view.stacked else set()
    return {graph.modules[first].path for first in firsts}


def _module_of(graph: Graph, selection: Selection) -> int:
    """The module call that a thing lies in, a module itself."""
    kind, ref = selection.kind, selection.id
    if kind == "module":
        return ref
    if kind == "edge":
        kind, ref = "node", graph.edges[ref].source
    if kind == "node" and ref != NONE:
        node = graph.nodes[ref]
        kind, ref = ("op", node.op) if node.op != NONE else ("value", node.leaf)
    if kind == "value" and ref != NONE:
        made = graph.values[ref].op
        ref = made if made != NONE else next((op.id for op in graph.ops if ref in op.inputs), NONE)
    return graph.ops[ref].module if ref != NONE else NONE
