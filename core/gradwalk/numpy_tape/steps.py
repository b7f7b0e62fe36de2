"""The ops of the pass that is under way, and the steps that go to the sink when a pass has ended."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..recording.retention import FULL_STEP_BYTES, Keep
from ..statistics import UNKNOWN, Row
from ..trace import StepError, Trace
from .assemble import Assembler, Pass
from .capture import Captor
from .former import Former
from .passes import Passes
from .places import Place
from .records import Measured, OpRecord, Slot
from .roles import Roles

if TYPE_CHECKING:
    from ..gate import Gate
    from ..recording.sink import Sink

MOST_OPS = 20_000
"""Of a longer pass (or before the loop is known) no more ops are held."""
MOST_FORWARD_ONLY = 2_000
"""A program that never updates anything is recorded as one step if it has no more ops."""


class Steps:
    """Collects ops, cuts them into passes, and hands these over. ``moment`` counts the ops, ``step`` the steps handed over."""

    def __init__(self, sink: Sink, captor: Captor, passes: Passes, gate: Gate) -> None:
        self._sink, self._gate = sink, gate
        self._captor = captor
        self._passes = passes
        self.former = Former()
        self._assembler = Assembler(sink, self.former)
        self._sketches = Assembler(sink, self.former, of=self._assembler)
        """Of steps under way, each of which has a structure of its own."""
        self._looked = False
        """Whether the gate was armed in this step."""
        self._records: list[OpRecord] = []
        self._measured: dict[Slot, Measured] = {}
        self._clock = time.time() - time.perf_counter()
        self._cut_short = False
        """Whether ops of this pass are missing."""
        self._known: set[Place] = set()
        """The sites of the steps so far."""
        self._held: Pass | None = None
        self._explicit = False
        self.moment = 0
        self.step = 0
        self._begin_step()

    @property
    def finished(self) -> bool:
        """Whether all steps that the sink wants have been handed over."""
        return self._sink.steps is not None and self.step >= self._sink.steps

    @property
    def pending(self) -> bool:
        """Whether ops of a step that has not ended are held."""
        return bool(self._records)

    @property
    def records(self) -> list[OpRecord]:
        """The ops of the step so far."""
        return self._records

    def look(self) -> None:
        """The gate sees this step: it is recorded, with its numbers from now on, whether the sink asked for it or not."""
        if not self._looked:
            self._looked = True
            self._captor.statistics = self._sink.level != "structure"

    def row(self, slot: Slot) -> Row:
        """The statistics of a value of this step."""
        return self._measured[slot].row if slot in self._measured else UNKNOWN

    def roles(self) -> Roles:
        """What the ops so far are."""
        return self._assembler.roles(self._records)

    def so_far(self) -> Trace:
        """The step under way; it has at least one op."""
        return replace(self._sketches.assemble(Pass([*self._records], self._measured), self.step, self._clock), done=False)

    def show(self, trace: Trace) -> None:
        """Write a step under way."""
        self._sink.partial(trace)

    def arrive(self, place: Place) -> None:
        """An op is about to run; the passes that end now become steps."""
        begins = [] if self._explicit else self._passes.arrive(place, self.moment)
        if not begins:
            return
        ends = [*begins[1:], self.moment]
        if self._passes.start is not None and begins[0] > self._passes.begin:
            begins, ends = [self._passes.begin, *begins], [begins[0], *ends]
        self._next([self._cut(begin, end) for begin, end in zip(begins, ends, strict=True)], place)

    def see(self, slot: Slot, value: Any, same: Slot | None = None) -> None:
        """Measure a value when it is first seen in the step. ``same`` is one with the same elements, in whatever order."""
        if slot not in self._measured and not self._cut_short:
            known = self._measured.get(same) if same is not None else None
            self._measured[slot] = self._captor.measure(value, known.row if known is not None else None)

    def add(self, record: OpRecord) -> None:
        """An op has run."""
        if self._cut_short or (len(self._records) >= MOST_OPS and not self._has_room()):
            _let_go([record])
            return
        self._records.append(record)
        self._passes.note(record.place, record.moment)
        self.moment += 1

    def end(self, loss: Any = None) -> None:
        """The script says that a step ends. What came before the first one was set-up: that shows when the second one ends."""
        value = getattr(loss, "_slot", None)
        number = float(loss) if value is None and loss is not None else None
        ended = Pass(self._records, self._measured, loss=value, loss_value=number)
        first, self._explicit = not self._explicit and self._passes.start is None, True
        held, self._held = self._held, ended if first else None
        if first:
            self._next([], None, held=ended)
        else:
            self._next([*_released(held, {record.place for record in ended.records}), ended], None)

    def close(self, error: StepError | None, failing: OpRecord | None) -> None:
        """The script has ended: hand over the last pass, with the op that raised where one did."""
        held, self._held = self._held, None
        ended = _released(held, set())
        if failing is not None:
            self._records.append(failing)
        last = Pass(self._records, self._measured, error=error, raised=failing is not None)
        if error is not None and (self._records or self._passes.start is not None):
            ended.append(last)
        elif self._is_a_step():
            last.label = "" if self._passes.updated or self._explicit else "forward only"
            ended.append(last)
        self._next(ended, None)

    def is_complete(self) -> bool:
        """Whether the pass that is under way has all that a pass has."""
        if not self._passes.updated or not self._records:
            return False
        return self.step == 0 or self._records[-1].place is self._assembler.last_place

    def _is_a_step(self) -> bool:
        if not self._records or (self._explicit and not self._passes.updated):
            return False
        if self._passes.start is None and not self._passes.updated:
            return self.moment == len(self._records) <= MOST_FORWARD_ONLY
        return True

    def _cut(self, first: int, last: int) -> Pass:
        offset = self._passes.begin
        return Pass(self._records[first - offset : last - offset], self._measured)

    def _hand_over(self, ended: Pass) -> None:
        if self.step and ended.error is None:
            ended.records = ended.without_tail(self._known)
        step, self.step = self.step, self.step + 1
        if self._cut_short:
            self._cut_short = False
            self._sink.note("cut short", f"step {step} has more than {MOST_OPS:,} ops; the rest of it is not recorded", step)
        if ended.records and (self._looked or self._sink.wants(step)):
            trace = self._assembler.assemble(ended, step, self._clock)
            if ended.error is None:
                self._sink.add(trace)
            else:
                self._sink.failed(trace)
        self._known.update(record.place for record in ended.records)

    def _next(self, ended: list[Pass], start: Place | None, held: Pass | None = None) -> None:
        """Hand over the passes that have ended. The next op begins a new one."""
        used, self._records, self._measured = self._records, [], {}
        self._passes.restart(self.moment, start)
        try:
            for one in ended:
                self._hand_over(one)
        finally:
            if held is None:
                _let_go(used)
            self._begin_step()

    def _begin_step(self) -> None:
        self._looked = self._gate.armed
        wanted = self._looked or self._sink.wants(self.step)
        keep = self._sink.plan(self.step) if wanted else Keep.NONE
        limit = math.inf if self._sink.everything(self.step) and self._passes.start is not None else float(FULL_STEP_BYTES)
        self._captor.begin(statistics=wanted and self._sink.level != "structure", keep=keep, limit=limit)

    def _has_room(self) -> bool:
        """Before the loop is known the oldest ops go; of a known pass the rest is left out."""
        if self._passes.start is not None or self._explicit:
            self._cut_short = True
            return False
        _let_go(self._records[: MOST_OPS // 2])
        self._records = self._records[MOST_OPS // 2 :]
        self._passes.forget(self._records[0].moment)
        used = {slot for record in self._records for slot in (*record.inputs, *record.outputs)}
        self._measured = {slot: measured for slot, measured in self._measured.items() if slot in used}
        self._captor.reckon(measured.kept for measured in self._measured.values())
        return True


def _released(held: Pass | None, sites: set[Place]) -> list[Pass]:
    """A pass that was held back, without what came before the first of these sites."""
    if held is None:
        return []
    first = next((i for i, record in enumerate(held.records) if record.place in sites), 0)
    held.records = held.records[first:]
    return [held]


def _let_go(records: list[OpRecord]) -> None:
    """Cut the links from values to what they came from, which would keep every step alive."""
    for record in records:
        for slot in record.outputs:
            slot.base = slot.maker = None
