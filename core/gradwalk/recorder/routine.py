"""A Routine: what a step of a known structure does, item by item, learned from one that went the slow way.

Values are called by their numbers in the Graph. A number is *external* if the step finds the tensor, *made* if an op of the step
makes it, a *successor* if a tensor of the step was written where no op showed it, and a *gradient* if a backward leaves it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..strides import is_contiguous
from ..trace import NONE, Strides, empty_table
from .assemble import Known
from .engine_plan import EnginePlan
from .kept import SMALL
from .masks import ATTENTION
from .numbering import Numbers
from .records import BackwardRecord, Held, OpRecord, Record, Slot
from .trail import Arrival, Chain, What

_SAME_ELEMENTS = frozenset(
    [
        "view",
        "reshape",
        "transpose",
        "t",
        "T",
        "mT",
        "permute",
        "unsqueeze",
        "squeeze",
        "flatten",
        "unflatten",
        "contiguous",
        "view_as",
        "reshape_as",
        "movedim",
        "moveaxis",
        "swapaxes",
        "swapdims",
        "adjoint",
        "detach",
        "clone",
        "ravel",
    ]
)
"""Ops whose result has the elements of its one input: its statistics are known."""
_EXTERNAL, _MADE, _SUCCESSOR, _GRADIENT = range(4)


class NotFollowable(Exception):  # noqa: N818  (it says what a step is, and is no error)
    """The step does something that only the slow way knows."""


class Item:
    """One arrival to come. Not every field is used by every kind."""

    __slots__ = (
        "access",
        "after",
        "arguments",
        "bases",
        "chain",
        "detail",
        "dtypes",
        "event",
        "function",
        "grads",
        "inputs",
        "keywords",
        "made",
        "masked",
        "opened",
        "owner",
        "plain",
        "position",
        "records",
        "same_as",
        "sequence",
        "shapes",
        "simple",
        "spec",
        "strides",
        "template",
        "updates",
        "what",
        "zeroes",
    )

    def __init__(self, position: int, arrival: Arrival) -> None:
        self.position = position
        self.what: What = arrival.what
        self.function: Any = arrival.function
        self.chain: Chain = arrival.chain
        self.spec: tuple[int, ...] | None = None
        """Per positional argument the number of its Value, or NONE; None where the tensors have to be looked for."""
        self.inputs: tuple[int, ...] = ()
        self.made: tuple[int, ...] = ()
        self.masked = 0
        """How many Nodes its op made, where one of them keeps the mask of a dropout."""
        self.bases: tuple[int, ...] = ()
        """Per Value made the one that it is the next version of, or NONE."""
        self.zeroes = False
        """Whether it zeroes gradients; ``inputs`` are then their leaves."""
        self.shapes: tuple[torch.Size, ...] = ()
        self.strides: tuple[Strides | None, ...] = ()
        """Per Value made its strides; None where it is contiguous, nothing where they are not known."""
        self.dtypes: tuple[torch.dtype, ...] = ()
        self.grads: tuple[bool, ...] = ()
        self.same_as = NONE
        """The input whose elements the one result has."""
        self.event = NONE
        """The place on the tape of its first event."""
        self.updates: tuple[tuple[int, int, int], ...] = ()
        """For an optimizer's step per parameter the old Value, its gradient (or NONE) and the new Value."""
        self.simple = False
        """Whether it is an op that makes new tensors, with its tensors among the positional arguments."""
        self.access = arrival.what in (What.GRAD_READ, What.GRAD_SET)
        """Whether it is that ``.grad`` of a tensor is read or set."""
        self.template = arrival
        first = arrival.records[0] if arrival.records else None
        self.sequence = first.first_sequence if isinstance(first, OpRecord) else 0
        """The sequence number at which its op began in the step that was learned."""
        self.opened = -1
        """For the beginning of a custom Function its serial number then."""
        self.keywords = arrival.keywords
        self.detail: Any = arrival.detail
        self.arguments: Held = None
        """Those of its op in the first step of the structure."""
        self.plain: tuple[Any, ...] = ()
        """The positional ones of these, as many as ``spec`` has."""
        self.records: Sequence[Record] = arrival.records
        self.owner: Any = None
        """For a backward its EnginePlan."""
        self.after: Item | None = None


