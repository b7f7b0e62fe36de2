"""Following a backward: the Nodes are walked along the plan, and one thin hook stands at each gradient's arrival.

The hooks are dictionaries of Tensor hooks, made once per plan and lent to the Nodes of every step: Nodes die with their step.
AccumulateGrad takes none of these; it needs one only where a leaf has a gradient already, else what arrived is its ``.grad``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch.autograd.graph import Node

from ..trace import NONE
from .engine_plan import EnginePlan, LeafEnd, Spot, walk_again
from .hooks import of_tensor
from .records import BackwardRecord
from .routine import Item
from .running import Column, Running
from .state import State, clock
from .updates import gradient_slot

Hook = Callable[[Any], None]


class Lost(Protocol):
    """Takes what arrives in a backward that does not run as planned."""

    record: BackwardRecord

    def arrived(self, spot: Spot, gradient: Any, first: bool) -> None:
        """A gradient has come to an input of a Node."""
        ...

    def ended(self) -> None:
        """The backward has ended."""
        ...


class Cell:
    """Where the hooks of a plan find the run that is under way."""

    __slots__ = ("run",)

    def __init__(self) -> None:
        self.run: EngineRun | None = None


class Lent:
    """The hooks of a plan."""

    def __init__(self, plan: EnginePlan) -> None:
        self.cell = Cell()
        most = max((spot.input_nr for spots in plan.spots for spot in spots), default=0) + 1
        self.carriers: list[tuple[int, torch.Tensor]] = []
        """The places, each with a tensor whose hooks are lent to the Node there."""
        for place, spots in enumerate(plan.spots):
            spots = [] if place in plan.leaves else spots
            outputs = _carriers(most) if spots else ()
            row = [outputs[spot.input_nr] for spot in spots]
            for first, (carrier, spot) in enumerate(zip(row, spots, strict=True)):
                carrier._backward_hooks = {0: _hook(self.cell, spot, first=first == 0)}
                self.carriers.append((place, carrier))


def _carriers(count: int) -> tuple[torch.Tensor, ...]:
    """Tensors that are the first, second ... output of a Node: the hooks of the n-th are called for a Node's n-th input."""
    with torch.enable_grad():
        return torch.zeros(count, requires_grad=True).mul(1).unbind()


def _hook(cell: Cell, spot: Spot, *, first: bool) -> Hook:
    place, looked_at, none = spot.place, spot.column != NONE, spot.none

    def arrived(gradient: Any) -> None:
        run = cell.run
        if run is None:
            return
        at = run.at
        if (
            run.lost is not None
            or (first and (at >= run.count or run.order[at] != place))
            or (looked_at and (gradient is None) is not none)
        ):
            run.arrived(spot, gradient, first)
            return
        if first:
            run.begins[run.indices[at]] = clock()
            run.at = at + 1
        if looked_at and run.measuring and gradient is not None:
            run.look(spot, gradient)

    return arrived


