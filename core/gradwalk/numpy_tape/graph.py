"""The Graph of a pass: its ops as they ran, and for the picture the Nodes and Edges of its hand-written backward.

Every forward op between the leaves and the loss has a Node, and so has every leaf. An Edge is drawn only where the script has
written down a gradient: from the op that used a value to the one that made it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..builder import GraphBuilder
from ..trace import NONE, Graph, Role
from .flow import Flow
from .records import OpRecord, Slot
from .roles import Roles
from .words import words

LEAF_NODE = "gradient (by hand)"


def number(records: Sequence[OpRecord]) -> dict[Slot, int]:
    """The id of every value, in order of appearance."""
    found: dict[Slot, int] = {}
    for record in records:
        for slot in record.inputs:
            found.setdefault(slot, len(found))
        for slot in record.outputs:
            found.setdefault(slot, len(found))
    return found


def build_graph(flow: Flow, roles: Roles, values: dict[Slot, int], graph_id: int) -> Graph:
    """The Graph. Ops have the ids of their indices."""
    build = GraphBuilder()
    trained = _trained(flow, roles)
    for slot in values:
        _add_value(build, flow, roles, values, slot, slot in trained)
    for index, record in enumerate(flow.records):
        build.add_op(
            record.name,
            tuple(values[slot] for slot in record.inputs),
            tuple(values[slot] for slot in record.outputs),
            phase=roles.phases[index],
            arguments=words(record),
            site=build.add_site(record.place.site),
            variable=record.variable,
        )
        build.add_event("update" if index in roles.updates else "op", roles.phases[index], index)
        if roles.loss is not None and flow.made[roles.loss] == index:
            build.add_event("loss", "loss", values[roles.loss])
    _Backward(build, flow, roles, values).add()
    return build.freeze(graph_id)


def _trained(flow: Flow, roles: Roles) -> set[Slot]:
    """The values that a gradient could reach: the leaves and what forward makes of them."""
    found = set(roles.leaves) | set(roles.gradient_of.values())
    for index, record in enumerate(flow.records):
        if roles.phases[index] == "forward" and any(slot in found for slot in record.inputs):
            found.update(slot for slot in record.outputs if slot.dtype.startswith(("float", "complex")))
    return found


def _add_value(build: GraphBuilder, flow: Flow, roles: Roles, values: dict[Slot, int], slot: Slot, trained: bool) -> None:
    role: Role = "leaf" if slot in roles.leaves else "input"
    base = _base(flow, roles, slot)
    version = 0
    while base is not None and base in values:
        version += 1
        base = _base(flow, roles, base)
    base = _base(flow, roles, slot)
    of = roles.gradient_of.get(slot)
    build.add_value(
        slot.shape,
        slot.dtype,
        name=slot.name,
        role=role,
        requires_grad=trained,
        version=version,
        base=values.get(base, NONE) if base is not None else NONE,
        gradient_of=values.get(of, NONE) if of is not None else NONE,
        strides=slot.strides,
    )


def _base(flow: Flow, roles: Roles, slot: Slot) -> Slot | None:
    """The version before: of what was written in place, and of a leaf that was updated into a new array."""
    op = flow.made.get(slot)
    if op is not None and op in roles.updates and flow.records[op].rebound is not None:
        return flow.records[op].rebound
    return slot.base if op is not None else None


class _Backward:
    """Adds the Nodes and Edges."""

    def __init__(self, build: GraphBuilder, flow: Flow, roles: Roles, values: dict[Slot, int]) -> None:
        self._build, self._flow, self._roles, self._values = build, flow, roles, values
        self._last: dict[Slot, Slot] = {of: gradient for gradient, of in roles.gradient_of.items()}
        self._path = set(roles.path)
        self._nodes: dict[int, int] = {}
        self._leaf_nodes: dict[Slot, int] = {}

    def add(self) -> None:
        """Nodes in the order of a backward pass, edges in the order in which their gradients came."""
        for sequence, op in reversed(list(enumerate(self._roles.path))):
            name = f"{self._flow.records[op].name} (by hand)"
            self._nodes[op] = self._build.add_node(name, op=op, sequence=sequence)
        for leaf in self._roles.leaves:
            self._leaf_nodes[leaf] = self._build.add_node(LEAF_NODE, leaf=self._values[leaf])
        for of, gradient in sorted(self._last.items(), key=lambda pair: self._flow.made[pair[1]]):
            self._add_edges(of, gradient)

    def _add_edges(self, of: Slot, gradient: Slot) -> None:
        target = self._leaf_nodes.get(of, self._nodes.get(self._flow.made.get(of, NONE), NONE))
        if target == NONE:
            return
        value, by = self._values[of], self._values[gradient]
        user = self._user(of, gradient)
        if user is not None:
            output = self._flow.records[user].inputs.index(of)
            self._build.add_edge(self._nodes[user], target, output=output, value=value, by=by)
        elif of is self._roles.loss:
            self._build.add_edge(NONE, target, value=value, by=by)
        if of in self._leaf_nodes:
            self._build.add_edge(target, NONE, value=value, by=by)

    def _user(self, of: Slot, gradient: Slot) -> int | None:
        """The op that hands the gradient back: of several that use the value one whose own gradient went into this one.

        Else one that keeps its shape (in ``s - s.max()`` the difference, not the maximum).
        """
        users = [op for op in self._flow.readers.get(of, ()) if op in self._path]
        if len(users) > 1:
            sources = self._flow.up_from([gradient])
            users = [op for op in users if self._came_through(op, sources)] or users
            users = [op for op in users if any(slot.shape == of.shape for slot in self._flow.records[op].outputs)] or users
        return users[0] if users else None

    def _came_through(self, op: int, sources: set[int]) -> bool:
        """Whether the gradient of an op's result, or of the next value that has one, is among what the ``sources`` made."""
        waiting, seen = [op], {op}
        while waiting:
            for slot in self._flow.records[waiting.pop()].outputs:
                if slot in self._last:
                    if self._flow.made[self._last[slot]] in sources:
                        return True
                    continue
                more = [reader for reader in self._flow.readers.get(slot, ()) if reader in self._path and reader not in seen]
                seen.update(more)
                waiting += more
        return False
