"""Where a step begins and ends.

1. Ops go into the log as they run; a backward makes the log a training step.
2. After a backward, the first op that starts a new graph closes the step. What ran after its last update or backward without a
   graph is the tail: what reads what the step made (metrics, an average of the parameters) is still the step's, the rest (data
   for the next batch) moves to the next step.
3. Without a backward, a *lap* ends where the call site of one of its ops comes again with inputs that are older than that op, or
   where the same outermost module is called again without grad. A lap whose graph nobody can reach any more is a *forward only*
   step; laps that a later backward needs belong to its step.
4. A lap in which nothing counts as a forward (data being prepared) is dropped when the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .order import flat, inner
from .record_facts import accumulated_by, counts, made_by, outermost_call, read_by, writes_a_leaf
from .records import BackwardRecord, Call, OpRecord, Place, Record, Slot

FORWARD_ONLY = "forward only"
MICRO_BATCH = "micro-batch"
_LONGEST = 200_000
"""Ops after which a pass without a backward is cut, so that memory stays bounded."""
_LONGEST_SETUP = 20_000
"""The same for ops among which nothing counts as a forward."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A finished step, and what had already run after it. ``at_end``: the recording ends with it."""

    records: Sequence[Record]
    label: str = ""
    following: Sequence[Record] = ()
    at_end: bool = False


Emit: TypeAlias = Callable[[Cut], None]


