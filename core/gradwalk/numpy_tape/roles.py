"""What the ops and values of a pass are to the training: leaves, the loss, gradients written by hand, the update.

The rules, in order: 1. *candidates* are outside arrays that are read and later written (or whose name is given to ``w - ...``);
2. the *loss* is the scalar of that name, else one that is printed, else the last; 3. forward ends with it; 4. *leaves* are the
candidates read in forward; 5. a later value called ``grad_h`` is the *gradient* of the ``h`` of the same shape; 6. what remains
is backward or update by where it leads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ..trace import Phase
from .flow import Flow
from .names import base_name, gradient_bases, loss_rank
from .places import Place
from .records import SHAPE_ONLY, OpRecord, Slot


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles in a pass; ops by their index."""

    loss: Slot | None
    leaves: tuple[Slot, ...]
    gradient_of: dict[Slot, Slot]
    """Per gradient (every version of it) the forward value."""
    phases: tuple[Phase, ...]
    updates: frozenset[int]
    """The ops that write a leaf."""
    path: tuple[int, ...]
    """The forward ops between leaves and loss."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An outside array that op ``op`` writes, and which op ``read`` (of another statement) read first."""

    slot: Slot
    read: int
    op: int


def find_roles(flow: Flow, printed: Collection[Place], loss: Slot | None = None) -> Roles:
    """The roles; ``printed`` are the places whose scalars have been printed, ``loss`` is given where the script said so."""
    candidates = _candidates(flow)
    named = _first_gradients(flow)
    slots = {candidate.slot for candidate in candidates}
    ends = [candidate.op for candidate in candidates] + [op for op, of in named if of in slots]
    barrier = min(ends, default=len(flow.records))
    if loss is None or loss not in flow.made:
        loss = _find_loss(flow, printed, barrier, min((op for op, _ in named), default=barrier))
    split = _split(flow, loss, barrier, named, candidates)
    leaves = tuple(dict.fromkeys(c.slot for c in candidates if c.read <= split < c.op))
    gradient_of = gradients_after(flow, split)
    updates = frozenset(_updates(flow, leaves, split))
    phases = _Phases(flow, split, loss, leaves, gradient_of, updates).all()
    return Roles(loss, leaves, gradient_of, phases, updates, path_of(flow, phases, loss, leaves, gradient_of))


def _candidates(flow: Flow) -> list[_Candidate]:
    reads: dict[int, list[int]] = {}
    found: list[_Candidate] = []
    for index, record in enumerate(flow.records):
        for old in _written(record):
            first = flow.first_version(old)
            statement = record.place.statement
            read = next((op for op in reads.get(id(first.storage), ()) if flow.records[op].place.statement != statement), None)
            if read is not None and flow.is_outside(first):
                found.append(_Candidate(first, read, index))
        for slot in record.inputs if record.name not in SHAPE_ONLY else ():
            reads.setdefault(id(slot.storage), []).append(index)
    return found


def _written(record: OpRecord) -> list[Slot]:
    """The values whose place an op's results take."""
    return [old for old, _ in record.writes] + ([record.rebound] if record.rebound is not None else [])


def _first_gradients(flow: Flow) -> list[tuple[int, Slot]]:
    """Ops whose result is called like the gradient of an earlier value of the same shape, with that value."""
    known = _by_name(flow.outside())
    found: list[tuple[int, Slot]] = []
    for index, record in enumerate(flow.records):
        for slot in record.outputs:
            of = _named_after(slot, known)
            if of is not None:
                found.append((index, of))
        known.update(_by_name(record.outputs))
    return found


def _named_after(slot: Slot, known: dict[str, Slot]) -> Slot | None:
    """The value of the same shape whose gradient this one is by one of its names; ``dw`` is also the gradient of ``W``."""
    bases = [base for name in _names(slot) for base in gradient_bases(name)]
    if not bases:
        return None
    alike = {name.lower(): value for name, value in known.items() if value.shape == slot.shape}
    exact = (known[base] for base in bases if base in known and known[base].shape == slot.shape)
    return next(exact, None) or next((alike[base.lower()] for base in bases if base.lower() in alike), None)


def _names(slot: Slot) -> tuple[str, ...]:
    return slot.aliases or ((slot.name,) if slot.name else ())


def _by_name(slots: Iterable[Slot]) -> dict[str, Slot]:
    """The values by their names; the last one has a name that several have."""
    return {base_name(name): slot for slot in slots for name in _names(slot)}