class Routine:
    """The items of a step, and the Slots of the step that it was learned from: templates, which hold no tensor."""

    def __init__(self, known: Known, numbers: Numbers, arrivals: Sequence[Arrival], label: str, *, measured: bool) -> None:
        if not numbers.backwards:
            raise NotFollowable  # what ends a forward alone, only the slow way knows
        self.known = known
        self.key = known, arrivals[0].chain
        """The structure, and the place that its first call came from."""
        self.label = label
        self.backwards = len(numbers.backwards)
        self.slots = list(numbers.slots)
        self.bases = [numbers.slot(slot.base) for slot in self.slots]
        """Per Value the one that it is the next version of, or NONE: the templates forget theirs."""
        self.sorts = _sorts(numbers)
        self.measurable = [not measured or slot.measured is not None for slot in self.slots]
        """Per Value whether it may have statistics; in a step that was not measured that did not show."""
        self.successor_of = {n: base for n, base in enumerate(self.bases) if self.sorts[n] == _SUCCESSOR}
        self.shapes = known.shapes
        """The shapes that the Graph tells: those of a step are told where they differ."""
        self.waits: tuple[int, ...] = ()
        """The leaves whose gradients wait for an update in another step."""
        self.edges = len(numbers.edges)
        self.edge_of = {edge: index for index, (_, edge) in enumerate(numbers.edges)}
        self.base = next((record.first_sequence for record in numbers.ops if record.first_sequence), 0)
        self.values = len(known.graph.values)
        """How many Values there are: a parameter that nothing used stands behind those of ``slots``."""
        self.blank = empty_table(self.values + self.edges)
        """A statistics table in which nothing was counted, of the Values and then the edges."""
        self._room: tuple[int, int, int] | None = None
        self.closes = NONE
        """The item at whose arrival the step before ends; learned when it is first followed."""
        self.failures = 0
        self.items = [Item(position, arrival) for position, arrival in enumerate(arrivals)]
        self.events = _Learner(self, numbers).learn(arrivals)
        self._shorten_chains()
        for item, following in zip(self.items, self.items[1:], strict=False):
            item.after = following

    def _shorten_chains(self) -> None:
        """The frames around the step are looked at once, with the first item: they stay where they are while it runs."""
        around = self.items[0].chain
        for item in self.items[1:]:
            chain = item.chain
            same = 0
            while same < min(len(chain), len(around)) and chain[-1 - same] == around[-1 - same]:
                same += 1
            item.chain = chain[: max(len(chain) - same, 1)]

    def closed_by(self, position: int) -> None:
        """The step before ends when this item comes."""
        self.closes = position
        self.items[position].simple = False

    def room(self, floats: int) -> tuple[int, int]:
        """How many elements the step's small tensors have, and the largest of them, if they are to fit into ``floats``."""
        if self._room is None or self._room[0] != floats:
            shapes = [slot.shape for slot in self.slots]
            shapes += [edge.slot.shape if edge.slot is not None else edge.shape or () for edge in self.edge_of]
            total = most = 0
            for size in sorted(math.prod(shape) for shape in shapes):
                if total + size > floats or size > SMALL:
                    break
                total, most = total + size, size
            self._room = floats, total, most
        return self._room[1], self._room[2]

    def is_external(self, number: int) -> bool:
        """Whether the step finds this Value."""
        return self.sorts[number] == _EXTERNAL


def _sorts(numbers: Numbers) -> list[int]:
    made = {slot for op in numbers.ops for slot in op.outputs}
    backwards = {backward.serial for backward in numbers.backwards}
    sorts = []
    for slot in numbers.slots:
        if slot in made:
            sorts.append(_MADE)
        elif slot.gradient_of is not None:
            if slot.serial not in backwards or slot.gradient_of not in numbers.slots:
                raise NotFollowable
            sorts.append(_GRADIENT)
        elif slot.base is not None and slot.base in numbers.slots:
            sorts.append(_SUCCESSOR)
        else:
            sorts.append(_EXTERNAL)
    return sorts


