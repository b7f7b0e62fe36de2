"""The ids of the things of one step, in order of first appearance, and the signature by which a known structure is found.

This runs once per step over every record: loops are plain on purpose.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from ..trace import NONE
from .order import flat
from .pending import nodes_of
from .records import BackwardRecord, Call, EdgeRecord, NodeRecord, OpRecord, Record, Slot


class Numbers:
    """Ids of Values, ops, module calls, Nodes and edges. ``pending``: with the Nodes of a step that had no backward yet;
    ``ahead``: those of the records that are the next step's.
    """

    def __init__(self, records: Sequence[Record], *, pending: bool = False, ahead: Iterable[Record] = ()) -> None:
        self.records = records
        self.ahead = frozenset([record.serial for record in ahead])
        everything = flat(records)
        self.ops = [record for record in everything if isinstance(record, OpRecord)]
        self.backwards = [record for record in everything if isinstance(record, BackwardRecord)]
        self.parents: dict[int, int] = {}
        """The ids of the custom Functions and regions, by the serial number at which they began."""
        if any([op.opened >= 0 for op in self.ops]):  # noqa: C419  (a list is faster)
            self.ops.sort(key=lambda op: op.opened if op.opened >= 0 else op.serial)
            self.parents = {op.opened: index for index, op in enumerate(self.ops) if op.opened >= 0}
        self.op_of = {op.serial: index for index, op in enumerate(self.ops)}
        self.slots: dict[Slot, int] = {}
        self.calls: dict[Call, int] = {}
        self.nodes: list[NodeRecord] = []
        self.node_ids: list[Sequence[int]] = []
        """Per backward, the id of each Node of its walk."""
        self.edges: list[tuple[int, EdgeRecord]] = []
        """``(which backward, edge)``."""
        self.signature = self._number()
        if pending and not self.backwards:
            self.nodes = nodes_of(self.ops)
            self.signature = self.signature, tuple([(node.sequence, tuple(node.saved)) for node in self.nodes])
        if self.ahead:
            self.signature = self.signature, tuple([op.serial in self.ahead for op in self.ops])

    def slot(self, slot: Slot | None) -> int:
        """The Value's id, or NONE."""
        return NONE if slot is None else self.slots.get(slot, NONE)

    def owner(self, node: NodeRecord) -> int:
        """The id of the op that made a Node, or NONE."""
        return NONE if node.owner is None else self.op_of.get(node.owner.serial, NONE)

    def _number(self) -> Hashable:
        """Give every thing its id. What is given back hashes fast and has no sizes, no versions, no texts of arguments."""
        ops = tuple([self._number_op(op) for op in self.ops])
        backwards = tuple([self._number_backward(which, backward) for which, backward in enumerate(self.backwards)])
        values = tuple([self._signature_of(slot) for slot in self.slots])
        calls = tuple(
            [(call.path, call.kind, call.hooks, NONE if call.parent is None else self.calls[call.parent]) for call in self.calls]
        )
        order = tuple([isinstance(record, OpRecord) for record in self.records])
        return ops, backwards, values, calls, order

    def _number_op(self, op: OpRecord) -> Hashable:
        slots, call = self.slots, op.call
        for slot in op.inputs:
            if slot not in slots:
                slots[slot] = len(slots)
        for slot in op.outputs:
            if slot not in slots:
                slots[slot] = len(slots)
        if call is not None and call not in self.calls:
            self._number_call(call)
        return (
            op.name,
            op.place,
            op.variable,
            op.update,
            op.makes_graph,
            op.tags,
            NONE if op.parent < 0 else self.parents.get(op.parent, NONE),
            NONE if call is None else self.calls[call],
            tuple([slots[slot] for slot in op.inputs]),
            tuple([slots[slot] for slot in op.outputs]),
        )

    def _number_call(self, call: Call | None) -> None:
        chain: list[Call] = []
        while call is not None and call not in self.calls:
            chain.append(call)
            call = call.parent
        for outer in reversed(chain):
            self.calls[outer] = len(self.calls)

    def _number_backward(self, which: int, backward: BackwardRecord) -> Hashable:
        slots = self.slots
        for slot in (backward.loss, *[node.leaf for node in backward.nodes if node.leaf is not None]):
            if slot not in slots:
                slots[slot] = len(slots)
        self._number_nodes(backward)
        edges = [*backward.seeds, *[edge for node in backward.nodes for edge in node.edges]]
        self.edges += [(which, edge) for edge in edges]
        return (
            slots[backward.loss],
            tuple([(node.name, self.owner(node), self.slot(node.leaf), node.hooks) for node in backward.nodes]),
            tuple([(edge.source, edge.output, edge.target, edge.input_nr, self.slot(edge.slot), edge.none) for edge in edges]),
            tuple([place for place, _, _ in backward.ran]),
            tuple([(before, isinstance(inner, OpRecord)) for before, inner in backward.inside]),
        )

    def _number_nodes(self, backward: BackwardRecord) -> None:
        """A Node that several backwards of the step run is one Node."""
        if not self.nodes:
            self.nodes = list(backward.nodes)
            self.node_ids.append(range(len(self.nodes)))
            return
        known = {_key(node): index for index, node in enumerate(self.nodes)}
        ids: list[int] = []
        for node in backward.nodes:
            index = known.get(_key(node))
            if index is None:
                index = known[_key(node)] = len(self.nodes)
                self.nodes.append(node)
            ids.append(index)
        self.node_ids.append(ids)

    def _signature_of(self, slot: Slot) -> Hashable:
        base, of = slot.base, slot.gradient_of
        ids = (NONE, NONE) if base is None and of is None else (self.slot(base), self.slot(of))
        return slot.name, len(slot.shape), slot.dtype, slot.device, slot.requires_grad, slot.layout, slot.hooks, ids


def _key(node: NodeRecord) -> Hashable:
    return node.leaf if node.leaf is not None else (node.sequence, node.name)


def slots_of(record: Record) -> Iterable[Slot]:
    """The Values that a record touches."""
    if isinstance(record, OpRecord):
        return record.inputs + record.outputs
    inside = [slot for _, inner in record.inside for slot in slots_of(inner)]
    return (record.loss, *[node.leaf for node in record.nodes if node.leaf is not None], *inside)