class Steps:
    """The log of what has run and belongs to no finished step yet; ``emit`` gets each step as it ends."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._emitted = 0
        self.pending: set[Slot] = set()
        """The leaves whose gradients wait for an update."""
        self._dropping = False
        self._open([])

    def _open(self, records: Sequence[Record]) -> None:
        """A new log, which begins with records left over from the one before."""
        self.log: list[Record] = []
        self._sites: dict[Place, tuple[int, Call | None]] = {}
        """The ops of the lap (after a backward: of the tail) by call site: serial number and outermost module call."""
        self._laps: list[int] = []
        self._modules: set[int] = set()
        self._tail = 0
        self._counted = 0
        """One past the last record of the log (after a backward: of the tail) that counts as a forward."""
        self._forward = -1
        """The serial number of the first record that counts as a forward."""
        self._trained = self._graphs = False
        for record in records:
            if isinstance(record, OpRecord):
                self._append(record)

    # ------------------------------------------------------------------ what the log knows

    @property
    def trained(self) -> bool:
        """Whether a backward has run in the open step."""
        return self._trained

    @property
    def complete(self) -> bool:
        """Whether the open step has had its backward and an update, and nothing that counts as a forward after them."""
        return self._updated() and self._counted <= self._tail

    def of_the_next(self) -> list[Record]:
        """What has run already of the step after the open one."""
        return self._split_tail()[1] if self._trained else []

    def made_here(self, slot: Slot) -> bool:
        """Whether a Slot was made by a record of the open step."""
        return bool(self.log) and slot.serial >= self.log[0].serial

    def graph_records(self) -> list[OpRecord]:
        """The ops of the open step that made Nodes."""
        return [record for record in self.log if isinstance(record, OpRecord) and record.makes_graph]

    def inner_graph_records(self) -> list[OpRecord]:
        """The ops that made Nodes inside a backward of the open step."""
        return [record for record in inner(self.log) if isinstance(record, OpRecord) and record.makes_graph]

    def _updated(self) -> bool:
        """Whether there was an update; zeroing before the backward is none."""
        after = True
        for record in reversed(self.log):
            if isinstance(record, BackwardRecord):
                if any(isinstance(other, OpRecord) and writes_a_leaf(other) for other in inner([record])):
                    return True
                after = False
            elif writes_a_leaf(record) or (record.update and after):
                return True
        return False

    # ------------------------------------------------------------------ what comes in

    def add(self, record: OpRecord) -> None:
        """Note an op or an update; closes what it shows to be finished."""
        if self._dropping and not record.makes_graph:
            return
        self._dropping = False
        if record.update:
            self._add_update(record)
            return
        self.prepare(record)
        if not self._trained:
            if self._comes_again(record):
                self._end_lap()
            if record.makes_graph and not self._graphs and self._counted:
                self._laps.append(self._end_of_forward(self._counted))
        self._append(record)

    def append(self, record: OpRecord) -> None:
        """Put back what the step that is open began with."""
        self._append(record)

    def drop_until_graph(self) -> None:
        """What comes belongs to a step that was not looked at, until an op makes a graph."""
        self._dropping = True

    def reopen(self) -> None:
        """A new log for a step that was followed."""
        self._open([])

    def close(self) -> None:
        """End the training step: the next one has begun."""
        self._close()

    def prepare(self, record: OpRecord) -> None:
        """Close the training step that this op does not belong to."""
        if self._trained and self._starts_anew(record):
            self._close()

    def begin_backward(self, record: BackwardRecord, reached: set[int]) -> None:
        """Note a backward that reaches the ops with these serial numbers; laps before those that it needs were forwards only."""
        self._dropping = False
        if not self._trained and (self._laps or self._forward not in reached):
            self._give_up_before(self._needed_by(reached))
        self._laps = []
        self.log.append(record)
        self._trained = True
        self._end_tail()

    def enter_module(self, module: int, grad: bool) -> None:
        """An outermost module is being called, with grad enabled or not."""
        if not grad:
            if self._trained:
                self._close()
            elif module in self._modules:
                self._end_lap()
        self._modules.add(module)

    def end(self) -> None:
        """The recording ends: hand out what is complete."""
        if self._trained:
            own, following = self._split_tail()
            self._hand_out([*self.log[: self._tail], *own], self._label(at_end=True), following, at_end=True)
            self._open_with_tail(following)
        while self._laps:
            self._flush_lap()
        if self._counted or not self._emitted:
            self._hand_out(self.log, FORWARD_ONLY, at_end=True)
        self._open([])

    # ------------------------------------------------------------------ appending

    def _append(self, record: OpRecord) -> None:
        writes_input = self._writes_input(record)
        for slot in record.inputs:
            slot.last_use = record.serial
        if record.place is not None:
            self._sites[record.place] = record.serial, outermost_call(record)
        self.log.append(record)
        self._graphs = self._graphs or record.makes_graph
        if counts(record) or writes_input:
            self._counted = len(self.log)
            if self._forward < 0:
                self._forward = record.serial
        if self._trained and record.makes_graph:
            self._end_tail()
        elif len(self.log) - self._tail > (_LONGEST if self._counted > self._tail else _LONGEST_SETUP):
            self._cut_short()

    def _add_update(self, record: OpRecord) -> None:
        """An update belongs to the open step. A tail that has nothing to do with the step stays the tail, after it."""
        if not self._trained:
            self.log.append(record)
            self._counted = len(self.log) if self._counted else 0
        elif any(self._depends(other) for other in self.log[self._tail :]):
            self.log.append(record)
            self._end_tail()
        else:
            self.log.insert(self._tail, record)
            self._tail += 1

    def _depends(self, record: Record) -> bool:
        """Whether a record of the tail reads what the step before the tail made."""
        first, tail = self._forward, {slot for other in self.log[self._tail :] for slot in made_by(other)}
        return any(slot.serial >= first and slot not in tail for slot in read_by(record))

    def _end_tail(self) -> None:
        self._tail = self._counted = len(self.log)
        self._sites = {}

    def _cut_short(self) -> None:
        if self._trained:
            self._close()
        else:
            self._end_pass()

    # ------------------------------------------------------------------ what shows that something has ended

    def _starts_anew(self, record: OpRecord) -> bool:
        """After a backward: a graph that nothing of this step feeds, or the tail's own forward beginning again."""
        if record.makes_graph:
            return not any(slot.requires_grad and not slot.leaf and self.made_here(slot) for slot in record.inputs)
        return self._counted > self._tail and self._comes_again(record)

    def _comes_again(self, record: OpRecord) -> bool:
        """Whether an op's call site comes again with inputs older than when it came before: it begins another lap."""
        place = record.place
        if place is None or not (place.direct or record.call is not None):
            return False  # a line of torch's own may run several ops for one call of the user's
        before = self._sites.get(place)
        if before is None or (record.call is not None and before[1] is outermost_call(record)):
            return False
        for slot in record.outputs:
            if slot.written:
                return False
        return not [slot for slot in record.inputs if slot.serial >= before[0] and not slot.written]

    def _writes_input(self, record: OpRecord) -> bool:
        """An in-place write to what an earlier op of this log read: an update by hand, without autograd."""
        if "collective" in record.tags:
            return False  # sums of losses, counts of samples
        for slot in record.outputs:
            if slot.written and slot.base is not None and self.log and any(other is not slot.base for other in record.inputs):
                return slot.base.last_use >= self.log[0].serial
        return False

    def _needed_by(self, reached: set[int]) -> int:
        """The smallest serial number among the ops that a backward reaches, those that fed them, and their module calls."""
        wanted: set[Slot] = set()
        functions: set[int] = set()
        least = self.log[-1].serial if self.log else 0
        for record in reversed(self.log):
            inside = isinstance(record, OpRecord) and record.parent in functions
            if inside or record.serial in reached or any(slot in wanted for slot in made_by(record)):
                wanted.update(read_by(record))
                least = min(least, record.serial)
                if isinstance(record, OpRecord) and record.opened >= 0:
                    functions.add(record.opened)
        return min(least, self._begin_of_the_calls_after(least))

    def _begin_of_the_calls_after(self, serial: int) -> int:
        """The first op of the outermost module calls that were under way at a serial number, or came after it.

        What such a call computes without a gradient before that (the counter of a batch norm) is part of it.
        """
        ops = [record for record in self.log if isinstance(record, OpRecord) and record.call is not None]
        calls = {outermost_call(record) for record in ops if record.serial >= serial}
        return min((record.serial for record in ops if outermost_call(record) in calls), default=serial)

    def _end_of_forward(self, end: int) -> int:
        """Where a forward whose last op that counts is before ``end`` ends: after those that read what it made."""
        made = {slot for record in self.log[:end] for slot in made_by(record)}
        for index in range(end, len(self.log)):
            if any(slot in made for slot in read_by(self.log[index])):
                made.update(made_by(self.log[index]))
                end = index + 1
        return end

    def _reachable(self, lap: int) -> bool:
        """Whether a backward could still reach the log's first ``lap`` records."""
        following = self.log[lap].serial if lap < len(self.log) else self.log[-1].serial + 1
        for record in self.log[:lap]:
            for slot in made_by(record):
                alive = slot.requires_grad and slot.reference is not None and slot.reference() is not None
                if alive or slot.last_use >= following:
                    return True
        return False

    # ------------------------------------------------------------------ ending

    def _end_lap(self) -> None:
        """An entry op's site came again, or an outermost module's call without grad."""
        if not self._graphs:
            self._end_pass()
            return
        if not self._laps or self._laps[-1] != len(self.log):
            self._laps.append(len(self.log))
        self._sites = {}
        if len(self._laps) > 1 and not self._reachable(self._laps[0]):
            self._flush_lap()

    def _end_pass(self) -> None:
        """Close a pass that no backward can reach; what did not count as a forward is dropped."""
        if self._counted:
            self._hand_out(self.log, FORWARD_ONLY)
        self._open([])

    def _give_up_before(self, needed: int) -> None:
        """Hand out the forwards before the record with this serial number: the backward that has come does not reach them."""
        while self._laps and self.log[self._laps[0]].serial <= needed:
            self._flush_lap()
        unneeded = [
            i for i, record in enumerate(self.log) if record.serial < needed and isinstance(record, OpRecord) and counts(record)
        ]
        if unneeded:
            self._laps = [min(self._end_of_forward(unneeded[-1] + 1), self._place_of(needed))]
            self._flush_lap()

    def _place_of(self, serial: int) -> int:
        return next(place for place, record in enumerate(self.log) if record.serial >= serial)

    def _flush_lap(self) -> None:
        lap, laps, sites, modules = self._laps[0], self._laps[1:], self._sites, self._modules
        records, rest = self.log[:lap], self.log[lap:]
        if any(isinstance(record, OpRecord) and counts(record) for record in records):
            self._hand_out(records, FORWARD_ONLY, rest)
        self._open(rest)
        self._laps = [other - lap for other in laps]
        self._sites, self._modules = sites, modules

    def _close(self) -> None:
        """End the training step before that of its tail which is the next step's."""
        label = self._label()
        own, following = self._split_tail()
        self._hand_out([*self.log[: self._tail], *own], label, following)
        self._open_with_tail(following)

    def _open_with_tail(self, tail: Sequence[Record]) -> None:
        """A new log, which begins with the tail. What did not count as a forward before does not do so now."""
        counted = self._counted > self._tail
        self._open(tail)
        if not counted:
            self._counted, self._forward = 0, -1

    def _split_tail(self) -> tuple[list[Record], list[Record]]:
        """The tail: what belongs to the step, and what to the next one.

        The step's is what reads a result or a gradient that it made, what writes a leaf that it updated into something else, and
        what led to these.
        """
        tail = self.log[self._tail :]
        wanted: set[Slot] = set()
        later = {slot for record in tail for slot in made_by(record)}
        own = [self._reads_the_step(record, later) for record in tail]
        for index in range(len(tail) - 1, -1, -1):
            if own[index] or any(slot in wanted for slot in made_by(tail[index])):
                own[index] = True
                wanted.update(read_by(tail[index]))
        made = {slot for record, mine in zip(tail, own, strict=True) if mine for slot in made_by(record)}
        for index, record in enumerate(tail):  # and what goes on from there
            if own[index] or any(slot in made for slot in read_by(record)):
                own[index] = True
                made.update(made_by(record))
        return [r for r, mine in zip(tail, own, strict=True) if mine], [r for r, mine in zip(tail, own, strict=True) if not mine]

    def _reads_the_step(self, record: Record, later: set[Slot]) -> bool:
        if isinstance(record, OpRecord) and counts(record):
            return False  # the next forward has begun
        writes = any(slot.written for slot in made_by(record))
        return any(slot.serial >= self._forward and slot not in later and (writes or not slot.leaf) for slot in read_by(record))

    def _hand_out(self, records: Sequence[Record], label: str, following: Sequence[Record] = (), *, at_end: bool = False) -> None:
        if records:
            self._emitted += 1
            self._emit(Cut(records, label, following, at_end))

    def _label(self, *, at_end: bool = False) -> str:
        """``micro-batch`` for a step whose gradients wait for, or join, those of another step."""
        leaves = {leaf for record in flat(self.log) if isinstance(record, BackwardRecord) for leaf in accumulated_by(record)}
        waits = leaves if not self._updated() else set()
        label = MICRO_BATCH if leaves & self.pending or (waits and not at_end) else ""
        self.pending = waits
        return label