class _Learner:
    """Fills in the items."""

    def __init__(self, routine: Routine, numbers: Numbers) -> None:
        self._routine = routine
        self._numbers = numbers
        self._events = 0
        self._edges = 0

    def learn(self, arrivals: Sequence[Arrival]) -> int:
        """How many events the step has."""
        for item, arrival in zip(self._routine.items, arrivals, strict=True):
            item.event = self._events
            if item.what is What.BACKWARD:
                self._learn_backward(item)
            elif item.what in (What.OP, What.CLOSE):
                self._learn_op(item, arrival)
            elif item.what is What.OPEN:
                opened, slots = arrival.detail.began
                item.opened, item.inputs = opened, tuple([self._numbers.slots[slot] for slot in slots])
            else:
                self._learn_updates(item)
            self._events += sum(_events_of(record) for record in item.records)
        return self._events

    def _learn_op(self, item: Item, arrival: Arrival) -> None:
        if not item.records:
            return
        numbers = self._numbers.slots
        ops = [record for record in item.records if isinstance(record, OpRecord)]
        if all(record.update and record.name == "zero_grad" for record in ops):
            item.zeroes, item.inputs = True, tuple([numbers[record.inputs[0]] for record in ops])
            return
        record = ops[0]
        if len(item.records) > 1 or not record.outputs:
            raise NotFollowable
        item.arguments = self._routine.known.arguments[self._numbers.op_of[record.serial]]
        item.inputs = tuple([numbers[slot] for slot in record.inputs])
        item.made = tuple([numbers[slot] for slot in record.outputs])
        if record.mask is not None and record.name in ATTENTION:  # of recurrent layers there are too many Nodes to look at
            item.masked = record.last_sequence - record.first_sequence
        item.bases = tuple([self._base_of(slot, item.inputs) for slot in record.outputs])
        item.shapes = tuple([torch.Size(self._routine.shapes[number]) for number in item.made])
        item.strides = tuple([self._lies(number) for number in item.made])
        item.dtypes = tuple([getattr(torch, slot.dtype) for slot in record.outputs])
        item.grads = tuple([slot.requires_grad for slot in record.outputs])
        if len(item.inputs) == len(item.made) == 1 and record.name in _SAME_ELEMENTS and item.bases == (NONE,):
            item.same_as = item.inputs[0]
        if arrival.spec is not None and sum(arrival.spec) == len(item.inputs):
            found = iter(item.inputs)
            item.spec = tuple([next(found) if tensor else NONE for tensor in arrival.spec])
            item.plain = tuple(item.arguments[0]) if item.arguments is not None else (None,) * len(item.spec)
            item.simple = (
                len(item.plain) == len(item.spec) and item.what is What.OP and not any(base != NONE for base in item.bases)
            )

    def _lies(self, number: int) -> Strides | None:
        shape, strides = self._routine.shapes[number], self._routine.known.strides[number]
        if strides is None:
            return ()
        return None if is_contiguous(shape, strides) else strides

    def _base_of(self, slot: Slot, inputs: Sequence[int]) -> int:
        if not slot.written:
            return NONE
        base = self._numbers.slots.get(slot.base, NONE) if slot.base is not None else NONE
        if base not in inputs:
            raise NotFollowable
        return base

    def _learn_backward(self, item: Item) -> None:
        record = item.records[0] if item.records else None
        if not item.detail.followable or not isinstance(record, BackwardRecord):
            raise NotFollowable
        if record.scale is not None or record.inside:
            raise NotFollowable  # the factor of a GradScaler, and what runs inside a backward
        found = item.detail.walk
        self._edges = next(i for i, (_, edge) in enumerate(self._numbers.edges) if edge is record.seeds[0])
        item.owner = EnginePlan(found, record, self._edges, self._numbers.slots, self._routine.base, self._routine.shapes)
        item.made = (self._numbers.slots[record.loss],)

    def _learn_updates(self, item: Item) -> None:
        """An optimizer's step writes leaves; a gradient that is dropped is told by its leaf."""
        numbers = self._numbers.slots
        ops = [record for record in item.records if isinstance(record, OpRecord)]
        item.inputs = tuple([numbers[record.inputs[0]] for record in ops])
        if item.what is What.OPTIMIZER:
            item.updates = tuple([self._update(record) for record in ops])
            item.bases = tuple([old for old, _, _ in item.updates])

    def _update(self, record: OpRecord) -> tuple[int, int, int]:
        numbers = self._numbers.slots
        gradient = numbers[record.inputs[1]] if len(record.inputs) > 1 else NONE
        return numbers[record.inputs[0]], gradient, numbers[record.outputs[0]]


def _events_of(record: Record) -> int:
    return 1 if isinstance(record, OpRecord) else 1 + len(record.ran)