class EngineRun:
    """A backward under way that follows its plan."""

    def __init__(self, state: State, running: Running, item: Item, nodes: list[Node]) -> None:
        self.state, self.running, self.item = state, running, item
        self.plan: EnginePlan = item.owner
        self.nodes = nodes
        state.disturbed = False
        self.at = 0
        """How many of the Nodes that are watched have run."""
        self.lost: Lost | None = None
        """What is done with what arrives, once the plan does not hold any more."""
        self.begins = running.begins
        self._event = item.event + 1
        self.measuring = running.measuring
        self._same_sizes = not running.shapes
        self._pointers: dict[int, int] = {}
        """Where the gradients that came lay, by edge."""
        self._handles: list[Any] = []
        self.hooks_are_known = all([self._knows_hooks(end) for end in self.plan.leaves.values()])  # noqa: C419
        """Whether the leaves have the hooks that they had in the step that was learned."""
        self._fresh = frozenset([place for place, end in self.plan.leaves.items() if self._is_fresh(end)])
        self.order, self.indices = self.plan.watched(self._fresh, self._event)
        self.count = len(self.order)

    def _is_fresh(self, end: LeafEnd) -> bool:
        """Whether the leaf has no gradient yet, or one that is zero: what arrives will be its gradient."""
        leaf = self.running.refs[end.leaf]()
        if leaf is None or leaf.grad is None:
            return leaf is not None
        before = self.state.values.find(leaf.grad)
        return before is not None and before.zeroed

    def _knows_hooks(self, end: LeafEnd) -> bool:
        leaf, known = self.running.refs[end.leaf](), self.running.routine.slots[end.leaf].hooks
        return leaf is None or of_tensor(leaf) == known

    def hook(self, lent: Lent) -> None:
        """Lend the hooks to the Nodes."""
        nodes = self.nodes
        for place, carrier in lent.carriers:
            nodes[place]._register_hook_dict(carrier)
        for place in self.plan.leaves:
            if place not in self._fresh:
                self._handles.append(self.nodes[place].register_prehook(self._reached(place)))
        if self.measuring:
            for place, edges in self.plan.several.items():
                if not (self._same_sizes and all(alias != NONE for _, _, alias in edges)):
                    self._handles.append(self.nodes[place].register_hook(self._left(edges)))
        lent.cell.run = self

    def _reached(self, place: int) -> Callable[..., None]:
        spot = self.plan.spots[place][0]

        def reached(gradients: tuple[Any, ...]) -> None:
            self.arrived(spot, gradients[0], True)

        return reached

    def _left(self, edges: Sequence[tuple[int, int, int]]) -> Callable[..., None]:
        def left(grad_inputs: tuple[Any, ...], grad_outputs: tuple[Any, ...]) -> None:
            self.state.guarded(self._note_left, edges, grad_inputs)

        return left

    def _note_left(self, edges: Sequence[tuple[int, int, int]], grad_inputs: tuple[Any, ...]) -> None:
        for output, edge, alias in edges:
            gradient = grad_inputs[output]
            if gradient is not None and not (alias != NONE and self._same_sizes):
                self.running.look(self.running.edges + edge, gradient)

    def arrived(self, spot: Spot, gradient: Any, first: bool) -> None:
        """A gradient has come to an input of a Node, which runs next."""
        try:
            if self.lost is not None:
                self.lost.arrived(spot, gradient, first)
                return
            if spot.column != NONE and (gradient is None) is not spot.none:
                self._lose(spot, gradient, first)
                return
            if first:
                at = self.at
                if at >= len(self.order) or self.order[at] != spot.place:
                    self._lose(spot, gradient, True)
                    return
                self.begins[self.indices[at]] = clock()
                self.at = at + 1
            if self.measuring and gradient is not None and spot.column != NONE:
                self.look(spot, gradient)
        except Exception as fault:
            self.state.fault(fault)

    def _lose(self, spot: Spot, gradient: Any, first: bool) -> None:
        self.state.guarded(self.lose)
        if self.lost is not None:
            self.lost.arrived(spot, gradient, first)

    def lose(self) -> None:
        """The plan does not hold any more."""
        if self.lost is None and self.state.lead is not None:
            self.state.lead.lose(self)

    def look(self, spot: Spot, gradient: torch.Tensor) -> None:
        """Measure and keep a gradient."""
        try:
            running = self.running
            column = running.edges + spot.column
            if self._passed_on(spot, gradient):
                running.keep(column, gradient)
            else:
                running.look(column, gradient)
        except Exception as fault:
            self.state.fault(fault)

    def _passed_on(self, spot: Spot, gradient: torch.Tensor) -> bool:
        """Whether the Node before only passed its own gradient on; a hook of the user's may have put another in its place."""
        try:
            pointer = self._pointers[spot.column] = gradient.data_ptr()
        except RuntimeError:
            return False
        if spot.alias == NONE or not self._same_sizes or self._pointers.get(spot.alias) != pointer:
            return False
        self.running.same_as(self.running.edges + spot.column, self.running.edges + spot.alias)
        return True

    def unhook(self) -> None:
        """The backward has ended."""
        with contextlib.suppress(Exception):
            cell = self.plan.lent.cell
            if cell.run is self:
                cell.run = None
            for handle in self._handles:
                handle.remove()
            self._handles.clear()
            self.nodes = []

    def ended(self, begin: float, end: float) -> bool:
        """Note the times and the leaves' gradients; False where not all Nodes ran."""
        running, plan = self.running, self.plan
        if self.at != len(self.order) or self.state.disturbed:
            return False
        self._note_times(begin, end)
        if self.measuring and self._same_sizes:
            for edges in plan.several.values():
                for _, edge, alias in edges:
                    if alias != NONE:
                        running.same_as(running.edges + edge, running.edges + alias)
        noted = True
        for place, leaf in plan.leaves.items():
            noted = self._note_leaf(place, leaf) and noted
        return noted

    def _note_times(self, begin: float, end: float) -> None:
        """A Node ends where the next one begins; a leaf that is not watched takes no time of its own."""
        event, begins, durations = self._event, self.begins, self.running.durations
        begins[event - 1] = begin
        last = event + len(self.plan.order) - 1
        for index in range(last, event - 1, -1):
            at = begins[index]
            if at:
                durations[index] = end - at
                end = at
            else:
                begins[index] = end

    def _note_leaf(self, place: int, end: LeafEnd) -> bool:
        running = self.running
        leaf = running.refs[end.leaf]()
        gradient = None if leaf is None else leaf.grad
        if leaf is None or gradient is None:
            return end.none
        if end.none and place in self._fresh:
            return False
        if self.measuring:
            self._measure_leaf(place, end, leaf, gradient)
        slot = gradient_slot(self.state, leaf, gradient)
        running.gradients.append(slot)
        if end.gradient != NONE:
            running.refs[end.gradient], running.versions[end.gradient] = slot.reference or running.refs[0], gradient._version
            running.held[end.gradient] = slot
            if slot.strides != running.routine.known.strides[end.gradient]:
                running.routine.known.note_strides(end.gradient, slot, running.strides)
            if self.measuring:
                slot.measured = Column(running, end.gradient)
        return True

    def _measure_leaf(self, place: int, end: LeafEnd, leaf: torch.Tensor, gradient: torch.Tensor) -> None:
        running = self.running
        own = running.edges + end.edge
        fresh = place in self._fresh and end.arriving != NONE
        alias = self.plan.spots[place][0].alias if fresh and self._same_sizes and not leaf._backward_hooks else NONE
        if alias == NONE:
            running.look(own, gradient)
        else:
            running.same_as(own, running.edges + alias)
            running.keep(own, gradient)
        if fresh:
            running.same_as(running.edges + end.arriving, own)
        if end.gradient != NONE:
            running.same_as(end.gradient, own)


def begin_run(state: State, running: Running, item: Item, roots: Sequence[tuple[Node | None, int]]) -> EngineRun | None:
    """The run of a backward from these roots, if its graph is that of the plan and its leaves have the same hooks."""
    nodes = walk_again(item.owner, [node for node, _ in roots], running.sequence)
    if nodes is None:
        return None
    run = EngineRun(state, running, item, nodes)
    if not run.hooks_are_known:
        return None
    if item.owner.lent is None:
        item.owner.lent = Lent(item.owner)
    run.hook(item.owner.lent)
    return run