def _find_loss(flow: Flow, printed: Collection[Place], barrier: int, first_gradient: int) -> Slot | None:
    scalars = [slot for record in flow.records for slot in record.outputs if slot.shape == () and slot.dtype.startswith("float")]
    ranks = {slot: loss_rank(slot.name) for slot in scalars}
    best = max(ranks.values(), default=0)
    if best:
        called = [slot for slot in scalars if ranks[slot] == best]
        early = [slot for slot in called if flow.made[slot] < barrier]
        return (early or called)[-1]
    early = [slot for slot in scalars if flow.made[slot] < first_gradient]
    shown = [slot for slot in early if flow.records[flow.made[slot]].place in printed]
    unread = [slot for slot in early if slot not in flow.readers]
    return next((group[-1] for group in (shown, unread, early) if group), None)


def _split(flow: Flow, loss: Slot | None, barrier: int, named: list[tuple[int, Slot]], candidates: list[_Candidate]) -> int:
    """The last op of the forward."""
    if loss is not None and flow.made[loss] < barrier:
        return flow.made[loss]
    starts = [op for op, _ in named] or [candidate.op for candidate in candidates]
    return flow.begin_of_statement(min(starts)) - 1 if starts else len(flow.records) - 1


def gradients_after(flow: Flow, split: int) -> dict[Slot, Slot]:
    """Per value after the forward that is called like a gradient, whose it is; the first name found for a gradient stays it."""
    known = _by_name(flow.outside())
    for record in flow.records[: split + 1]:
        known.update(_by_name(record.outputs))
    found: dict[Slot, Slot] = {}
    names: dict[Slot, str] = {}
    for record in flow.records[split + 1 :]:
        for slot in record.outputs:
            of = _named_after(slot, known)
            if of is not None and names.setdefault(of, slot.name) == slot.name:
                found[slot] = of
    return found


def _updates(flow: Flow, leaves: tuple[Slot, ...], split: int) -> list[int]:
    return [
        index
        for index, record in enumerate(flow.records)
        if index > split and (record.counted or any(flow.first_version(old) in leaves for old in _written(record)))
    ]


class _Phases:
    """Sorts ops into forward, backward and update."""

    def __init__(
        self,
        flow: Flow,
        split: int,
        loss: Slot | None,
        leaves: tuple[Slot, ...],
        gradient_of: dict[Slot, Slot],
        updates: frozenset[int],
    ) -> None:
        self._flow, self._split, self._updates = flow, split, updates
        gradients = {flow.made[slot] for slot in gradient_of}
        self._backward = gradients | self._above(gradients)
        self._leads = self._above(updates)
        self._past = flow.down_from(slot for slot, of in gradient_of.items() if of in leaves)
        self._to_loss = flow.up_from([loss]) if loss is not None else set()
        self._trains = bool(gradients or updates)

    def all(self) -> tuple[Phase, ...]:
        """The phase of every op."""
        records = self._flow.records
        phases = [self._phase(index, record) for index, record in enumerate(records)]
        while True:
            statements = {records[index].place.statement for index, phase in enumerate(phases) if phase == "update"}
            more = [i for i, phase in enumerate(phases) if phase == "backward" and self._joins(i, statements)]
            if not more:
                return tuple(phases)
            for index in more:
                phases[index] = "update"

    def _phase(self, index: int, record: OpRecord) -> Phase:
        if index in self._updates:
            return "update"
        if index <= self._split:
            return "forward"
        if index in self._backward:
            return "backward"
        if index in self._leads:
            return "update" if index in self._past or self._writes_state(record) else "backward"
        return "forward" if index in self._to_loss or (self._trains and index not in self._past) else "backward"

    def _writes_state(self, record: OpRecord) -> bool:
        return any(self._flow.is_outside(self._flow.first_version(old)) for old in _written(record))

    def _joins(self, index: int, statements: set[tuple[object, ...]]) -> bool:
        """Whether an op computes a part of a statement of the update."""
        return index in self._leads and index not in self._backward and self._flow.records[index].place.statement in statements

    def _above(self, ops: Collection[int]) -> set[int]:
        return self._flow.up_from(slot for op in ops for slot in self._flow.records[op].inputs)


def path_of(
    flow: Flow, phases: tuple[Phase, ...], loss: Slot | None, leaves: tuple[Slot, ...], gradient_of: dict[Slot, Slot]
) -> tuple[int, ...]:
    """The forward ops between leaves and loss."""
    forward = {index for index, phase in enumerate(phases) if phase == "forward"}
    starts = [*leaves, *gradient_of.values()]
    below = flow.down_from(starts, forward) | {flow.made[slot] for slot in gradient_of.values() if slot in flow.made}
    if loss is not None:
        below &= flow.up_from([loss])
    return tuple(sorted(below & forward))
