"""A step as a flow of quantities: each tensor once, with the op that makes it by its common name, and each gradient beside it.

What a custom Function computes is told by the ops inside it, and a gradient that is written out by hand is one with the Edge that
it stands for, so that a flow is the same in whatever way it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from ..leaves import leaves_of
from ..same import Same
from ..tape import index
from ..trace import NONE, Edge, Graph, Op, Shape
from .handed import handed
from .spelling import PASSING, Said, spelled

Kind = Literal["value", "gradient", "part"]


@dataclass(slots=True)
class Quantity:
    """One tensor. ``things`` are Values or Edges (of several the sum is meant); a ``part`` is inside of an op, and not recorded.

    ``op`` is the common name of the op that makes it, "" where it was there from the start; ``inputs`` are quantities.
    """

    kind: Kind
    things: tuple[int, ...]
    shape: Shape
    op: str = ""
    inputs: tuple[int, ...] = ()
    said: Said = ()
    learns: bool = False
    """Whether it is a leaf that requires grad."""
    of: int = NONE
    """Of a gradient the quantity whose gradient it is."""
    via: int = NONE
    """Of one of several gradients that meet: the quantity through whose op it came."""
    backward: int = 0


@dataclass(slots=True)
class Flow:
    """The quantities of a Graph."""

    quantities: list[Quantity] = field(default_factory=list)
    of_value: dict[int, int] = field(default_factory=dict)
    gradients: dict[int, list[int]] = field(default_factory=dict)
    """Per quantity its gradients, one for each backward."""
    contributions: dict[int, list[int]] = field(default_factory=dict)
    """Per quantity the gradients that meet there, where there are several."""
    updated: dict[int, int] = field(default_factory=dict)
    """Per leaf what the update makes of it."""
    losses: list[int] = field(default_factory=list)
    uses: list[list[tuple[int, int]]] = field(default_factory=list)
    """Per quantity where it is read: the quantity made of it, and its place among the inputs."""


def flow_of(graph: Graph) -> Flow:
    """The flow of a Graph (cached; not to be changed)."""
    return _flow(Same(graph))


@lru_cache(maxsize=16)
def _flow(key: Same[Graph]) -> Flow:
    return _Builder(key.thing).build()


class _Builder:
    """Makes a Flow: 1. which Value stands for which; 2. a quantity per Value and gradient; 3. the op of each; 4. who reads it."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.flow, self.look = graph, Flow(), index(graph)
        self.inside = _inside(graph)
        self.stands_for = {inner: outer for outer, inner in self.inside.items()}
        """Per Value inside of a custom Function the output that it is."""
        self.is_gradient: dict[int, tuple[int, int]] = {}
        """Per Value that holds a gradient the Value whose it is, and the backward."""

    def build(self) -> Flow:
        edges = self._edges_by_value()
        self._find_gradients(edges)
        for value in self.graph.values:
            if value.id not in self.stands_for and value.id not in self.is_gradient:
                self.flow.of_value[value.id] = self._add(
                    Quantity("value", (value.id,), value.shape, learns=value.op == NONE and value.requires_grad)
                )
        for (value_id, backward), found in edges.items():
            self._add_gradients(value_id, backward, found)
        for value_id, (of, backward) in self.is_gradient.items():
            totals = self.flow.gradients.get(self.flow.of_value.get(of, NONE), [])
            same = [one for one in totals if self.flow.quantities[one].backward == backward] or totals[-1:]
            if same:
                self.flow.of_value[value_id] = same[0]
            else:  # there is no such gradient after all
                self.flow.of_value[value_id] = self._add(
                    Quantity("value", (value_id,), self.graph.values[value_id].shape, learns=False)
                )
        self._add_ops()
        self._add_ends()
        return self.flow

    def _add(self, quantity: Quantity) -> int:
        self.flow.quantities.append(quantity)
        return len(self.flow.quantities) - 1

    # Gradients

    def _edges_by_value(self) -> dict[tuple[int, int], list[Edge]]:
        made = {edge for edges in self.look.edges_of_event for edge in edges}
        found: dict[tuple[int, int], list[Edge]] = {}
        for edge in self.graph.edges:
            if edge.value != NONE and edge.id in made and not edge.none:
                of = _last_of(self.stands_for, edge.value)
                found.setdefault((of, edge.backward), []).append(edge)
        return found

    def _find_gradients(self, edges: dict[tuple[int, int], list[Edge]]) -> None:
        for (value, backward), found in edges.items():
            ends = [edge.by for edge in found if edge.target == NONE and edge.by != NONE]
            by = ends or [edge.by for edge in found if edge.by != NONE]
            if len(set(by)) == 1:
                self.is_gradient[by[0]] = value, backward
        last = dict(edges.keys())
        for held in self.graph.values:
            if held.op == NONE and held.gradient_of in last:
                self.is_gradient[held.id] = held.gradient_of, last[held.gradient_of]
        for number, value in handed(self.graph):
            if value in last:
                self.is_gradient.setdefault(number, (value, last[value]))

    def _add_gradients(self, value: int, backward: int, edges: list[Edge]) -> None:
        of = self.flow.of_value.get(value, NONE)
        if of == NONE:
            return
        shape = self.graph.values[value].shape
        ends = [edge for edge in edges if edge.target == NONE]
        single = list({edge.by if edge.by != NONE else -2 - edge.id: edge for edge in edges if edge.target != NONE}.values())
        total = (ends[-1].id,) if ends else tuple(edge.id for edge in single)
        if not total:
            return
        one = self._add(Quantity("gradient", total, shape, of=of, backward=backward))
        self.flow.gradients.setdefault(of, []).append(one)
        if len(single) > 1:
            parts = [self._add(Quantity("gradient", (edge.id,), shape, of=of, via=self._via(edge))) for edge in single]
            self.flow.contributions.setdefault(of, []).extend(parts)

    def _via(self, edge: Edge) -> int:
        op = self.graph.nodes[edge.source].op if edge.source != NONE else NONE
        outputs = self.graph.ops[op].outputs if op != NONE else ()
        return self.flow.of_value.get(outputs[0], NONE) if outputs else NONE

    # Ops

    def _ref(self, value: int) -> int:
        """The quantity that an op reads when it reads a Value: what only passes on is looked through."""
        for _ in self.graph.values:
            value = _last_of(self.stands_for, value)
            made = self.graph.ops[self.graph.values[value].op] if self.graph.values[value].op != NONE else None
            if made is None or len(made.inputs) != 1 or value in self.is_gradient or value in self.inside:
                break
            if spelled(made, (self.graph.values[made.inputs[0]].shape,)).name not in PASSING:
                break
            value = made.inputs[0]
        return self.flow.of_value[_last_of(self.stands_for, value)]

    def _add_ops(self) -> None:
        for value in self.graph.values:
            quantity = self.flow.of_value.get(value.id, NONE)
            maker = self.graph.values[_last_of(self.inside, value.id)]
            if quantity == NONE or maker.op == NONE or self.flow.quantities[quantity].op:
                continue
            op = self.graph.ops[maker.op]
            self._define(quantity, op, maker.output)

    def _define(self, quantity: int, op: Op, output: int) -> None:
        made = self.flow.quantities[quantity]
        shapes = tuple(self.graph.values[value].shape for value in op.inputs)
        common = spelled(op, shapes)
        inputs = tuple(self._ref(value) for value in op.inputs)
        if common.parts and output == 0:
            self._define_parts(quantity, common.parts, inputs)
            return
        if common.name == "square":
            inputs = inputs[:1]
        made.op, made.inputs = common.name, inputs
        made.said = common.said if not output else (*common.said, ("output", output))

    def _define_parts(self, quantity: int, parts: tuple[Any, ...], inputs: tuple[int, ...]) -> None:
        """``add(mm(0, t(1)), 2)``: the outermost op makes the quantity, those inside of it make parts."""
        pending = [(quantity, parts)]
        while pending:
            at, (name, *terms) = pending.pop()
            made, found = self.flow.quantities[at], []
            for term in terms:
                if isinstance(term, int):
                    found.append(inputs[term])
                else:
                    found.append(self._add(Quantity("part", (), self._shape_of(term, inputs, made.shape))))
                    pending.append((found[-1], term))
            made.op, made.inputs = name, tuple(found)

    def _shape_of(self, term: tuple[Any, ...], inputs: tuple[int, ...], outer: Shape) -> Shape:
        """The shape of a part: that of the op around it, unless it is a transpose or below a sum."""
        if term[0] == "t":
            transposed: Shape = self.flow.quantities[inputs[term[1]]].shape[::-1]
            return transposed
        return self.flow.quantities[inputs[0]].shape if term[0] in ("square", "sub") else outer

    # Ends

    def _add_ends(self) -> None:
        flow = self.flow
        flow.uses = [[] for _ in flow.quantities]
        for number, quantity in enumerate(flow.quantities):
            for place, read in enumerate(quantity.inputs):
                flow.uses[read].append((number, place))
        losses = [event.ref for event in self.graph.events if event.kind == "loss"]
        flow.losses = [self._ref(value) for value in dict.fromkeys(losses)]
        leaves = leaves_of(self.graph)
        for leaf, written in zip(leaves.values.tolist(), leaves.written.tolist(), strict=True):
            if written != NONE and leaf in flow.of_value and written in flow.of_value:
                flow.updated[flow.of_value[leaf]] = flow.of_value[written]


def _last_of(leads_to: dict[int, int], value: int) -> int:
    """Where a chain ends that begins at a Value."""
    for _ in range(len(leads_to)):
        if value not in leads_to:
            break
        value = leads_to[value]
    return value


def _inside(graph: Graph) -> dict[int, int]:
    """Per output of a custom Function the Value inside of it that is the output: of the last op in it that makes such a shape."""
    made: dict[int, list[int]] = {}
    for op in graph.ops:
        if op.parent != NONE and op.phase in ("forward", "loss"):
            made.setdefault(op.parent, []).extend(op.outputs)
    found: dict[int, int] = {}
    for parent, values in made.items():
        if graph.ops[parent].custom:
            found.update(_outputs_inside(graph, graph.ops[parent], values))
    return found


def _outputs_inside(graph: Graph, custom: Op, values: list[int]) -> Iterator[tuple[int, int]]:
    left = [value for value in reversed(values) if value not in custom.outputs]
    for output in reversed(custom.outputs):
        same = [value for value in left if graph.values[value].shape == graph.values[output].shape]
        if same:
            left.remove(same[0])
            yield output, same[0]
