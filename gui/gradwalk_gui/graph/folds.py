"""Which card a module call is drawn in: its own, that of a folded one around it, or that of a stack of equal ones. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from gradwalk.trace import NONE, Graph

from ..folding import tree_of
from ..state import View


@dataclass(frozen=True, slots=True)
class Folds:
    """Per module call, and at -1 for none: ``cells`` has the outermost folded call that holds it (or is it), or NONE;
    ``cards`` the call whose card that one is drawn in: itself, or the first of its stack.
    """

    cells: list[int]
    cards: list[int]
    stacks: dict[int, tuple[int, ...]]
    """The stacks that are drawn as one card, by their first calls."""

    def of(self, module: int) -> int:
        """The call in whose card a module call is drawn, or NONE."""
        return self.cards[module]


def folds_of(graph: Graph, view: View) -> Folds:
    """The folds of a Graph in a View."""
    calls = len(graph.modules)
    cells, cards = [NONE] * (calls + 1), [NONE] * (calls + 1)
    if not view.folded:
        return Folds(cells, cards, {})
    stacks = _closed_stacks(graph, view)
    first_of = {call: first for first, stack in stacks.items() for call in stack}
    for call in graph.modules:  # a call's children have greater ids than it has
        around = cells[call.parent]
        cells[call.id] = around if around != NONE else call.id if call.path in view.folded else NONE
        cards[call.id] = first_of.get(cells[call.id], cells[call.id])
    return Folds(cells, cards, stacks)


def _closed_stacks(graph: Graph, view: View) -> dict[int, tuple[int, ...]]:
    if not view.stacked:
        return {}
    modules = graph.modules
    return {
        stack[0]: stack
        for stack in tree_of(graph).stacks
        if modules[stack[0]].path not in view.opened and all(modules[call].path in view.folded for call in stack)
    }
